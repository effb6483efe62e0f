// Package link is a connection to an SSH server that is signed in: commands run over it, and
// connections are made through it.
package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/davit-sh/davit/host"
	"golang.org/x/crypto/ssh"
)

// Conn is what a Link needs of an SSH connection. An [ssh.Conn] is one.
type Conn interface {
	OpenChannel(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error)
	SendRequest(name string, wantReply bool, payload []byte) (bool, []byte, error)
	// Wait returns when the connection has ended, and why.
	Wait() error
}

// Link is a connection to one SSH server, signed in.
type Link struct {
	// RoundTrip is how long a byte needs to the host and an answer to come back, at most; 0 if that is
	// not known. It is set before the link is given to anybody.
	RoundTrip time.Duration

	host string // its name
	conn Conn
	cut  func()
	done chan struct{} // closed when the connection has ended
	err  error         // valid then: why

	mu  sync.Mutex
	why error // why we closed it; nil if we did not
}

// New takes over a connection to the host of this name. cut ends what is below the connection,
// and so the connection, without waiting for anybody.
func New(name string, conn Conn, cut func()) *Link {
	l := &Link{host: name, conn: conn, cut: cut, done: make(chan struct{})}
	go func() {
		l.err = conn.Wait()
		close(l.done)
		cut()
	}()
	return l
}

// Done is closed when the connection has ended.
func (l *Link) Done() <-chan struct{} { return l.done }

// Ping returns when the host has answered, or the link's error when it has ended.
func (l *Link) Ping() error {
	_, _, err := l.conn.SendRequest("keepalive@openssh.com", true, nil)
	return err
}

// Close ends the link without a word to the host, and so without waiting.
func (l *Link) Close(why error) {
	l.mu.Lock()
	if l.why == nil {
		l.why = why
	}
	l.mu.Unlock()
	l.cut()
}

// lost returns the error of a link that has ended.
func (l *Link) lost(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		err = l.why
	}
	return &host.Error{Host: l.host, Kind: host.ErrLost, Err: fmt.Errorf("connection lost: %w", err)}
}

// Alive returns [host.ErrLost] if the link has ended.
func (l *Link) Alive() error {
	select {
	case <-l.done:
		return l.lost(l.err)
	default:
		return nil
	}
}

// refused returns the error of a channel that could not be opened.
func (l *Link) refused(err error) error {
	no, ok := errors.AsType[*ssh.OpenChannelError](err)
	if !ok {
		return l.lost(err)
	}
	return &host.Error{
		Kind: host.ErrShell, Err: fmt.Errorf("the host refuses another session: %s", no.Message),
		Hint: "look at MaxSessions in its sshd_config",
	}
}

// Dial has the host connect to address.
func (l *Link) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
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
	t, err := await(ctx, "dial "+addr+" from the host", func() (*tunnel, error) {
		channel, requests, err := l.conn.OpenChannel("direct-tcpip", open)
		if err != nil {
			return nil, l.notForwarded(addr, err)
		}
		go ssh.DiscardRequests(requests)
		return newTunnel(channel, Address(addr)), nil
	}, func(t *tunnel) { t.Close() })
	if err != nil {
		return nil, err
	}
	return t, nil
}

// notForwarded returns the error of a connection that the host did not make.
func (l *Link) notForwarded(addr string, err error) error {
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
