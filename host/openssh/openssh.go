// Package openssh is a host that is reached with the user's own ssh program, for what only that
// can do: hardware keys, GSSAPI, and whatever else its configuration asks for.
//
// The program makes one connection, as a ControlMaster of its own: one that the user has already is
// not used, and is left alone. Commands run through its control socket. The program is our child. It
// ends with the host's Close, and on Linux with our process, however that ends. Elsewhere, if our
// process is killed, what it ran on the host sees the end of its input as ever, but the program stays
// until its connection ends.
package openssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/link"
	"github.com/davit-sh/davit/host/internal/target"
)

// Options says how to reach a host. The zero value does what the ssh program would do without a
// terminal.
type Options struct {
	// Program is the path of the ssh program; the one in PATH if empty. It must be OpenSSH 7.4 or
	// later.
	Program string

	// ConfigFile is read in place of the user's and the system's ssh_config, by jump hosts, too.
	ConfigFile string

	// Jump names the jump hosts on the way, in their order, as ProxyJump of ssh_config(5) has them:
	// [user@]host[:port] or ssh:// URIs, with commas between them, or "none" for no jump. It takes the
	// place of ssh_config's ProxyJump and ProxyCommand for the host; "" leaves the way to these. What
	// ssh_config says about the jump hosts themselves is done.
	Jump string

	// Identities are paths of private keys that are offered before any other. They must exist.
	// They are offered to the jump hosts that Jump names, too; ones that only ssh_config names are
	// offered what that says.
	Identities []string

	// AcceptNewHostKeys makes a host key that is not known yet a known one, of jump hosts, too. One
	// that differs from the known one is refused all the same.
	AcceptNewHostKeys bool

	// PasswordFile is the path of a file with the password on its first line. It is used once,
	// where no key is let in.
	PasswordFile string

	// Prompt asks the user what the program wants to know, such as a password, the passphrase of
	// a key or a PIN, and returns the answer, which is kept nowhere. It must return when ctx ends.
	// Nil never asks. The program itself asks nobody: it has no terminal.
	Prompt func(ctx context.Context, question string) (string, error)
}

// Host is a machine that is reached with the ssh program. One that was connected and lost its
// connection stays lost: every call returns [host.ErrLost], and a new Host is the way to try again.
type Host struct {
	target target.Target
	jumps  target.Jumps
	opts   Options
	link   *link.Holder

	mu       sync.Mutex
	settings *settings // nil until they are known
}

var (
	_ host.Host  = (*Host)(nil)
	_ host.Gated = (*Host)(nil)
)

// New returns the host of this name: user@name[:port], ssh://[user@]name[:port], or an alias of
// ssh_config. It does not connect. A name that cannot be used is [host.ErrConfig], and so is one of a
// jump host, and a system whose ssh program has no ControlMaster: Windows.
func New(name string, o Options) (*Host, error) {
	t, err := target.OfHost(name)
	if err != nil {
		return nil, err
	}
	jumps, err := target.JumpsTo(t, o.Jump)
	if err != nil {
		return nil, err
	}
	if !supported {
		return nil, &host.Error{
			Host: t.String(), Kind: host.ErrConfig, Err: errors.New("the ssh program of this system has no ControlMaster"),
			Hint: "leave --ssh openssh out",
		}
	}
	h := &Host{target: t, jumps: jumps, opts: o}
	h.link = link.NewHolder(t.String(), h.connect)
	return h, nil
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

// Gate implements [host.Gated].
func (h *Host) Gate(ctx context.Context) string {
	s, err := h.resolved(ctx)
	if err != nil {
		return "" // to connect says so
	}
	return s.gate()
}

// Close implements [host.Host]. A call that is connecting just now returns.
func (h *Host) Close() error { return h.link.Close() }

// resolved returns what ssh_config says about the host, and finds that out if it was not done.
func (h *Host) resolved(ctx context.Context) (*settings, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.settings != nil {
		return h.settings, nil
	}
	path, err := find(h.opts)
	if err != nil {
		return nil, err
	}
	h.settings, err = resolve(ctx, path, h.target, h.jumps, h.opts)
	return h.settings, err
}

// connect has the ssh program connect to the host. If it fails, nothing stays. The error is an [*host.Error] or
// wraps the cause of ctx.
func (h *Host) connect(ctx context.Context) (*link.Link, error) {
	s, err := h.resolved(ctx)
	if err != nil {
		return nil, err
	}
	d, err := newDesk(ctx, s.opts)
	if err != nil {
		return nil, err
	}
	defer d.close() // nothing in there is needed for longer
	way, err := s.openWay(ctx, s.path, d)
	if err != nil {
		return nil, err
	}
	m, err := startMaster(s.path, s.arguments(d.path(socketName), way), d.environment())
	if err != nil {
		return nil, err
	}
	l, err := m.connect(ctx, s.target.String(), d.path(socketName))
	switch {
	case ctx.Err() != nil:
		m.kill()
		return nil, fmt.Errorf("ssh to %s: %w", s.target, context.Cause(ctx))
	case err != nil:
		m.kill()
		return nil, failure{s.target, s, d, m.said.lines()}.classify(err)
	}
	s.tell(ctx, m.said.lines())
	return l, nil
}

// find returns the path of the ssh program. It finds out first what is wrong with the options.
func find(o Options) (string, error) {
	for _, path := range o.Identities {
		if _, err := os.Stat(path); err != nil {
			return "", &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("read a key: %w", err)}
		}
	}
	if o.Program != "" {
		return o.Program, nil
	}
	path, err := exec.LookPath("ssh")
	if err != nil {
		return "", &host.Error{
			Kind: host.ErrConfig, Err: fmt.Errorf("there is no ssh program: %w", err),
			Hint: "install OpenSSH's client, or leave --ssh openssh out",
		}
	}
	return path, nil
}
