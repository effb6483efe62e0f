package link

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// errGivenUp is what calls return after Close.
var errGivenUp = fmt.Errorf("given up: %w", os.ErrClosed)

// tube carries bytes to and from a channel. A channel's own calls wait for the other side even
// after its Close, and for ever if the network has stalled; a tube's end with the tube's Close.
// What a goroutine of the tube still waits for then ends with the connection.
type tube struct {
	channel ssh.Channel
	stdin   *io.PipeWriter
	input   *io.PipeReader // the channel's side of stdin
	outputs []*io.PipeWriter
	closed  chan struct{}
	once    sync.Once
}

func newTube(channel ssh.Channel) *tube {
	t := &tube{channel: channel, closed: make(chan struct{})}
	t.input, t.stdin = io.Pipe()
	go t.send()
	return t
}

// send hands on what is written, as it comes.
func (t *tube) send() {
	if _, err := io.Copy(t.channel, t.input); err != nil {
		t.input.CloseWithError(fmt.Errorf("the other side reads no more: %w", io.ErrClosedPipe))
		return
	}
	t.channel.CloseWrite()
}

// receive returns a reader of what comes from r, which is the channel or its stderr. It is
// called before the tube is given to anybody.
func (t *tube) receive(r io.Reader) io.Reader {
	out, in := io.Pipe()
	t.outputs = append(t.outputs, in)
	go func() {
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	return out
}

// Write writes to the channel. What was taken may still be on its way here when it returns.
func (t *tube) Write(p []byte) (int, error) { return t.stdin.Write(p) }

// CloseWrite ends what is written. It does not wait.
func (t *tube) CloseWrite() error { return t.stdin.Close() }

// Close ends the tube and, when the network lets it, the channel.
func (t *tube) Close() error {
	t.once.Do(func() {
		close(t.closed)
		t.input.CloseWithError(errGivenUp)
		for _, output := range t.outputs {
			output.CloseWithError(errGivenUp)
		}
		go t.channel.Close()
	})
	return nil
}

// tunnel is a connection that the host has made for us.
type tunnel struct {
	*tube
	io.Reader
	remote net.Addr
}

func newTunnel(channel ssh.Channel, remote net.Addr) *tunnel {
	t := &tunnel{tube: newTube(channel), remote: remote}
	t.Reader = t.receive(channel)
	return t
}

func (t *tunnel) LocalAddr() net.Addr              { return Address("ssh") }
func (t *tunnel) RemoteAddr() net.Addr             { return t.remote }
func (t *tunnel) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (t *tunnel) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (t *tunnel) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// Address is the address of an end that only the other side knows.
type Address string

// Network implements net.Addr.
func (Address) Network() string  { return "tcp" }
func (a Address) String() string { return string(a) }
