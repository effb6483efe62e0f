package testhost

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is one direction of a link: what passes it does so one after the other.
type wire struct {
	rate      int // bytes per second, 0 is no limit
	delivered atomic.Int64

	mu   sync.Mutex
	free time.Time // when all that was booked so far has passed
}

// book returns when n bytes that are there now will have passed. A wire that was idle for a few
// milliseconds catches up, since that is how late a sleeper may wake.
func (w *wire) book(n int) time.Time {
	now := time.Now()
	if w.rate == 0 {
		return now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.free) > 5*time.Millisecond {
		w.free = now
	}
	w.free = w.free.Add(time.Duration(n) * time.Second / time.Duration(w.rate))
	return w.free
}

// mouthful is how many bytes are taken at a time: at a low rate few, so that they flow.
func (w *wire) mouthful() int {
	if w.rate == 0 {
		return 32 << 10
	}
	return max(1, min(32<<10, w.rate/100))
}

// chunk is some bytes on their way, or the end of the stream.
type chunk struct {
	data []byte
	end  error // io.EOF, or why src broke
	due  time.Time
}

// carry brings what it reads from src to dst. Reading and delivering are two goroutines: that
// is what keeps latency from costing bandwidth. It returns when both are through.
func (p *Proxy) carry(w *wire, dst, src net.Conn) {
	flight := make(chan chunk, 4096)
	var delivery sync.WaitGroup
	delivery.Go(func() {
		p.deliver(w, dst, src, flight)
		for range flight { // what comes too late
		}
	})
	p.collect(w, src, flight)
	close(flight)
	delivery.Wait()
}

// collect reads src at the rate of the wire, and stamps each chunk with the time of its arrival.
func (p *Proxy) collect(w *wire, src net.Conn, flight chan<- chunk) {
	buf := make([]byte, w.mouthful())
	for {
		n, err := src.Read(buf)
		if !p.pass() {
			return
		}
		if p.hole.Load() && err != nil {
			<-p.done // the other end must not learn that this one has gone
			return
		}
		passed := w.book(n)
		if !p.sleepUntil(passed) {
			return
		}
		due := passed.Add(p.link.Latency)
		if n > 0 {
			flight <- chunk{data: bytes.Clone(buf[:n]), due: due}
		}
		if err != nil {
			flight <- chunk{end: err, due: due}
			return
		}
	}
}

// deliver writes each chunk to dst when it is due. It returns at the end of the stream, or when
// one side is gone, and then so is the other.
func (p *Proxy) deliver(w *wire, dst, src net.Conn, flight <-chan chunk) {
	for c := range flight {
		if !p.sleepUntil(c.due) || !p.pass() {
			return
		}
		switch {
		case p.hole.Load():
		case c.end != nil:
			hangUp(dst, src, c.end)
			return
		case !p.write(w, dst, c.data):
			reset(src)
			return
		}
	}
}

// write reports whether the connection is still good.
func (p *Proxy) write(w *wire, dst net.Conn, data []byte) bool {
	n, last := len(data), false
	if w == &p.up {
		n, last = p.allow(n)
	}
	n, err := dst.Write(data[:n])
	w.delivered.Add(int64(n))
	if last {
		p.cut()
	}
	return err == nil && !last
}

// hangUp hands the end of src on to dst: a clean one ends that direction only, any other both.
func hangUp(dst, src net.Conn, end error) {
	half, ok := dst.(interface{ CloseWrite() error })
	if ok && errors.Is(end, io.EOF) {
		half.CloseWrite()
		return
	}
	reset(dst)
	src.Close()
}
