package ssh

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/davit-sh/davit/host/internal/link"
	"golang.org/x/crypto/ssh"
)

// wire is the bytes below a link. It knows when the last of them came, and the first.
type wire struct {
	net.Conn
	begin time.Time
	heard atomic.Int64 // when the last byte came, as a duration since begin
	ready atomic.Bool  // the handshake is done

	mu    sync.Mutex
	first []byte // the first bytes that came, at most firstBytes
}

const firstBytes = 256

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, begin: time.Now()}
	keepUnsentLow(conn)
	return w
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	quickAck(w.Conn)
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.heard.Store(int64(time.Since(w.begin)))
	}
	if !w.ready.Load() && n > 0 {
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

// newLink takes over a connection whose handshake is done, and that which it runs through, if
// any, and closes both when the host no longer gives a sign of life.
func newLink(name string, conn ssh.Conn, w *wire, below *link.Link, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request, o Options) *link.Link {
	w.ready.Store(true)
	go ssh.DiscardRequests(requests)
	go func() {
		for channel := range channels {
			channel.Reject(ssh.Prohibited, "no channels to this side")
		}
	}()
	l := link.New(name, conn, func() {
		w.Close()
		if below != nil {
			below.Close(net.ErrClosed)
		}
	})
	go keepAlive(l, w, o.KeepAliveInterval, o.KeepAliveCount)
	return l
}

// keepAlive closes a link over which nothing has come for count intervals. Any byte counts: on
// a slow link the answer waits behind the bytes that are on their way.
func keepAlive(l *link.Link, w *wire, interval time.Duration, count int) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var asking atomic.Bool
	for {
		select {
		case <-l.Done():
			return
		case <-ticker.C:
		}
		switch silent := w.silent(); {
		case silent >= interval*time.Duration(count):
			l.Close(fmt.Errorf("the host has not answered for %v", interval*time.Duration(count)))
		case silent >= interval && asking.CompareAndSwap(false, true):
			go func() {
				defer asking.Store(false)
				l.Ping()
			}()
		}
	}
}
