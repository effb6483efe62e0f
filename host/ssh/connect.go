package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/link"
	"github.com/davit-sh/davit/host/internal/target"
	"golang.org/x/crypto/ssh"
)

// maxHops is how many jump hosts there may be before they are taken for a loop.
const maxHops = 8

// clientVersion is how we introduce ourselves; it is in the host's log.
const clientVersion = "SSH-2.0-davit"

// connect connects to the last of the hops through all others. If it fails, nothing stays open. The error is
// an [*host.Error] or wraps the cause of ctx.
func connect(ctx context.Context, hops []*settings, o Options) (l *link.Link, err error) {
	defer func() {
		if err != nil && l != nil {
			l.Close(net.ErrClosed)
			l = nil
		}
	}()
	for i, hop := range hops {
		conn, took, err := reach(ctx, l, hop)
		if err != nil {
			return l, atHop(i, hops, err)
		}
		further, err := handshake(ctx, conn, l, hop, o)
		if err != nil {
			return l, atHop(i, hops, err)
		}
		l = further
		l.RoundTrip = roundTrip(conn, took)
	}
	return l, nil
}

// atHop returns err with the name of the jump host in it, unless it is about the host itself.
func atHop(i int, hops []*settings, err error) error {
	if i == len(hops)-1 {
		return err
	}
	if e, ok := errors.AsType[*host.Error](err); ok {
		e.Err = fmt.Errorf("jump host %s: %w", hops[i].target, e.Err)
		return e
	}
	return fmt.Errorf("jump host %s: %w", hops[i].target, err)
}

// route returns the settings of each hop to t, t's own last.
func route(ctx context.Context, t target.Target, jumps target.Jumps, configFile string, depth int) ([]*settings, error) {
	s, err := resolve(ctx, t, jumps, configFile)
	if err != nil {
		return nil, err
	}
	if depth > maxHops {
		return nil, &host.Error{
			Kind: host.ErrConfig, Err: fmt.Errorf("ssh_config leads through more than %d jump hosts: is ProxyJump a loop?", maxHops),
			Hint: "ssh -G " + strings.Join(t.Args(), " "),
		}
	}
	var hops []*settings
	for jump := range strings.SplitSeq(s.proxyJump, ",") {
		if jump = strings.TrimSpace(jump); jump == "" {
			continue
		}
		j, err := target.Parse(jump)
		if err != nil {
			return nil, &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("ssh_config's ProxyJump %q: %w", jump, err)}
		}
		if !jumps.Asked && j.Name == t.Name {
			continue // "Host *" with a ProxyJump means the jump host, too, but not that
		}
		way, err := route(ctx, j, target.Jumps{}, configFile, depth+1)
		if err != nil {
			return nil, err
		}
		if len(hops) > 0 {
			way = way[len(way)-1:] // reached through the jump before it, whatever its own say
		}
		hops = append(hops, way...)
	}
	return append(hops, s), nil
}

// reach makes the connection below SSH: through a jump host if there is one, through a command,
// or to the host itself. It returns how long that took, a round trip, or 0 if it is not known.
func reach(ctx context.Context, jump *link.Link, s *settings) (conn net.Conn, took time.Duration, err error) {
	addr := net.JoinHostPort(s.hostName, s.port)
	began := time.Now()
	switch {
	case jump != nil:
		conn, err = jump.Dial(ctx, "tcp", addr)
	case s.proxyCommand != "":
		conn, err = startProxy(s.proxyCommand)
		return conn, 0, err
	default:
		conn, began, err = dial(ctx, addr, s)
	}
	return conn, time.Since(began), err
}

// dial connects to addr, and returns when that began, after the look-up of the name.
func dial(ctx context.Context, addr string, s *settings) (net.Conn, time.Time, error) {
	var began atomic.Pointer[time.Time]
	note := func(context.Context, string, string, syscall.RawConn) error {
		now := time.Now()
		began.Store(&now)
		return nil
	}
	conn, err := (&net.Dialer{ControlContext: note}).DialContext(ctx, "tcp", addr) // with TCP_NODELAY, as always in Go
	switch {
	case ctx.Err() != nil:
		if err == nil {
			conn.Close()
		}
		return nil, time.Time{}, fmt.Errorf("dial %s: %w", addr, context.Cause(ctx))
	case err != nil:
		return nil, time.Time{}, &host.Error{Kind: host.ErrUnreachable, Err: err, Hint: s.command()}
	}
	return conn, *began.Load(), nil
}

// handshake signs in over conn, which runs through jump if that is not nil, and which it closes if it fails. The whole of it ends with ctx.
func handshake(ctx context.Context, conn net.Conn, jump *link.Link, s *settings, o Options) (l *link.Link, err error) {
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	keys, err := newHostKeys(ctx, s, o)
	if err != nil {
		return nil, err
	}
	a, err := newAuth(ctx, s, o)
	if err != nil {
		return nil, err
	}
	defer a.close()
	w := newWire(conn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	sshConn, channels, requests, err := ssh.NewClientConn(w, keys.addr, &ssh.ClientConfig{
		User:              s.user,
		Auth:              a.methods(),
		AuthCallback:      a.observe,
		HostKeyCallback:   keys.verify,
		HostKeyAlgorithms: keys.algorithms(),
		ClientVersion:     clientVersion,
	})
	if !stop() {
		return nil, fmt.Errorf("ssh handshake with %s: %w", keys.addr, context.Cause(ctx))
	}
	if err != nil {
		return nil, failure{s, w, keys, a}.classify(err)
	}
	return newLink(s.target.String(), sshConn, w, jump, channels, requests, o), nil
}

// failure is what is known of a handshake that failed.
type failure struct {
	settings *settings
	wire     *wire
	keys     *hostKeys
	auth     *auth
}

// classify returns what err means.
func (f failure) classify(err error) error {
	if e, ok := errors.AsType[*host.Error](err); ok {
		return e // of our own callbacks
	}
	_, noneInCommon := errors.AsType[*ssh.AlgorithmNegotiationError](err)
	said := f.wire.firstWords()
	switch {
	case f.auth.began && !isBroken(err):
		return f.auth.failed(err)
	case said == "":
		return f.nothingSaid(err)
	case strings.HasPrefix(said, "Exceeded MaxStartups"):
		return &host.Error{
			Kind: host.ErrUnreachable, Err: errors.New("too many others are signing in to the host just now"),
			Hint: "try again, or raise MaxStartups in its sshd_config",
		}
	case !slices.ContainsFunc(strings.Split(said, "\n"), func(line string) bool { return strings.HasPrefix(line, "SSH-") }):
		line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
		return &host.Error{
			Kind: host.ErrNotSSH, Err: fmt.Errorf("what answers at %s is not an SSH server: it says %q", f.keys.addr, strings.TrimSpace(line)),
			Hint: "check the port: " + f.settings.command(),
		}
	case noneInCommon:
		return &host.Error{Kind: host.ErrConfig, Err: err, Hint: f.settings.command()}
	}
	return &host.Error{
		Kind: host.ErrLost, Err: fmt.Errorf("connection lost in the handshake: %w", err),
		Hint: f.settings.command(),
	}
}

// nothingSaid returns the error of a connection that ended before the server said a word.
func (f failure) nothingSaid(err error) error {
	e := &host.Error{Kind: host.ErrUnreachable, Hint: f.settings.command()}
	if p, ok := f.wire.Conn.(*proxyConn); ok {
		e.Err = fmt.Errorf("the ProxyCommand of ssh_config ended: %s", p.lastWords())
		return e
	}
	e.Err = fmt.Errorf("%s closed the connection before it said a word: %w", f.keys.addr, err)
	return e
}
