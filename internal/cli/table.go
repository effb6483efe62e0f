package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/narrate"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// hostTable draws, from the events of several hosts, a row for each: its name, what is done there,
// and for how long. The last line counts. Where the screen is too low for all, it has those that
// are being worked on and those that failed, and counts the others. It is a sink.
type hostTable struct {
	screen   *screen
	progress *mpb.Progress
	ellipsis string
	now      func() time.Time
	begin    func() // begins to draw, once

	mu    sync.Mutex
	rows  []*hostRow // in the order given
	named map[string]*hostRow
}

// newHostTable returns a table of the hosts of these names that is drawn on s from the first event until close
// is called.
func newHostTable(s *screen, hosts []string, plain bool) *hostTable {
	t := &hostTable{
		screen: s, progress: mpb.New(mpb.WithConsoleWriter(s)), ellipsis: "…",
		now: time.Now, named: map[string]*hostRow{},
	}
	if plain {
		t.ellipsis = "..."
	}
	for _, name := range hosts {
		row := &hostRow{name: narrate.Visible(name), phase: hostWaiting}
		t.rows, t.named[name] = append(t.rows, row), row
	}
	t.begin = sync.OnceFunc(t.draw)
	return t
}

// draw begins to draw. To mpb the whole table is one bar; the screen counts its lines.
func (t *hostTable) draw() {
	t.progress.Add(0, mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error {
		_, height, _ := t.screen.GetTermSize()
		_, err := io.WriteString(w, strings.Join(t.frame(stat.AvailableWidth, height), "\n"))
		return err
	}), mpb.BarFillerTrim()) // if it is closed nothing is drawn
}

// Emit takes what e says of its host, or of all.
func (t *hostTable) Emit(e narrate.Event) error {
	t.begin()
	t.mu.Lock()
	defer t.mu.Unlock()
	if row := t.named[e.Host]; row != nil {
		row.learn(e)
	}
	if e.Action == "fleet_stopped" {
		for _, row := range t.rows {
			if row.phase == hostWaiting {
				row.phase = hostLeftOut
			}
		}
	}
	return nil
}

// end notes that a host is done, or has failed.
func (t *hostTable) end(host string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if row := t.named[host]; row != nil {
		row.end(hostDone, "", t.now())
		if err != nil {
			row.end(hostFailed, reason(err), t.now())
		}
	}
}

// close takes the table away.
func (t *hostTable) close() {
	t.screen.close()
	t.progress.Shutdown()
}

// frame returns what is to be seen on a screen of this size, in columns and lines.
func (t *hostTable) frame(width, height int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	shown := t.shown(height - 1)
	lines := t.lines(shown, width)
	if len(shown) == 0 || len(shown) == len(t.rows) {
		return append(lines, cut(count(len(t.rows), "host")+": "+phases(t.rows), width, t.ellipsis))
	}
	left := slices.DeleteFunc(slices.Clone(t.rows), func(row *hostRow) bool { return slices.Contains(shown, row) })
	return append(lines, cut(fmt.Sprintf("%s and %d more: %s", t.ellipsis, len(left), phases(left)), width, t.ellipsis))
}

// shown returns the rows for which there is room on so many lines.
func (t *hostTable) shown(lines int) []*hostRow {
	if len(t.rows) <= lines {
		return t.rows
	}
	var first []*hostRow
	for _, phase := range []phase{hostRunning, hostFailed} {
		for _, row := range t.rows {
			if row.phase == phase && len(first) < lines {
				first = append(first, row)
			}
		}
	}
	return first
}

// lines writes rows in columns.
func (t *hostTable) lines(rows []*hostRow, width int) []string {
	now := t.now()
	const gap = 2
	names, states, times := 0, 0, 0
	for _, row := range rows {
		names = max(names, columns(row.name))
		states = max(states, columns(row.state()))
		times = max(times, len(row.time(now)))
	}
	names = min(names, width/3)
	states = min(states, width-names-times-2*gap)
	var all []string
	for _, row := range rows {
		line := pad(cut(row.name, names, t.ellipsis), names+gap) +
			pad(cut(row.state(), states, t.ellipsis), states+gap) + row.time(now)
		all = append(all, cut(strings.TrimRight(line, " "), width, t.ellipsis))
	}
	return all
}

// phase is how far a host has come.
type phase string

// The phases, as they are counted.
const (
	hostWaiting phase = "waiting"
	hostRunning phase = "running"
	hostFailed  phase = "failed"
	hostDone    phase = "done"
	hostUndone  phase = "put back"
	hostLeftOut phase = "not begun"
)

// phases counts rows by phase: "70 done, 10 waiting".
func phases(rows []*hostRow) string {
	counts := map[phase]int{}
	for _, row := range rows {
		counts[row.phase]++
	}
	var parts []string
	for _, p := range []phase{hostRunning, hostFailed, hostDone, hostUndone, hostLeftOut, hostWaiting} {
		if counts[p] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[p], p))
		}
	}
	return strings.Join(parts, ", ")
}

// hostRow is what is known of one host.
type hostRow struct {
	name         string
	phase        phase
	seen         barState
	text         string // a word in place of that for the step; for a failure its reason
	back         bool   // it is being put back
	began, ended time.Time
}

// learn takes what e says.
func (r *hostRow) learn(e narrate.Event) {
	switch e.Action {
	case "reverting":
		r.phase, r.back, r.ended = hostRunning, true, time.Time{}
	case "reverted":
		r.end(hostUndone, "", e.Time)
	case "revert_failed":
		r.end(hostFailed, "not put back", e.Time)
	}
	if r.over() {
		return // an echo
	}
	if r.phase != hostRunning {
		r.phase, r.began = hostRunning, e.Time
	}
	if e.Step != "" && e.Step != r.seen.step {
		r.text = ""
	}
	r.seen.learn(e)
	if e.Action == "health_success" {
		r.text = "healthy"
	}
}

func (r *hostRow) over() bool {
	return r.phase != hostRunning && r.phase != hostWaiting && r.phase != hostLeftOut
}

// end ends the host's part.
func (r *hostRow) end(p phase, text string, at time.Time) {
	r.phase, r.text, r.ended, r.back = p, text, at, false
	if r.began.IsZero() {
		r.began = at
	}
}

// doings say what is done in a step; another step is its own name.
var doings = map[string]string{
	"": "beginning", "connect": "connecting", "probe": "looking", "build": "building", "transfer": "copying", "verify": "verifying",
	"activate": "activating", "start": "starting", "stop": "stopping", "health": "asking whether it is healthy",
}

// state says what is done, or what came of it: "copying 43%", "failed: connect: unreachable".
func (r *hostRow) state() string {
	switch {
	case r.phase == hostFailed && r.text != "":
		return "failed: " + r.text
	case r.phase != hostRunning:
		return string(r.phase)
	case r.back:
		return "putting back"
	case r.text != "":
		return r.text
	}
	doing, known := doings[r.seen.step]
	if !known {
		doing = narrate.Visible(r.seen.step)
	}
	if r.seen.total > 0 {
		doing += fmt.Sprintf(" %d%%", 100*min(r.seen.done, r.seen.total)/r.seen.total)
	}
	return doing
}

// time says how long the host was, or is, worked on; "" if it was not.
func (r *hostRow) time(now time.Time) string {
	switch {
	case r.began.IsZero():
		return ""
	case !r.ended.IsZero():
		now = r.ended
	}
	return clock(now.Sub(r.began))
}

// reason says on one line why a host failed, without its name.
func reason(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*davit.Error](err); ok {
		text = e.Err.Error()
		if e.Step != "" {
			text = e.Step + ": " + text
		}
	}
	text, _, _ = strings.Cut(text, "\n")
	return narrate.Visible(text)
}

// columns returns how many columns of a terminal text takes at most.
func columns(text string) (n int) {
	for _, c := range text {
		n += columnsOf(c)
	}
	return n
}

// columnsOf counts two for all that may be wide: a row that is wider than the screen would break the frame.
func columnsOf(c rune) int {
	if c < 0x1100 || c == '…' {
		return 1
	}
	return 2
}

// cut returns text, or so much of it, and an ellipsis, as has room in so many columns.
func cut(text string, width int, ellipsis string) string {
	if columns(text) <= width {
		return text
	}
	left := width - columns(ellipsis)
	if left < 0 {
		return ""
	}
	for i, c := range text {
		if left -= columnsOf(c); left < 0 {
			return text[:i] + ellipsis
		}
	}
	return text
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-columns(text), 0))
}
