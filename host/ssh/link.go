package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/davit-sh/davit/host"
	"golang.org/x/crypto/ssh"
)

// link is a connection to one SSH server, signed in.
type link struct {
	host string // its name
	conn ssh.Conn
	wire *wire
	done chan struct{} // closed when the connection has ended
	err  error         // valid then: why

	mu  sync.Mutex
	why error // why we closed it; nil if we did not
}

// wire is the bytes below a link. It knows when the last of them came, and the first.
type wire struct {
	net.Conn
	begin time.Time
	heard atomic.Int64 // when the last byte came, as a duration since begin
	quick atomic.Bool  // acknowledge at once, while every byte is waited for

	mu    sync.Mutex
	first []byte // the first bytes that came, at most firstBytes
}

const firstBytes = 256

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, begin: time.Now()}
	w.quick.Store(true)
	return w
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if w.quick.Load() {
		quickAck(w.Conn)
	}
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.heard.Store(int64(time.Since(w.begin)))
	}
	if w.quick.Load() && n > 0 {
		w.mu.Lock()
		w.first = append(w.first, p[:min(n, firstBytes-len(w.first))]...)
		w.mu.Unlock()
	}
	return n, err
}

// firstWords returns the beginning of what came.
func (w *wire) firstWords() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.first)
}

// silent returns for how long nothing has come.
func (w *wire) silent() time.Duration {
	return time.Since(w.begin) - time.Duration(w.heard.Load())
}

// newLink takes over a connection whose handshake is done, and closes it when the host no
// longer gives a sign of life.
func newLink(name string, conn ssh.Conn, w *wire, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request, o Options) *link {
	w.quick.Store(false)
	l := &link{host: name, conn: conn, wire: w, done: make(chan struct{})}
	go ssh.DiscardRequests(requests)
	go func() {
		for channel := range channels {
			channel.Reject(ssh.Prohibited, "no channels to this side")
		}
	}()
	go func() {
		l.err = conn.Wait()
		close(l.done)
		w.Close()
	}()
	go l.keepAlive(o.KeepAliveInterval, o.KeepAliveCount)
	return l
}

// keepAlive closes a link over which nothing has come for count intervals. Any byte counts: on
// a slow link the answer waits behind the bytes that are on their way.
func (l *link) keepAlive(interval time.Duration, count int) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var asking atomic.Bool
	for {
		select {
		case <-l.done:
			return
		case <-ticker.C:
		}
		switch silent := l.wire.silent(); {
		case silent >= interval*time.Duration(count):
			l.close(fmt.Errorf("the host has not answered for %v", interval*time.Duration(count)))
		case silent >= interval && asking.CompareAndSwap(false, true):
			go func() {
				defer asking.Store(false)
				l.ping()
			}()
		}
	}
}

// ping returns when the host has answered, or the link's error when it has ended.
func (l *link) ping() error {
	_, _, err := l.conn.SendRequest("keepalive@openssh.com", true, nil)
	return err
}

// close ends the link without a word to the host, and so without waiting.
func (l *link) close(why error) {
	l.mu.Lock()
	if l.why == nil {
		l.why = why
	}
	l.mu.Unlock()
	l.wire.Close()
}

// closeAll closes links, the last first: it runs through the others.
func closeAll(links []*link, why error) {
	for i := len(links) - 1; i >= 0; i-- {
		links[i].close(why)
	}
}

// lost returns the error of a link that has ended.
func (l *link) lost(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		err = l.why
	}
	return &host.Error{Host: l.host, Kind: host.ErrLost, Err: fmt.Errorf("connection lost: %w", err)}
}

// alive returns [host.ErrLost] if the link has ended.
func (l *link) alive() error {
	select {
	case <-l.done:
		return l.lost(l.err)
	default:
		return nil
	}
}

// refused returns the error of a channel that could not be opened.
func (l *link) refused(err error) error {
	no, ok := errors.AsType[*ssh.OpenChannelError](err)
	if !ok {
		return l.lost(err)
	}
	return &host.Error{
		Kind: host.ErrShell, Err: fmt.Errorf("the host refuses another session: %s", no.Message),
		Hint: "look at MaxSessions in its sshd_config",
	}
}

// dial has the host connect to address.
func (l *link) dial(ctx context.Context, network, addr string) (*tunnel, error) {
	name, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &host.Error{Kind: host.ErrConfig, Err: err}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("dial %s: the port must be a number", addr)}
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("dial %s: not a network that SSH forwards: %s", addr, network)}
	}
	open := ssh.Marshal(struct {
		Name       string
		Port       uint32
		Originator string
		FromPort   uint32
	}{name, uint32(number), "127.0.0.1", 0})
	return await(ctx, "dial "+addr+" from the host", func() (*tunnel, error) {
		channel, requests, err := l.conn.OpenChannel("direct-tcpip", open)
		if err != nil {
			return nil, l.notForwarded(addr, err)
		}
		go ssh.DiscardRequests(requests)
		return newTunnel(channel, address(addr)), nil
	}, func(t *tunnel) { t.Close() })
}

// notForwarded returns the error of a connection that the host did not make.
func (l *link) notForwarded(addr string, err error) error {
	no, ok := errors.AsType[*ssh.OpenChannelError](err)
	switch {
	case !ok:
		return l.lost(err)
	case no.Reason == ssh.Prohibited:
		return &host.Error{
			Kind: host.ErrConfig, Err: fmt.Errorf("dial %s from the host: it does not forward connections: %s", addr, no.Message),
			Hint: "set AllowTcpForwarding local in its sshd_config, and look at PermitOpen there and at the options of the key in authorized_keys",
		}
	}
	return &host.Error{Kind: host.ErrUnreachable, Err: fmt.Errorf("dial %s from the host: %s", addr, no.Message)}
}

// await returns what work returns, or when ctx ends; then discard gets what work returns late.
func await[T any](ctx context.Context, doing string, work func() (T, error), discard func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := work()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				discard(r.value)
			}
		}()
		var none T
		return none, fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
}
