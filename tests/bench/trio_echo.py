"""trio_echo.py - the echo server with Trio: a task for each connection, started
by echo_load."""
import resource

import trio


async def serve(stream):
    async for data in stream:
        await stream.send_all(data)


async def main():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    doors = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=4096)
    port = doors[0].socket.getsockname()[1]
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await trio.serve_listeners(serve, doors)


trio.run(main)
