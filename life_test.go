package davit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/service"
)

// sleeper writes a daemon that says what, and then sleeps.
func sleeper(t testing.TB, what string) string {
	t.Helper()
	return shellDaemon(t, "echo "+host.Quote(what)+"\nexec sleep 86400")
}

// shellDaemon writes a daemon in sh.
func shellDaemon(t testing.TB, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheWholeLifeOfADaemon(t *testing.T) {
	t.Parallel()
	m := newChart(t, "operations")
	eachKeeper(t, func(l *life) {
		passed := func(operation string) { m.passed(l, operation, "pass") }
		one, two := sleeper(l, "one"), sleeper(l, "two")
		ctx, _ := told(l)
		start := davit.StartOptions{Target: l.target(), Run: *l.running()}

		if _, err := davit.Start(ctx, l, start); davit.ExitCode(err) != davit.ExitFailed || !strings.Contains(err.Error(), "not installed") {
			l.Errorf("start of what is not installed: %v", err)
		}
		l.is(davit.StateAbsent, "")

		r := l.must(l.install(one, l.running()))
		if r.Outcome != davit.Installed || r.PID == 0 || r.Service != string(l.kind) {
			l.Errorf("installed: %+v", r)
		}
		s := l.is(davit.StateRunning, id(l, one))
		if s.PID != r.PID || s.Memory == 0 || s.Since.IsZero() || time.Since(s.Since) > time.Hour || s.Service != string(l.kind) {
			l.Errorf("status: %+v", s)
		}
		if again := l.must(davit.Start(ctx, l, start)); again.Outcome != davit.UpToDate || again.PID != r.PID {
			l.Errorf("start of what runs: %+v", again)
		}
		if again := l.must(l.install(one, l.running())); again.Outcome != davit.UpToDate || again.PID != r.PID {
			l.Errorf("install of what runs: %+v", again)
		}
		passed("install --start")
		passed("status")
		re := l.must(davit.Restart(ctx, l, start))
		if re.Outcome != davit.Restarted || re.PID == r.PID {
			l.Errorf("restart: %+v", re)
		}
		passed("restart")

		r = l.must(davit.Rebuild(ctx, l, davit.InstallOptions{Binary: two, Name: l.name(), Scope: l.scope, Run: l.running()}))
		if r.Outcome != davit.Installed || r.Previous != id(l, one) {
			l.Errorf("rebuild: %+v", r)
		}
		l.is(davit.StateRunning, id(l, two))
		passed("rebuild")
		var lines []string
		testhost.Eventually(l, "its log is there", func() bool {
			lines = nil
			if err := davit.Logs(ctx, l, davit.LogsOptions{Target: l.target()}, func(line string) { lines = append(lines, line) }); err != nil {
				l.Fatal(err)
			}
			return slices.Contains(lines, "two")
		})
		passed("logs")

		back := l.must(davit.Rollback(ctx, l, davit.RollbackOptions{Target: l.target(), Run: davit.Run{Settle: 300 * time.Millisecond}}))
		if back.Outcome != davit.RolledBack {
			l.Errorf("rollback: %+v", back)
		}
		s = l.is(davit.StateRunning, id(l, one))
		if s.Previous != id(l, two) {
			l.Errorf("previous is %s", s.Previous)
		}
		passed("rollback")
		releases, err := davit.Releases(ctx, l, l.target())
		if err != nil || len(releases) != 2 {
			l.Errorf("releases: %+v, %v", releases, err)
		}
		passed("releases")

		st := l.must(davit.Stop(ctx, l, davit.StopOptions{Target: l.target()}))
		if st.Outcome != davit.Stopped {
			l.Errorf("stop: %+v", st)
		}
		l.is(davit.StateStopped, id(l, one))
		if again := l.must(davit.Stop(ctx, l, davit.StopOptions{Target: l.target()})); again.Outcome != davit.UpToDate {
			l.Errorf("stop of what is stopped: %+v", again)
		}
		passed("stop")
		l.must(davit.Start(ctx, l, davit.StartOptions{Target: l.target(), Run: davit.Run{Settle: 300 * time.Millisecond}}))
		l.is(davit.StateRunning, id(l, one))
		passed("start")

		history, err := davit.History(ctx, l, davit.HistoryOptions{Target: l.target()})
		var did []string
		for _, e := range history {
			did = append(did, e.Operation+" "+e.Outcome)
		}
		if want := []string{
			"install installed", "restart restarted", "rebuild installed", "rollback rolled back", "stop stopped", "start started",
		}; err != nil || !slices.Equal(did, want) {
			l.Errorf("history: %q, %v", did, err)
		}
		passed("history")

		if _, err := davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target()}); err == nil || !strings.Contains(err.Error(), "it is running") {
			l.Errorf("uninstall of what runs: %v", err)
		}
		l.must(davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target(), Stop: true}))
		l.is(davit.StateAbsent, "")
		l.nothingLeft()
		if _, err := davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target()}); err == nil || !strings.Contains(err.Error(), "not installed") {
			l.Errorf("uninstall of what is not there: %v", err)
		}
		passed("uninstall")
	})
}

// mark is in the arguments of what a bad release leaves running.
const mark = "forked-away-and-left"

func TestABadReleaseIsPutBack(t *testing.T) {
	t.Parallel()
	m := newChart(t, "put back is a release that")
	eachKeeper(t, func(l *life) {
		one := sleeper(l, "one")
		run := l.running()
		run.Settle = 2 * time.Second
		l.must(l.install(one, run))
		for _, bad := range []struct {
			what, body string
			health     *health.Check
			words      []string
		}{
			{what: "exits at once", body: "exit 3", words: []string{"3"}},
			{what: "exits with 0", body: "exit 0"},
			{what: "dies later", body: "sleep 0.5; exit 4", words: []string{"did not stay"}},
			{what: "forks away", body: "setsid sh -c 'while :; do sleep 0.1; done # " + mark + "' & sleep 0.2; exit 0"},
			{
				what: "is unhealthy", body: "while :; do sleep 0.1; done",
				health: &health.Check{Command: "exit 1", Timeout: time.Second}, words: []string{"unhealthy", "status 1"},
			},
		} {
			run.Health = bad.health
			_, err := l.install(shellDaemon(l, "echo bad luck; "+bad.body), run)
			explained(l, err, davit.ExitUnhealthy, append(bad.words, "runs again", id(l, one))...)
			u, ok := errors.AsType[*davit.UnhealthyError](err)
			if !ok || !u.Restored || !strings.Contains(fmt.Sprint(u.Log), "bad luck") {
				l.Errorf("%+v", u)
			}
			if l.kind != service.Systemd && slices.Contains(u.Log, "one") { // the journal is asked by the second
				l.Errorf("the last lines have what the release before said: %q", u.Log)
			}
			s := l.is(davit.StateRunning, id(l, one))
			if s.Pending {
				l.Error("it is pending still")
			}
			l.hears(s.PID)
			if left := l.seen.Processes(mark); len(left) > 0 {
				l.Errorf("it left %v", left)
			}
			if l.Failed() {
				l.Fatal(bad.what)
			}
			m.passed(l, bad.what, "pass")
		}
		run.Health = nil
		if r := l.must(l.install(one, run)); r.Outcome != davit.UpToDate {
			l.Errorf("%+v", r)
		}
	})
}

func TestABadFirstReleaseLeavesNothing(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		_, err := l.install(shellDaemon(l, "exit 3"), l.running())
		explained(l, err, davit.ExitUnhealthy, "is not installed", "as before")
		l.is(davit.StateAbsent, "")
		l.nothingLeft()
	})
}

func TestARollbackRunsTheReleaseAsItRan(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		body := `echo "$0 says $1"; while :; do sleep 0.1; done`
		one, two := shellDaemon(l, body), shellDaemon(l, body+" # two")
		run := l.running()
		run.Spec.Args = []string{"first"}
		l.must(l.install(one, run))
		run.Spec.Args = []string{"second"}
		l.must(l.install(two, run))
		ctx, _ := told(l)
		l.must(davit.Rollback(ctx, l, davit.RollbackOptions{Target: l.target(), Run: davit.Run{Settle: 300 * time.Millisecond}}))
		s := l.is(davit.StateRunning, id(l, one))
		if got := l.seen.Run(fmt.Sprintf("tr '\\0' ' ' </proc/%d/cmdline", s.PID)); !strings.Contains(got, " first") {
			l.Errorf("it runs as %q", got)
		}
	})
}

func TestSecretsReachTheDaemonAndNobodyElse(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		const secret = "it's \"hunter2\" $HOME"
		run := l.running()
		run.Spec.Secrets = []string{"API_KEY=" + secret}
		run.Settle = 2 * time.Second
		ctx, rec := told(l)
		_, err := davit.Install(ctx, l, davit.InstallOptions{
			Binary: shellDaemon(l, `echo "the key is $API_KEY"; sleep 0.3; exit 1`), Name: l.name(), Scope: l.scope, Run: run,
		})
		explained(l, err, davit.ExitUnhealthy, "not installed")
		u, _ := errors.AsType[*davit.UnhealthyError](err)
		said := fmt.Sprint(u.Log)
		for _, e := range rec.Events() {
			said += fmt.Sprintln(e.Message, e.Attrs)
		}
		if strings.Contains(said, "hunter2") || !strings.Contains(said, "the key is ") {
			l.Errorf("told: %s", said)
		}
	})
}
