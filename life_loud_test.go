package davit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/service"
)

// loud writes a daemon that says the line over and over, 200 MB of it, as fast as it can.
func loud(t testing.TB, line string) string {
	t.Helper()
	return shellDaemon(t, "yes "+line+" 2>/dev/null | head -c 200000000\nexec sleep 86400")
}

func TestADaemonThatSaysMuchIsOperatedAsAnyOther(t *testing.T) {
	t.Parallel()
	m := newChart(t, "says 200 MB")
	eachKeeper(t, func(l *life) {
		line := strings.Repeat("x", 999)
		one := loud(l, line)
		r := l.must(l.install(one, l.running()))
		l.stays(id(l, one), r.PID)
		for range 5 {
			got := l.lines(10)
			if len(got) != 10 || got[0] != line || got[8] != line || !strings.HasPrefix(line, got[9]) { // which may be half said
				var lengths []int
				for _, s := range got {
					lengths = append(lengths, len(s))
				}
				l.Errorf("the lengths of the last 10 lines are %d", lengths)
			}
		}
		if l.kind == service.Process {
			l.logIsStreamed()
		}
		ctx, _ := told(l)
		re := l.must(davit.Restart(ctx, l, davit.StartOptions{Target: l.target(), Run: *l.running()}))
		if re.Outcome != davit.Restarted || re.PID == r.PID {
			l.Errorf("restart: %+v", re)
		}
		l.must(davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target(), Stop: true}))
		l.is(davit.StateAbsent, "")
		l.nothingLeft()
		if left := l.seen.Processes(line); len(left) > 0 {
			l.Errorf("it left %d processes", len(left))
		}
		m.passed(l, "install, logs, restart, uninstall", "pass")
	})
}

// lines returns the last n lines of the daemon's log.
func (l *life) lines(n int) (lines []string) {
	l.Helper()
	ctx, _ := told(l)
	err := davit.Logs(ctx, l, davit.LogsOptions{Target: l.target(), Lines: n}, func(line string) { lines = append(lines, line) })
	if err != nil {
		l.Fatal(err)
	}
	return lines
}

// logIsStreamed fails the test unless what is shown of a log is read from the host only as it is taken: while
// nobody takes more, the host is held up.
func (l *life) logIsStreamed() {
	l.Helper()
	ctx, _ := told(l)
	const all = 1234567
	held, count := true, 0
	err := davit.Logs(ctx, l, davit.LogsOptions{Target: l.target(), Lines: all}, func(string) {
		if count++; count == 1 {
			time.Sleep(time.Second) // in which all of it could be read
			held = len(l.seen.Processes("1234567")) > 0
		}
	})
	if err != nil || !held || count < 8000 {
		l.Errorf("of the log there are %d lines; the host was held up: %v; %v", count, held, err)
	}
}
