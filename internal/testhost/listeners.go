package testhost

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Silent returns the address of a server that takes connections and never says a word.
func Silent(t testing.TB) string {
	t.Helper()
	return serve(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
}

// NotSSH returns the address of a server that answers like one of the web.
func NotSSH(t testing.TB) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		conn.Read(make([]byte, 1024))
		io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn) // or the answer could be lost to a reset
	})
}

// StallingHandshake returns the address of a server that introduces itself as SSH's and then
// says nothing more.
func StallingHandshake(t testing.TB) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		io.WriteString(conn, "SSH-2.0-OpenSSH_9.2p1\r\n")
		io.Copy(io.Discard, conn)
	})
}

// Refused returns an address where nothing listens, and nothing will while the test runs: the
// port is taken by our end of a connection.
func Refused(t testing.TB) string {
	t.Helper()
	conn, err := net.Dial("tcp", Silent(t))
	if err != nil {
		t.Fatalf("testhost: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

// serve answers each connection with answer, until the test ends.
func serve(t testing.TB, answer func(net.Conn)) string {
	t.Helper()
	ln := listen(t)
	var conns sync.WaitGroup
	ended := make(chan struct{})
	conns.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				answer(conn)
			})
			conns.Go(func() {
				<-ended
				conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		close(ended)
		conns.Wait()
	})
	return ln.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("testhost: %v", err)
	}
	return ln
}
