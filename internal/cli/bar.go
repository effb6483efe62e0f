package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/davit-sh/davit/narrate"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bar draws, from the events of one host, a line: its step, how far that is, and how long there is
// until the limit. It is a sink.
type bar struct {
	screen   *screen
	progress *mpb.Progress
	filler   mpb.BarFiller
	now      func() time.Time

	mu    sync.Mutex
	line  *mpb.Bar // nil until there is something to draw
	over  bool     // the host is done
	state barState
}

// newBar returns a bar that is drawn on s until close is called.
func newBar(s *screen, plain bool) *bar {
	style := mpb.BarStyle().Lbound("").Filler("━").Tip("╸").Padding("─").Rbound("")
	if plain {
		style = mpb.BarStyle()
	}
	return &bar{screen: s, progress: mpb.New(mpb.WithConsoleWriter(s)), filler: style.Build(), now: time.Now}
}

// Emit takes what e says. The first event that names a limit or tells progress draws the line.
func (b *bar) Emit(e narrate.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state.learn(e)
	_, limited := deadlineOf(e)
	if b.line != nil || b.over || !limited && e.Kind != narrate.Progress {
		return nil
	}
	line, err := b.progress.Add(0, mpb.BarFillerFunc(b.fill),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return b.seen().step })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.seen().tail(b.now()) })))
	if err == nil { // else the bar is closed
		b.line = line
	}
	return nil
}

// fill draws how far the host is, nothing while that is not known.
func (b *bar) fill(w io.Writer, stat decor.Statistics) error {
	s := b.seen()
	if s.total <= 0 {
		return nil
	}
	stat.Total, stat.Current = s.total, min(s.done, s.total)
	return b.filler.Fill(w, stat)
}

func (b *bar) seen() barState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// end removes the line, as the host is done.
func (b *bar) end(string, error) {
	b.mu.Lock()
	line := b.line
	b.over = true
	b.mu.Unlock()
	if line != nil {
		line.Abort(true)
	}
}

// close takes the line away.
func (b *bar) close() {
	b.screen.close()
	b.progress.Shutdown()
}

// barState is what is known of the host.
type barState struct {
	step        string
	deadline    time.Time // zero if there is none
	done, total int64     // of the step
	unit        string
	since       time.Time // of the first figure of the step
	first       int64     // that figure
	last        time.Time // of the latest
}

// learn takes what e says.
func (s *barState) learn(e narrate.Event) {
	if limit, ok := deadlineOf(e); ok && (s.deadline.IsZero() || limit.Before(s.deadline)) {
		s.deadline = limit
	}
	if e.Step != "" && e.Step != s.step {
		*s = barState{deadline: s.deadline, step: e.Step}
	}
	if e.Kind != narrate.Progress {
		return
	}
	s.done, _ = e.Attrs["done"].(int64)
	s.total, _ = e.Attrs["total"].(int64)
	s.unit, _ = e.Attrs["unit"].(string)
	s.last = e.Time
	if s.since.IsZero() {
		s.since, s.first = e.Time, s.done
	}
}

// deadlineOf returns the end of the limit that e opens.
func deadlineOf(e narrate.Event) (time.Time, bool) {
	text, _ := e.Attrs["deadline"].(string)
	limit, err := time.Parse(time.RFC3339Nano, text)
	return limit, err == nil && e.Action == "start"
}

// tail is what stands after the bar: "9.2/15.0 MiB  8.1 MiB/s  0:01 to go  limit in 4:51".
func (s barState) tail(now time.Time) string {
	var text string
	if s.total > 0 {
		text = s.figures() + "  "
	}
	if !s.deadline.IsZero() {
		text += "limit in " + clock(s.deadline.Sub(now))
	}
	return text
}

func (s barState) figures() string {
	if s.unit != "bytes" {
		return fmt.Sprintf("%d/%d %s", s.done, s.total, s.unit)
	}
	text := narrate.Bytes(s.done) + " of " + narrate.Bytes(s.total)
	if rate := s.rate(); rate > 0 {
		left := time.Duration(float64(s.total-s.done) / rate * float64(time.Second))
		text += fmt.Sprintf("  %s/s  %s to go", narrate.Bytes(int64(rate)), clock(left))
	}
	return text
}

// rate returns units per second since the first figure, 0 as long as there is only one.
func (s barState) rate() float64 {
	if s.done <= s.first || !s.last.After(s.since) {
		return 0
	}
	return float64(s.done-s.first) / s.last.Sub(s.since).Seconds()
}
