package testhost

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Link says what a network between client and server is like. The zero value is loopback.
type Link struct {
	Latency time.Duration // one way
	Rate    int           // bytes per second, each way, for all connections together; 0 is no limit
}

// Proxy is a link that runs: connections to it go on to a backend, at the link's pace, until a
// fault is switched on. Bytes on their way do not wait for each other: latency costs no
// bandwidth. The handshake of TCP itself is not slowed.
type Proxy struct {
	link     Link
	backend  string
	ln       net.Listener
	up, down wire
	accepted atomic.Int64
	hole     atomic.Bool // once true, nothing is delivered any more
	done     chan struct{}
	running  sync.WaitGroup

	mu    sync.Mutex
	gate  chan struct{}         // closed while bytes may move
	left  int64                 // bytes to the server until the cut; negative if none is planned
	conns map[net.Conn]struct{} // nil once the proxy is closed
}

// NewLink starts a link to the server at backend. It is closed with the test.
func NewLink(t testing.TB, backend string, link Link) *Proxy {
	t.Helper()
	p := newProxy(link)
	p.backend, p.ln = backend, listen(t)
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func newProxy(link Link) *Proxy {
	p := &Proxy{link: link, left: -1, done: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	p.up.rate, p.down.rate = link.Rate, link.Rate
	p.gate = make(chan struct{})
	close(p.gate)
	return p
}

// Addr returns the address that clients connect to, on 127.0.0.1.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// BytesUp returns how many bytes have been delivered to the server.
func (p *Proxy) BytesUp() int64 { return p.up.delivered.Load() }

// BytesDown returns how many bytes have been delivered to clients.
func (p *Proxy) BytesDown() int64 { return p.down.delivered.Load() }

// Connections returns how many connections have been taken since the start.
func (p *Proxy) Connections() int64 { return p.accepted.Load() }

// Stall stops all bytes where they are, but for those that are being handed over just now.
// Connections stay open, and new ones wait.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
		p.gate = make(chan struct{})
	default: // stalled already
	}
}

// Resume ends a stall.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

// Blackhole makes the link swallow everything from now on, the ends of connections too. It
// still takes connections. There is no way back.
func (p *Proxy) Blackhole() { p.hole.Store(true) }

// CutAfter closes all connections, on both sides, when exactly n more bytes have been delivered
// to the server. It does so once: later connections are whole again.
func (p *Proxy) CutAfter(n int64) {
	p.mu.Lock()
	p.left = n
	p.mu.Unlock()
	if n == 0 {
		p.cut()
	}
}

// Reset breaks all connections, on both sides, with a TCP reset. Later ones are whole again.
func (p *Proxy) Reset() { p.drop(reset) }

func (p *Proxy) cut() {
	p.mu.Lock()
	p.left = -1
	p.mu.Unlock()
	p.drop(net.Conn.Close)
}

func (p *Proxy) drop(hangUp func(net.Conn) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		hangUp(conn)
	}
}

// reset closes conn in such a way that its other end sees a reset.
func reset(conn net.Conn) error {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	return conn.Close()
}

func (p *Proxy) close() {
	close(p.done)
	p.ln.Close()
	p.drop(net.Conn.Close)
	p.mu.Lock()
	p.conns = nil
	p.mu.Unlock()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.accepted.Add(1)
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer p.hold(client)()
	if !p.pass() {
		return
	}
	if p.hole.Load() {
		io.Copy(io.Discard, client)
		return
	}
	server, err := net.Dial("tcp", p.backend)
	if err != nil {
		reset(client)
		return
	}
	p.join(client, server)
}

// hold keeps conn where faults find it, until the function that it returns closes it.
func (p *Proxy) hold(conn net.Conn) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		conn.Close()
		return func() {}
	}
	if tcp, ok := conn.(*net.TCPConn); ok && p.link.Rate > 0 {
		tcp.SetReadBuffer(64 << 10) // or megabytes would count as sent before they move
	}
	p.conns[conn] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, conn)
		conn.Close()
	}
}

// join carries bytes between the two until both directions have ended, and closes server.
func (p *Proxy) join(client, server net.Conn) {
	defer p.hold(server)()
	var both sync.WaitGroup
	both.Go(func() { p.carry(&p.up, server, client) })
	both.Go(func() { p.carry(&p.down, client, server) })
	both.Wait()
}

// pass waits while the link is stalled. It reports false if the proxy was closed.
func (p *Proxy) pass() bool {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-p.done:
		return false
	case <-gate:
		return true
	}
}

// sleepUntil reports false if the proxy was closed.
func (p *Proxy) sleepUntil(due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	select {
	case <-p.done:
		return false
	case <-time.After(wait):
		return true
	}
}

// allow returns how many of n bytes the server may get before the cut, and whether the cut
// comes right after them.
func (p *Proxy) allow(n int) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left < 0 {
		return n, false
	}
	n = int(min(int64(n), p.left))
	p.left -= int64(n)
	return n, p.left == 0
}
