package ssh

import (
	"net"
	"syscall"
)

const (
	tcpNotsentLowat = 25        // TCP_NOTSENT_LOWAT of linux/tcp.h
	unsentBytes     = 128 << 10 // that may wait here for their turn
)

// keepUnsentLow has the kernel take no more than it can soon send: else megabytes count as sent that
// are not, words wait behind them, and the host learns of our end only after them.
func keepUnsentLow(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, unsentBytes)
	})
}
