package cli

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func begins(host string, limit time.Duration) narrate.Event {
	return narrate.Event{
		Kind: narrate.Narration, Host: host, Action: "start", Time: noon,
		Attrs: map[string]any{"deadline": noon.Add(limit).Format(time.RFC3339Nano)},
	}
}

func step(host, name string) narrate.Event {
	return narrate.Event{Kind: narrate.Narration, Host: host, Step: name, Time: noon}
}

func progress(after time.Duration, done, total int64, unit string) narrate.Event {
	return narrate.Event{
		Kind: narrate.Progress, Step: "transfer", Time: noon.Add(after),
		Attrs: map[string]any{"done": done, "total": total, "unit": unit},
	}
}

func TestABarSaysWhatTheEventsSay(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, c := range map[string]struct {
		events     []narrate.Event
		head, tail string
	}{
		"only the limit is known": {
			[]narrate.Event{begins("", 5*time.Minute)}, "", "limit in 4:50",
		},
		"a step that has no figures": {
			[]narrate.Event{begins("", 5*time.Minute), step("", "probe")}, "probe", "limit in 4:50",
		},
		"the first figure has no rate": {
			[]narrate.Event{begins("", time.Minute), progress(0, 0, 15*mib, "bytes")},
			"transfer", "0 B of 15 MiB  limit in 0:50",
		},
		"a rate, and the time that is left": {
			[]narrate.Event{begins("", time.Minute), progress(0, mib, 15*mib, "bytes"), progress(2*time.Second, 5*mib, 15*mib, "bytes")},
			"transfer", "5 MiB of 15 MiB  2 MiB/s  0:05 to go  limit in 0:50",
		},
		"other units": {
			[]narrate.Event{progress(0, 3, 7, "files")}, "transfer", "3/7 files  ",
		},
		"an unknown total": {
			[]narrate.Event{begins("", time.Minute), progress(0, mib, 0, "bytes")}, "transfer", "limit in 0:50",
		},
		"the next step begins without figures": {
			[]narrate.Event{begins("", time.Minute), progress(0, mib, 2*mib, "bytes"), step("", "verify")}, "verify", "limit in 0:50",
		},
		"the earliest limit counts": {
			[]narrate.Event{begins("", time.Minute), begins("", 30*time.Second), begins("", time.Hour)}, "", "limit in 0:20",
		},
		"a limit that has ended": {
			[]narrate.Event{begins("", time.Second)}, "", "limit in 0:00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s barState
			for _, e := range c.events {
				s.learn(e)
			}
			if got := s.step; got != c.head {
				t.Errorf("before the bar %q, want %q", got, c.head)
			}
			if got := s.tail(noon.Add(10 * time.Second)); got != c.tail {
				t.Errorf("after the bar %q, want %q", got, c.tail)
			}
		})
	}
}

// locked is a buffer that is read while it is written.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAHostHasABarUntilItIsDone(t *testing.T) {
	t.Parallel()
	var w locked
	b := newBar(newScreen(&w, func() (int, int) { return 90, 24 }), true)
	b.now = func() time.Time { return noon }
	seen := func() string { return visible(t, w.String()) }
	wait := func(what string, holds func(string) bool) {
		t.Helper()
		testhost.Eventually(t, what, func() bool { return holds(seen()) })
	}
	b.Emit(step("gpu-1", "connect"))
	b.Emit(begins("gpu-1", time.Minute))
	wait("the countdown is drawn", func(s string) bool {
		return strings.HasPrefix(s, "connect") && strings.HasSuffix(s, "limit in 1:00\n")
	})
	b.Emit(progress(0, 1<<20, 2<<20, "bytes"))
	wait("the bar is drawn", func(s string) bool { return strings.HasPrefix(s, "transfer [===") })
	fmt.Fprintln(b.screen, "a line")
	wait("a line stands above", func(s string) bool { return strings.HasPrefix(s, "a line\ntransfer") })
	b.end("gpu-1", nil)
	wait("it is gone", func(s string) bool { return s == "a line\n" })
	b.Emit(begins("gpu-1", time.Minute)) // an echo
	b.close()
	b.Emit(begins("gpu-1", time.Minute)) // harmless
	if got := seen(); got != "a line\n" {
		t.Errorf("after the end: %q", got)
	}
}
