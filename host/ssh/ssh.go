// Package ssh is a host that is reached over SSH.
//
// The configuration of OpenSSH's own client is honoured: aliases, jump hosts, proxy commands,
// keys, certificates, the agent and known_hosts. Host keys are verified always.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/davit-sh/davit/host"
)

const (
	// DefaultKeepAliveInterval is how long a connection may be silent before it is asked for a
	// sign of life.
	DefaultKeepAliveInterval = 15 * time.Second
	// DefaultKeepAliveCount is how many intervals of silence a connection survives.
	DefaultKeepAliveCount = 3
)

// Options says how to reach a host. The zero value does what the ssh program would do without a
// terminal.
type Options struct {
	// ConfigFile is read in place of the user's and the system's ssh_config.
	ConfigFile string

	// Identities are paths of private keys that are offered before any other. They must exist.
	// They are offered to jump hosts, too.
	Identities []string

	// AcceptNewHostKeys makes a host key that is not known yet a known one, in the first of the
	// user's known_hosts files. One that differs from the known one is refused all the same.
	AcceptNewHostKeys bool

	// KnownHostsFiles are read in place of the ones that ssh_config names.
	KnownHostsFiles []string

	// PasswordFile is the path of a file with the password on its first line. It is used where
	// no key is let in.
	PasswordFile string

	// Prompt asks the user for a password or the passphrase of a key and returns the answer,
	// which is kept nowhere. It must return when ctx ends. Nil never asks.
	Prompt func(ctx context.Context, question string) (string, error)

	// KeepAliveInterval is how long the connection may be silent before the host is asked for a
	// sign of life; DefaultKeepAliveInterval if 0.
	KeepAliveInterval time.Duration

	// KeepAliveCount is after how many such intervals without a byte from the host the
	// connection is closed as lost; DefaultKeepAliveCount if 0.
	KeepAliveCount int
}

// withDefaults returns o with its defaults in place of what is 0 or less.
func (o Options) withDefaults() Options {
	if o.KeepAliveInterval <= 0 {
		o.KeepAliveInterval = DefaultKeepAliveInterval
	}
	if o.KeepAliveCount <= 0 {
		o.KeepAliveCount = DefaultKeepAliveCount
	}
	return o
}

// Host is a machine that is reached over SSH. One that was connected and lost its connection
// stays lost: every call returns [host.ErrLost], and a new Host is the way to try again.
type Host struct {
	target target
	opts   Options

	turn chan struct{} // held while connecting; a channel, so that a waiting caller can leave
	over context.Context
	end  context.CancelCauseFunc // ends over, with what a call after Close returns

	mu    sync.Mutex
	links []*link // to the jump hosts, then to the host itself; nil until connected
}

var _ host.Host = (*Host)(nil)

// New returns the host that target names: user@name[:port], ssh://[user@]name[:port], or an
// alias of ssh_config. It does not connect. A target that cannot be used is [host.ErrConfig].
func New(target string, o Options) (*Host, error) {
	t, err := parseTarget(target)
	if err != nil {
		return nil, &host.Error{
			Host: target, Kind: host.ErrConfig, Err: fmt.Errorf("%q is not a host: %w", target, err),
			Hint: "write user@name, user@name:port, ssh://user@name:port or an alias of ssh_config",
		}
	}
	h := &Host{target: t, opts: o.withDefaults(), turn: make(chan struct{}, 1)}
	h.over, h.end = context.WithCancelCause(context.Background())
	return h, nil
}

// Name returns the host as the user wrote it, without "ssh://".
func (h *Host) Name() string { return h.target.String() }

// Connect implements [host.Host].
func (h *Host) Connect(ctx context.Context) error {
	_, err := h.link(ctx)
	return err
}

// Exec implements [host.Host]. A server that refuses to run commands at all says so only by
// silence: bound the wait for the first answer.
func (h *Host) Exec(ctx context.Context, command string) (host.Process, error) {
	l, err := h.link(ctx)
	if err != nil {
		return nil, err
	}
	p, err := l.exec(ctx, command)
	if err != nil {
		return nil, h.named(err)
	}
	return p, nil
}

// Dial implements [host.Host]. Where the host does not forward connections the error is
// [host.ErrConfig]; where nothing answers at address, [host.ErrUnreachable].
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	l, err := h.link(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := l.dial(ctx, network, address)
	if err != nil {
		return nil, h.named(err)
	}
	return conn, nil
}

// Close implements [host.Host]. A call that is connecting just now returns.
func (h *Host) Close() error {
	h.end(&host.Error{
		Host: h.Name(), Kind: host.ErrLost, Err: fmt.Errorf("the connection was closed: %w", net.ErrClosed),
	})
	h.mu.Lock()
	links := h.links
	h.mu.Unlock()
	closeAll(links, net.ErrClosed)
	return nil
}

// link returns the connection to the host, and makes it if there is none.
func (h *Host) link(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.over, func() { cancel(context.Cause(h.over)) })()

	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
	}
	if err := h.ended(ctx); err != nil {
		return nil, err
	}
	if h.links == nil {
		links, err := connect(ctx, h.target, h.opts)
		if err != nil {
			return nil, h.named(err)
		}
		h.mu.Lock()
		h.links = links
		h.mu.Unlock()
		if h.over.Err() != nil { // and Close may have seen none of them
			closeAll(links, net.ErrClosed)
			return nil, context.Cause(h.over)
		}
	}
	l := h.links[len(h.links)-1]
	return l, l.alive()
}

// ended returns the error of a call whose context has ended or whose host was closed.
func (h *Host) ended(ctx context.Context) error {
	switch {
	case h.over.Err() != nil:
		return context.Cause(h.over)
	case ctx.Err() != nil:
		return fmt.Errorf("connect: %w", context.Cause(ctx))
	}
	return nil
}

// named returns err with the name of the host in it.
func (h *Host) named(err error) error {
	if e, ok := errors.AsType[*host.Error](err); ok && e.Host == "" {
		e.Host = h.Name()
	}
	return err
}
