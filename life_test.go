package davit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/service"
)

// sleeper writes a daemon that says what, and then sleeps in short naps, so that it hears signals at once.
func sleeper(t testing.TB, what string) string {
	t.Helper()
	return shellDaemon(t, "echo "+host.Quote(what)+"\nwhile :; do sleep 0.1; done")
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

// keeper is a host on which something keeps daemons running.
type keeper struct {
	name  string
	kind  service.Kind
	scope davit.Scope
	boot  func(t *testing.T) *testhost.Host
}

var keepers = []keeper{
	{"process", service.Process, davit.User, func(t *testing.T) *testhost.Host { return testhost.Start(t) }},
	{"systemd user", service.Systemd, davit.User, func(t *testing.T) *testhost.Host {
		m := testhost.Boot(t, testhost.Systemd)
		h := m.Login("me")
		m.Run("loginctl enable-linger me")
		return h
	}},
	{"systemd system", service.Systemd, davit.System, func(t *testing.T) *testhost.Host {
		return testhost.Boot(t, testhost.Systemd).Root()
	}},
}

// life is a daemon on a host whose life a test goes through.
type life struct {
	*testing.T
	keeper
	host.Host
	seen *testhost.Host
}

func (l *life) target() davit.Target { return davit.Target{Name: "worker", Scope: l.scope} }

func (l *life) running() *davit.Run {
	return &davit.Run{Kind: l.kind, Spec: &service.Spec{}, Settle: 300 * time.Millisecond}
}

func (l *life) install(binary string, run *davit.Run) (davit.Receipt, error) {
	ctx, _ := told(l)
	return davit.Install(ctx, l.Host, davit.InstallOptions{Binary: binary, Name: "worker", Scope: l.scope, Run: run})
}

func (l *life) must(r davit.Receipt, err error) davit.Receipt {
	l.Helper()
	if err != nil {
		var e *davit.Error
		if asError(err, &e) {
			l.Fatalf("%v\nstate: %s\nhint: %s", err, e.State, e.Hint)
		}
		l.Fatal(err)
	}
	return r
}

func (l *life) status() davit.DaemonStatus {
	l.Helper()
	ctx, _ := told(l)
	s, err := davit.Look(ctx, l.Host, davit.StatusOptions{Target: l.target()})
	if err != nil {
		l.Fatal(err)
	}
	return s
}

// is fails the test unless the daemon is in the state and the release is current.
func (l *life) is(state davit.State, release string) davit.DaemonStatus {
	l.Helper()
	s := l.status()
	if s.State != state || s.Release != release {
		l.Errorf("it is %s, release %q, want %s, %q: %+v", s.State, s.Release, state, release, s)
	}
	return s
}

func eachKeeper(t *testing.T, test func(l *life)) {
	for _, k := range keepers {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			seen := k.boot(t)
			test(&life{T: t, keeper: k, Host: dial(t, seen), seen: seen})
		})
	}
}

func TestTheWholeLifeOfADaemon(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
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
		re := l.must(davit.Restart(ctx, l, start))
		if re.Outcome != davit.Restarted || re.PID == r.PID {
			l.Errorf("restart: %+v", re)
		}

		r = l.must(davit.Rebuild(ctx, l, davit.InstallOptions{Binary: two, Name: "worker", Scope: l.scope, Run: l.running()}))
		if r.Outcome != davit.Installed || r.Previous != id(l, one) {
			l.Errorf("rebuild: %+v", r)
		}
		l.is(davit.StateRunning, id(l, two))
		var lines []string
		testhost.Eventually(l, "its log is there", func() bool {
			lines = nil
			if err := davit.Logs(ctx, l, davit.LogsOptions{Target: l.target()}, func(line string) { lines = append(lines, line) }); err != nil {
				l.Fatal(err)
			}
			return slices.Contains(lines, "two")
		})

		back := l.must(davit.Rollback(ctx, l, davit.RollbackOptions{Target: l.target(), Run: davit.Run{Settle: 300 * time.Millisecond}}))
		if back.Outcome != davit.RolledBack {
			l.Errorf("rollback: %+v", back)
		}
		s = l.is(davit.StateRunning, id(l, one))
		if s.Previous != id(l, two) {
			l.Errorf("previous is %s", s.Previous)
		}
		releases, err := davit.Releases(ctx, l, l.target())
		if err != nil || len(releases) != 2 {
			l.Errorf("releases: %+v, %v", releases, err)
		}

		st := l.must(davit.Stop(ctx, l, davit.StopOptions{Target: l.target()}))
		if st.Outcome != davit.Stopped {
			l.Errorf("stop: %+v", st)
		}
		l.is(davit.StateStopped, id(l, one))
		if again := l.must(davit.Stop(ctx, l, davit.StopOptions{Target: l.target()})); again.Outcome != davit.UpToDate {
			l.Errorf("stop of what is stopped: %+v", again)
		}
		l.must(davit.Start(ctx, l, davit.StartOptions{Target: l.target(), Run: davit.Run{Settle: 300 * time.Millisecond}}))
		l.is(davit.StateRunning, id(l, one))

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

		if _, err := davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target()}); err == nil || !strings.Contains(err.Error(), "it is running") {
			l.Errorf("uninstall of what runs: %v", err)
		}
		l.must(davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target(), Stop: true}))
		l.is(davit.StateAbsent, "")
		l.nothingLeft()
		for _, operation := range []string{"install --start", "start", "restart", "rebuild", "status", "logs", "rollback", "releases", "stop", "history", "uninstall"} {
			if !l.Failed() {
				fmt.Printf("REPORT: %s\t%s\tpass\n", l.name, operation)
			}
		}
		if _, err := davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target()}); err == nil || !strings.Contains(err.Error(), "not installed") {
			l.Errorf("uninstall of what is not there: %v", err)
		}
	})
}

// nothingLeft fails the test if there is a file, a process or a line of crontab of the daemon.
func (l *life) nothingLeft() {
	l.Helper()
	if left := l.seen.Run(`find / -xdev \( -path /proc -o -path /tmp -o -path /var/log \) -prune -o -name '*worker*' -newer /proc/1 -print 2>/dev/null | grep -E "davit|systemd|$HOME" | head -20
		find "$HOME/.local/share/davit" /opt/davit 2>/dev/null | head; crontab -l 2>/dev/null | grep worker; ls /var/lib/systemd/linger 2>/dev/null | grep -v '^me$'; :`); left != "" {
		l.Errorf("left behind:\n%s", left)
	}
}

// hears fails the test if the process was started deaf to the signals that ask it to end: a shell can then not
// change that.
func (l *life) hears(pid int) {
	l.Helper()
	const asked = 1<<(syscall.SIGHUP-1) | 1<<(syscall.SIGTERM-1)
	mask := strings.TrimSpace(l.seen.Run(fmt.Sprintf("sed -n 's/^SigIgn://p' /proc/%d/status", pid)))
	if ignored, err := strconv.ParseUint(mask, 16, 64); err != nil || ignored&asked != 0 {
		l.Errorf("process %d ignores %q, %v", pid, mask, err)
	}
}

func TestABadReleaseIsPutBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		binary func(t testing.TB) string
		words  []string
	}{
		"exits at once": {func(t testing.TB) string { return shellDaemon(t, "echo bad luck; exit 3") }, []string{"3"}},
		"dies later":    {func(t testing.TB) string { return shellDaemon(t, "sleep 0.5; echo bad luck; exit 4") }, []string{"did not stay"}},
		"is unhealthy":  {func(t testing.TB) string { return sleeper(t, "bad luck") }, []string{"unhealthy", "status 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKeeper(t, func(l *life) {
				one := sleeper(l, "one")
				run := l.running()
				run.Settle = 2 * time.Second
				l.must(l.install(one, run))
				if name == "is unhealthy" {
					run.Health = &health.Check{Command: "exit 1", Timeout: time.Second}
				}
				_, err := l.install(c.binary(l), run)
				explained(l, err, davit.ExitUnhealthy, append(c.words, "runs again", id(l, one))...)
				u, ok := errors.AsType[*davit.UnhealthyError](err)
				if !ok || !u.Restored || !strings.Contains(fmt.Sprint(u.Log), "bad luck") {
					l.Errorf("%+v", u)
				}
				l.hears(l.is(davit.StateRunning, id(l, one)).PID)
				run.Health = nil
				if r := l.must(l.install(one, run)); r.Outcome != davit.UpToDate {
					l.Errorf("%+v", r)
				}
			})
		})
	}
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
			Binary: shellDaemon(l, `echo "the key is $API_KEY"; sleep 0.3; exit 1`), Name: "worker", Scope: l.scope, Run: run,
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
