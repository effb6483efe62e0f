package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

func action(host, name string) narrate.Event {
	return narrate.Event{Kind: narrate.Narration, Host: host, Action: name, Time: noon}
}

func copied(host string, sent, total int64) narrate.Event {
	e := progress(0, sent, total, "bytes")
	e.Host = host
	return e
}

// tableOf returns a table of n hosts on a screen of this size, ten seconds after noon, and what it writes.
func tableOf(n, width, height int) (*hostTable, *locked) {
	var w locked
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("gpu-%d", i))
	}
	t := newHostTable(newScreen(&w, func() (int, int) { return width, height }), names, false)
	t.now = func() time.Time { return noon.Add(10 * time.Second) }
	return t, &w
}

func TestARowSaysWhatIsDoneOnItsHost(t *testing.T) {
	t.Parallel()
	refused := &davit.Error{Operation: "install", Daemon: "worker", Host: "gpu-0", Step: "connect", Err: host.ErrUnreachable}
	const name = "gpu-0"
	for label, c := range map[string]struct {
		events []narrate.Event
		done   bool
		err    error
		later  []narrate.Event
		want   string
	}{
		"nothing yet":             {want: "gpu-0  waiting"},
		"no step yet":             {events: []narrate.Event{begins(name, time.Minute)}, want: "gpu-0  beginning  0:10"},
		"a step":                  {events: []narrate.Event{step(name, "connect")}, want: "gpu-0  connecting  0:10"},
		"a step of another":       {events: []narrate.Event{step(name, "moor")}, want: "gpu-0  moor  0:10"},
		"a share":                 {events: []narrate.Event{copied(name, 43, 100)}, want: "gpu-0  copying 43%  0:10"},
		"more than all":           {events: []narrate.Event{copied(name, 101, 100)}, want: "gpu-0  copying 100%  0:10"},
		"the step after":          {events: []narrate.Event{copied(name, 43, 100), step(name, "activate")}, want: "gpu-0  activating  0:10"},
		"it is healthy":           {events: []narrate.Event{step(name, "health"), action(name, "health_success")}, want: "gpu-0  healthy  0:10"},
		"what comes after health": {events: []narrate.Event{action(name, "health_success"), step(name, "stop")}, want: "gpu-0  stopping  0:10"},
		"done":                    {events: []narrate.Event{step(name, "activate")}, done: true, want: "gpu-0  done  0:10"},
		"an echo":                 {done: true, later: []narrate.Event{step(name, "activate")}, want: "gpu-0  done  0:00"},
		"failed":                  {events: []narrate.Event{step(name, "connect")}, done: true, err: refused, want: "gpu-0  failed: connect: unreachable  0:10"},
		"failed, over two lines":  {done: true, err: errors.New("oh\x1b[2J\nno"), want: "gpu-0  failed: oh␛[2J  0:00"},
		"stopped before its turn": {events: []narrate.Event{action("", "fleet_stopped")}, want: "gpu-0  not begun"},
		"being put back": {
			done: true, later: []narrate.Event{action(name, "reverting"), step(name, "connect")}, want: "gpu-0  putting back  0:00",
		},
		"put back": {
			done: true, later: []narrate.Event{action(name, "reverting"), action(name, "reverted")}, want: "gpu-0  put back  0:00",
		},
		"not put back": {
			done:  true,
			later: []narrate.Event{action(name, "reverting"), action(name, "revert_failed")}, want: "gpu-0  failed: not put back  0:00",
		},
		"an event of nobody's":   {events: []narrate.Event{step("", "connect"), step("gpu-7", "connect")}, want: "gpu-0  waiting"},
		"a name of a step's own": {events: []narrate.Event{step(name, "\x1b[2J")}, want: "gpu-0  ␛[2J  0:10"},
	} {
		t.Run(label, func(t *testing.T) {
			table, _ := tableOf(1, 80, 24)
			defer table.close()
			for _, e := range c.events {
				table.Emit(e)
			}
			if c.done {
				table.end(name, c.err)
			}
			for _, e := range c.later {
				table.Emit(e)
			}
			table.mu.Lock()
			row := table.lines(table.rows, 80)[0]
			table.mu.Unlock()
			if row != c.want {
				t.Errorf("got  %q\nwant %q", row, c.want)
			}
		})
	}
}

// several returns a table of n hosts of which the first is copied to, the second has failed, the third is done, and the
// last is connected to. Nothing is drawn.
func several(n int) *hostTable {
	table, _ := tableOf(n, 80, 24)
	table.begin = func() {}
	table.Emit(copied("gpu-0", 1, 2))
	table.end("gpu-1", errors.New("the disk is full, and so is the other one"))
	table.end("gpu-2", nil)
	table.Emit(step(fmt.Sprintf("gpu-%d", n-1), "connect"))
	return table
}

func TestATableFitsItsScreen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hosts, width, height int
		want                 []string
	}{
		"all have room": {5, 70, 6, []string{
			"gpu-0  copying 50%                                        0:10",
			"gpu-1  failed: the disk is full, and so is the other one  0:00",
			"gpu-2  done                                               0:00",
			"gpu-3  waiting",
			"gpu-4  connecting                                         0:10",
			"5 hosts: 2 running, 1 failed, 1 done, 1 waiting",
		}},
		"a narrow one": {5, 40, 6, []string{
			"gpu-0  copying 50%                  0:10",
			"gpu-1  failed: the disk is full, …  0:00",
			"gpu-2  done                         0:00",
			"gpu-3  waiting",
			"gpu-4  connecting                   0:10",
			"5 hosts: 2 running, 1 failed, 1 done, 1…",
		}},
		"a low one": {100, 40, 6, []string{
			"gpu-0   copying 50%                 0:10",
			"gpu-99  connecting                  0:10",
			"gpu-1   failed: the disk is full,…  0:00",
			"… and 97 more: 1 done, 96 waiting",
		}},
		"no room for failures": {100, 60, 3, []string{
			"gpu-0   copying 50%  0:10",
			"gpu-99  connecting   0:10",
			"… and 98 more: 1 failed, 1 done, 96 waiting",
		}},
		"one line": {100, 60, 1, []string{"100 hosts: 2 running, 1 failed, 1 done, 96 waiting"}},
		"a sliver": {4, 3, 6, []string{"… …", "… …", "… …", "… …", "4 …"}},
	} {
		t.Run(name, func(t *testing.T) {
			table := several(c.hosts)
			defer table.close()
			got := table.frame(c.width, c.height)
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestNoRowIsEverWiderThanItsScreen(t *testing.T) {
	t.Parallel()
	table := several(5)
	defer table.close()
	table.rows[1].text = "磁盘已满 💥 磁盘已满"
	for width := 1; width < 90; width++ {
		for height := 1; height < 8; height++ {
			lines := table.frame(width, height)
			if len(lines) > height {
				t.Fatalf("%d lines on a screen of %d", len(lines), height)
			}
			for _, line := range lines {
				if columns(line) > width {
					t.Fatalf("%q has %d columns on a screen of %d", line, columns(line), width)
				}
			}
		}
	}
}

func TestATableIsDrawnBelowTheLinesThatPass(t *testing.T) {
	t.Parallel()
	table, w := tableOf(3, 80, 24)
	seen := func() string { return visible(t, w.String()) }
	wait := func(want string) {
		t.Helper()
		testhost.Eventually(t, want, func() bool { return seen() == want })
	}
	table.Emit(step("gpu-1", "connect"))
	wait("gpu-0  waiting\ngpu-1  connecting  0:10\ngpu-2  waiting\n3 hosts: 1 running, 2 waiting\n")
	fmt.Fprintln(table.screen, "a line")
	table.Emit(copied("gpu-2", 1, 4))
	table.end("gpu-1", nil)
	wait("a line\ngpu-0  waiting\ngpu-1  done         0:10\ngpu-2  copying 25%  0:10\n3 hosts: 1 running, 1 done, 1 waiting\n")
	table.close()
	if got := seen(); got != "a line\n" {
		t.Errorf("after the end: %q", got)
	}
	table.Emit(step("gpu-0", "connect")) // harmless
	table.end("gpu-0", nil)
	if got := seen(); got != "a line\n" {
		t.Errorf("after the end: %q", got)
	}
}

func TestATableOfMoreHostsThanLinesIsDrawn(t *testing.T) {
	t.Parallel()
	table, w := tableOf(300, 80, 5)
	table.Emit(step("gpu-7", "connect"))
	want := "gpu-7  connecting  0:10\n… and 299 more: 299 waiting\n"
	testhost.Eventually(t, want, func() bool { return visible(t, w.String()) == want })
	for i := range 20 {
		table.Emit(step(fmt.Sprintf("gpu-%d", i), "connect"))
	}
	want = "gpu-0  connecting  0:10\ngpu-1  connecting  0:10\ngpu-2  connecting  0:10\n… and 297 more: 17 running, 280 waiting\n"
	testhost.Eventually(t, want, func() bool { return visible(t, w.String()) == want })
	table.close()
	if got := visible(t, w.String()); got != "" {
		t.Errorf("after the end: %q", got)
	}
}

func TestATableThatWasNeverDrawnIsTakenAway(t *testing.T) {
	t.Parallel()
	table, w := tableOf(3, 80, 24)
	table.close()
	table.Emit(step("gpu-0", "connect"))
	if got := w.String(); got != "" {
		t.Errorf("it drew %q", got)
	}
}

func TestSeveralHostsHaveATableAndOneABar(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hosts []string
		off   bool
		want  string
	}{
		"none":              {nil, false, "*cli.bar"},
		"one":               {[]string{"gpu-1"}, false, "*cli.bar"},
		"several":           {[]string{"gpu-1", "gpu-2"}, false, "*cli.hostTable"},
		"not on a terminal": {[]string{"gpu-1", "gpu-2"}, true, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			var w locked
			std := terminal(nil)
			std.Out, std.Err, std.ErrTerminal = &w, &w, !c.off
			u := newUI(std, output{})
			ctx := u.begin(t.Context(), c.hosts)
			if got := fmt.Sprintf("%T", u.drawn); got != c.want {
				t.Errorf("%s is drawn, want %s", got, c.want)
			}
			u.hostDone("gpu-1", nil)
			u.end(ctx, nil, nil)
		})
	}
}
