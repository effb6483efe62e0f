package ssh

import (
	"net"
	"syscall"
)

// quickAck has the kernel acknowledge at once what comes next, not after the 40 ms in which an
// answer might take the acknowledgement along. The kernel forgets it, so each read asks again.
func quickAck(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
