package narrate

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// ProgressInterval is the least time between two progress events of one meter.
const ProgressInterval = 250 * time.Millisecond

// Meter tells how far a step is: at most one progress event per [ProgressInterval], the latest
// figure wins, the last one is always told. The caller must call Close.
type Meter struct {
	ctx   context.Context
	total int64
	unit  string

	mu     sync.Mutex
	done   int64
	told   int64 // the figure last told
	next   time.Time
	timer  *time.Timer // set while a later figure waits for its turn
	closed bool
}

// NewMeter returns a meter of total units ("bytes"); total 0 means unknown.
func NewMeter(ctx context.Context, total int64, unit string) *Meter {
	m := &Meter{ctx: ctx, total: total, unit: unit, told: -1}
	m.Add(0)
	return m
}

// Add counts n more units.
func (m *Meter) Add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	if m.closed || m.timer != nil {
		return
	}
	if wait := time.Until(m.next); wait > 0 {
		m.timer = time.AfterFunc(wait, m.due)
		return
	}
	m.tell()
}

func (m *Meter) due() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.timer = nil
	if !m.closed {
		m.tell()
	}
}

// Done returns how many units were counted.
func (m *Meter) Done() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done
}

// Close tells the last figure, if it was not told. Further units are not told.
func (m *Meter) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.timer != nil {
		m.timer.Stop()
		m.timer = nil
	}
	if !m.closed {
		m.closed = true
		m.tell()
	}
	return nil
}

func (m *Meter) tell() {
	if m.done == m.told {
		return
	}
	m.told, m.next = m.done, time.Now().Add(ProgressInterval)
	Emit(m.ctx, Event{
		Kind: Progress, Action: "progress", Message: m.figure(),
		Attrs: map[string]any{"done": m.done, "total": m.total, "unit": m.unit},
	})
}

// figure returns how far the meter is, in words.
func (m *Meter) figure() string {
	if m.total <= 0 {
		return fmt.Sprintf("%d %s", m.done, m.unit)
	}
	return fmt.Sprintf("%d of %d %s", m.done, m.total, m.unit)
}

// Reader returns r, counted in bytes.
func (m *Meter) Reader(r io.Reader) io.Reader { return meterReader{m, r} }

type meterReader struct {
	m *Meter
	r io.Reader
}

func (r meterReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.m.Add(int64(n))
	return n, err
}
