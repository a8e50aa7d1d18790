// node_echo.js - the echo server with Node's net module: callbacks, no tasks.
// echo_load starts it.
"use strict";
const net = require("net");

const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on("data", (data) => socket.write(data));
    socket.on("error", () => socket.destroy());
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
    console.log(`listening on 127.0.0.1:${server.address().port}`);
});
