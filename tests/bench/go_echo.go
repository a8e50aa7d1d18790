// go_echo.go - the echo server in Go: a goroutine for each connection, on one
// processor. echo_load starts it.
package main

import (
	"fmt"
	"net"
	"runtime"
)

func serve(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err = c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on 127.0.0.1:%d\n", door.Addr().(*net.TCPAddr).Port)
	for {
		c, err := door.Accept()
		if err != nil {
			panic(err)
		}
		go serve(c)
	}
}
