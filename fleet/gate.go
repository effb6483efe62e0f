package fleet

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/davit-sh/davit/host"
)

// MaxConnecting is how many hosts with the same gate connect at once. sshd begins to turn clients
// away when ten are signing in (MaxStartups in sshd_config(5)), and notices a little later than a
// client that it is in: at worst there are as many again as connect. Eight were seen to be too many.
const MaxConnecting = 5

// connectingTime is how long a host may keep its place at a gate. By then it is past what it
// shares with the others, or never will be, and hosts that do not answer must not hold up the rest.
const connectingTime = 5 * time.Second

// gate is what several hosts must pass to connect; nil if there is nothing.
type gate chan struct{}

// gates are those of a run, by name.
type gates struct {
	mu    sync.Mutex
	named map[string]gate
}

// of returns the gate of a host.
func (g *gates) of(ctx context.Context, h host.Host) gate {
	gated, ok := host.As[host.Gated](h)
	if !ok {
		return nil
	}
	name := gated.Gate(ctx)
	if name == "" {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.named == nil {
		g.named = map[string]gate{}
	}
	if g.named[name] == nil {
		g.named[name] = make(gate, MaxConnecting)
	}
	return g.named[name]
}

// enter waits until h may connect, or ctx ends. It returns the host to work with, which makes room
// for the next as soon as it is connected, and what does so if it never connects.
func (g gate) enter(ctx context.Context, h host.Host) (_ host.Host, leave func()) {
	if g == nil {
		return h, func() {}
	}
	select {
	case g <- struct{}{}:
	case <-ctx.Done():
		return h, func() {}
	}
	free := sync.OnceFunc(func() { <-g })
	late := time.AfterFunc(connectingTime, free)
	leave = func() {
		late.Stop()
		free()
	}
	if r, ok := host.As[host.Renewable](h); ok {
		return renewable{gated{h, leave}, r}, leave
	}
	return gated{h, leave}, leave
}

// gated is a host that leaves its gate as soon as it is connected, or is not.
type gated struct {
	host.Host
	leave func()
}

// Unwrap returns the host; see [host.As].
func (g gated) Unwrap() host.Host { return g.Host }

// Connect implements [host.Host].
func (g gated) Connect(ctx context.Context) error {
	defer g.leave()
	return g.Host.Connect(ctx)
}

// Exec implements [host.Host]; it may connect.
func (g gated) Exec(ctx context.Context, command string) (host.Process, error) {
	defer g.leave()
	return g.Host.Exec(ctx, command)
}

// Dial implements [host.Host]; it may connect.
func (g gated) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	defer g.leave()
	return g.Host.Dial(ctx, network, address)
}

// renewable is a gated host whose next one leaves the gate, too.
type renewable struct {
	gated
	again host.Renewable
}

// Renew implements [host.Renewable].
func (r renewable) Renew() (host.Host, error) {
	h, err := r.again.Renew()
	if err != nil {
		return nil, err
	}
	return gated{h, r.leave}, nil
}
