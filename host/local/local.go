// Package local is the machine that we run on, as a host.
package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/davit-sh/davit/host"
)

// Host is this machine. Its commands run under /bin/sh with our environment, whatever the
// user's login shell, in a session of their own.
type Host struct {
	mu      sync.Mutex
	closed  bool
	running map[*process]struct{}
	conns   map[*conn]struct{}
}

var (
	_ host.Host     = (*Host)(nil)
	_ host.Measured = (*Host)(nil)
)

// New returns this machine.
func New() *Host {
	return &Host{running: map[*process]struct{}{}, conns: map[*conn]struct{}{}}
}

// Name returns "local".
func (h *Host) Name() string { return "local" }

// Connect does nothing, but for a host that was closed or a context that has ended it fails as
// any other host does.
func (h *Host) Connect(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("connect: %w", context.Cause(ctx))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return h.lost()
	}
	return nil
}

func (h *Host) lost() error {
	return &host.Error{Host: h.Name(), Kind: host.ErrLost, Err: fmt.Errorf("the host was closed: %w", os.ErrClosed)}
}

// Exec implements [host.Host].
func (h *Host) Exec(ctx context.Context, command string) (host.Process, error) {
	if err := h.Connect(ctx); err != nil {
		return nil, err
	}
	p, err := start(command)
	if err != nil {
		return nil, &host.Error{Host: h.Name(), Kind: host.ErrShell, Err: err}
	}
	p.forget = func() { drop(h, h.running, p) }
	if !keep(h, h.running, p) {
		p.Close()
		return nil, h.lost()
	}
	return p, nil
}

// RoundTrip implements [host.Measured].
func (*Host) RoundTrip() time.Duration { return time.Microsecond }

// Dial implements [host.Host].
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := h.Connect(ctx); err != nil {
		return nil, err
	}
	made, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("dial %s: %w", address, context.Cause(ctx))
		}
		return nil, &host.Error{Host: h.Name(), Kind: host.ErrUnreachable, Err: err}
	}
	c := &conn{Conn: made}
	c.forget = func() { drop(h, h.conns, c) }
	if !keep(h, h.conns, c) {
		c.Close()
		return nil, h.lost()
	}
	return c, nil
}

// Close closes the connections and the inputs and outputs of all commands. It ends none of them
// by force: they see the end of their input.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	running, conns := h.running, h.conns
	h.running, h.conns = nil, nil
	h.mu.Unlock()
	for p := range running {
		p.Close()
	}
	for c := range conns {
		c.Close()
	}
	return nil
}

// keep has Close close x. It reports false if that is too late.
func keep[X comparable](h *Host, in map[X]struct{}, x X) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	in[x] = struct{}{}
	return true
}

func drop[X comparable](h *Host, from map[X]struct{}, x X) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		delete(from, x)
	}
}

// conn is a connection that ends with the host.
type conn struct {
	net.Conn
	forget func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.forget()
	return c.Conn.Close()
}

// CloseWrite ends what is written.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
