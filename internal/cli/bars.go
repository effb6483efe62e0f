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

// bars draws, from the events of one or more hosts, a line for each: its step, how far that is,
// and how long there is until the limit. It is a sink.
type bars struct {
	screen   *screen
	progress *mpb.Progress
	filler   mpb.BarFiller
	named    bool // each line begins with its host
	now      func() time.Time

	mu    sync.Mutex
	hosts map[string]*hostBar
	over  map[string]bool // hosts that are done
}

// hostBar is the line of one host.
type hostBar struct {
	bar *mpb.Bar

	mu    sync.Mutex
	state barState
}

// newBars returns bars that are drawn on s until close is called.
func newBars(s *screen, named, plain bool) *bars {
	style := mpb.BarStyle().Lbound("").Filler("━").Tip("╸").Padding("─").Rbound("")
	if plain {
		style = mpb.BarStyle()
	}
	return &bars{
		screen: s, progress: mpb.New(mpb.WithConsoleWriter(s)), filler: style.Build(),
		named: named, now: time.Now, hosts: map[string]*hostBar{}, over: map[string]bool{},
	}
}

// Emit takes what e says of its host.
func (b *bars) Emit(e narrate.Event) error {
	if h := b.host(e); h != nil {
		h.mu.Lock()
		h.state.learn(e)
		h.mu.Unlock()
	}
	return nil
}

// host returns the line of e's host; the first event that names a limit or tells progress makes it.
func (b *bars) host(e narrate.Event) *hostBar {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, drawn := b.hosts[e.Host]
	_, limited := deadlineOf(e)
	if drawn || b.over[e.Host] || !limited && e.Kind != narrate.Progress {
		return h
	}
	h = &hostBar{}
	if b.named {
		h.state.host = e.Host
	}
	bar, err := b.progress.Add(0, b.fillerOf(h),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return h.seen().head() }, decor.WCSyncWidthR)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return h.seen().tail(b.now()) })))
	if err != nil {
		return nil // the bars are closed
	}
	h.bar, b.hosts[e.Host] = bar, h
	return h
}

// fillerOf draws how far the host is, nothing while that is not known.
func (b *bars) fillerOf(h *hostBar) mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error {
		s := h.seen()
		if s.total <= 0 {
			return nil
		}
		stat.Total, stat.Current = s.total, min(s.done, s.total)
		return b.filler.Fill(w, stat)
	})
}

func (h *hostBar) seen() barState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

// end removes the line of a host that is done.
func (b *bars) end(host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.hosts[host]; h != nil {
		h.bar.Abort(true)
	}
	delete(b.hosts, host)
	b.over[host] = true
}

// close takes all lines away.
func (b *bars) close() {
	b.screen.close()
	b.progress.Shutdown()
}

// barState is what is known of a host.
type barState struct {
	host, step  string
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
		*s = barState{host: s.host, deadline: s.deadline, step: e.Step}
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

// head is what stands before the bar.
func (s barState) head() string {
	if s.host == "" || s.step == "" {
		return s.host + s.step
	}
	return s.host + "  " + s.step
}

// tail is what stands after it: "9.2/15.0 MiB  8.1 MiB/s  0:01 to go  limit in 4:51".
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
