package ssh

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unsentBytes is how much may wait in the kernel for its turn to be sent.
const unsentBytes = 128 << 10

// quickAck has the kernel acknowledge at once what comes next, not after the 40 ms in which an
// answer might take the acknowledgement along: sshd turns Nagle's algorithm off only when a command
// starts, and until then says nothing more. The kernel forgets it, so each read asks again.
func quickAck(conn net.Conn) {
	withSocket(conn, func(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
}

// keepUnsentLow has the kernel take no more than it can soon send: else megabytes count as sent that
// are not, words wait behind them, and the host learns of our end only after them.
func keepUnsentLow(conn net.Conn) {
	withSocket(conn, func(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBytes) })
}

// roundTrip returns the shortest round trip that the kernel has seen on the connection, or otherwise.
func roundTrip(conn net.Conn, otherwise time.Duration) time.Duration {
	shortest := otherwise
	withSocket(conn, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil && info.Min_rtt > 0 {
			shortest = min(otherwise, time.Duration(info.Min_rtt)*time.Microsecond)
		}
	})
	return shortest
}

// withSocket calls f with the socket of a TCP connection; with another it does nothing.
func withSocket(conn net.Conn, f func(fd int)) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { f(int(fd)) })
}
