// Package ssh is a host that is reached over SSH.
//
// The configuration of OpenSSH's own client is honoured: aliases, jump hosts, proxy commands,
// keys, certificates, the agent and known_hosts. Host keys are verified always.
package ssh

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/link"
	"github.com/davit-sh/davit/host/internal/target"
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

	// Jump names the jump hosts on the way, in their order, as ProxyJump of ssh_config(5) has them:
	// [user@]host[:port] or ssh:// URIs, with commas between them, or "none" for no jump. It takes the
	// place of ssh_config's ProxyJump and ProxyCommand for the host; "" leaves the way to these. What
	// ssh_config says about the jump hosts themselves is done.
	Jump string

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
	target target.Target
	jumps  target.Jumps
	opts   Options
	link   *link.Holder

	mu   sync.Mutex
	hops []*settings // of each hop on the way, the host's own last; nil until that is known
}

var (
	_ host.Host     = (*Host)(nil)
	_ host.Measured = (*Host)(nil)
	_ host.Gated    = (*Host)(nil)
)

// New returns the host of this name: user@name[:port], ssh://[user@]name[:port], or an
// alias of ssh_config. It does not connect. A name that cannot be used is [host.ErrConfig], and so
// is one of a jump host.
func New(name string, o Options) (*Host, error) {
	t, err := target.OfHost(name)
	if err != nil {
		return nil, err
	}
	jumps, err := target.JumpsTo(t, o.Jump)
	if err != nil {
		return nil, err
	}
	h := &Host{target: t, jumps: jumps, opts: o.withDefaults()}
	h.link = link.NewHolder(t.String(), h.connect)
	return h, nil
}

func (h *Host) connect(ctx context.Context) (*link.Link, error) {
	hops, err := h.way(ctx)
	if err != nil {
		return nil, err
	}
	return connect(ctx, hops, h.opts)
}

// way returns the settings of each hop on the way, and finds them out if that was not done.
func (h *Host) way(ctx context.Context) ([]*settings, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	if h.hops == nil {
		h.hops, err = route(ctx, h.target, h.jumps, h.opts.ConfigFile, 0)
	}
	return h.hops, err
}

// Name returns the host as the user wrote it, without "ssh://".
func (h *Host) Name() string { return h.target.String() }

// Connect implements [host.Host].
func (h *Host) Connect(ctx context.Context) error { return h.link.Connect(ctx) }

// Exec implements [host.Host]. A server that refuses to run commands at all says so only by
// silence: bound the wait for the first answer.
func (h *Host) Exec(ctx context.Context, command string) (host.Process, error) {
	return h.link.Exec(ctx, command)
}

// Dial implements [host.Host]. Where the host does not forward connections the error is
// [host.ErrConfig]; where nothing answers at address, [host.ErrUnreachable].
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return h.link.Dial(ctx, network, address)
}

// RoundTrip implements [host.Measured]. It is what the kernel has seen or, where it does not say,
// what connecting took; behind a ProxyCommand it is not known.
func (h *Host) RoundTrip() time.Duration { return h.link.RoundTrip() }

// Gate implements [host.Gated].
func (h *Host) Gate(ctx context.Context) string {
	hops, err := h.way(ctx)
	if err != nil {
		return "" // to connect says so
	}
	return hops[0].gate()
}

// Close implements [host.Host]. A call that is connecting just now returns.
func (h *Host) Close() error { return h.link.Close() }
