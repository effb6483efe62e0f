package davit_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/service"
)

// base is the daemon's directory, as a shell on the host reads it.
func (l *life) base() string {
	if l.scope == davit.System {
		return "/opt/davit/" + l.name()
	}
	return "$HOME/.local/share/davit/" + l.name()
}

// link is the way to the daemon, as a shell on the host reads it.
func (l *life) link() string {
	if l.scope == davit.System {
		return "/usr/local/bin/" + l.name()
	}
	return "$HOME/.local/bin/" + l.name()
}

// unit is the directory of systemd's units, as a shell on the host reads it.
func (l *life) units() string {
	if l.scope == davit.System {
		return "/etc/systemd/system"
	}
	return "$HOME/.config/systemd/user"
}

// systemctl returns what systemctl of the scope says on the host.
func (l *life) systemctl(words string) string {
	l.Helper()
	if l.scope == davit.User {
		words = "--user " + words
	}
	return strings.TrimSpace(l.seen.Run("export XDG_RUNTIME_DIR=/run/user/$(id -u); systemctl " + words + " || :"))
}

// stays fails the test unless the daemon is still that process of that release, and nothing is pending.
func (l *life) stays(release string, pid int) {
	l.Helper()
	if s := l.is(davit.StateRunning, release); s.PID != pid || s.Pending {
		l.Errorf("it is process %d now, was %d: %+v", s.PID, pid, s)
	}
}

// twins writes two daemons whose releases begin with the same four digits.
func twins(t testing.TB) (one, two string) {
	t.Helper()
	seen := map[string]string{}
	for i := range 100_000 {
		body := fmt.Sprintf("while :; do sleep 0.1; done # %d", i)
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte("#!/bin/sh\n"+body+"\n")))[:4]
		if other, ok := seen[sum]; ok {
			return shellDaemon(t, other), shellDaemon(t, body)
		}
		seen[sum] = body
	}
	t.Fatal("there are no twins")
	return "", ""
}

func TestARollbackToNowhereIsRefused(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		one, two := twins(l)
		l.must(l.install(one, l.running()))
		pid := l.is(davit.StateRunning, id(l, one)).PID
		refused := func(release string, code int, words ...string) {
			l.Helper()
			ctx, _ := told(l)
			_, err := davit.Rollback(ctx, l, davit.RollbackOptions{Target: l.target(), Release: release})
			explained(l, err, code, append(words, "nothing was touched")...)
			if code == davit.ExitFailed && !errors.Is(err, davit.ErrNoRelease) {
				l.Errorf("%v is of another kind", err)
			}
		}
		refused("", davit.ExitFailed, "there is no previous one", "davit releases worker")
		refused("000000000000", davit.ExitFailed, "000000000000 is not on the host", "davit releases worker")
		refused(id(l, one), davit.ExitFailed, id(l, one)+" is current")
		refused("release", davit.ExitUsage, `"release" is no release`)
		l.stays(id(l, one), pid)

		l.must(l.install(two, l.running()))
		pid = l.is(davit.StateRunning, id(l, two)).PID
		refused(id(l, one)[:4], davit.ExitFailed, id(l, one)[:4]+" may be ", id(l, one), id(l, two), " or ")
		l.stays(id(l, two), pid)
	})
}

func TestSystemdIsRefusedWhereItDoesNotRun(t *testing.T) {
	t.Parallel()
	l := plainLife(t)
	one := sleeper(l, "one")
	bySystemd := l.running()
	bySystemd.Kind = service.Systemd
	_, err := l.install(one, bySystemd)
	explained(l, err, davit.ExitHost, "systemd does not run on this host", "nothing was touched")
	if !errors.Is(err, davit.ErrService) {
		t.Errorf("%v is of another kind", err)
	}
	l.is(davit.StateAbsent, "")
	l.nothingLeft()

	l.must(l.install(one, l.running()))
	pid := l.status().PID
	ctx, _ := told(t)
	_, err = davit.Restart(ctx, l, davit.StartOptions{Target: l.target(), Run: *bySystemd})
	explained(l, err, davit.ExitHost, "systemd does not run on this host", "nothing was touched")
	l.stays(id(l, one), pid)
}

func TestAUserWithoutAManagerOfTheirOwnIsToldAWayOut(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	seen := m.Login("me")
	m.Run("systemctl mask -q user@.service user-runtime-dir@.service; loginctl terminate-user me 2>/dev/null; systemctl stop user@70000 user-runtime-dir@70000; :")
	l := newLife(t, keeper{service.Systemd, davit.User}, seen)
	_, err := l.install(sleeper(l, "one"), l.running())
	explained(l, err, davit.ExitHost, "me has no systemd manager of its own", "sudo loginctl enable-linger me", "--scope system",
		"--service process", "nothing was touched")
	l.is(davit.StateAbsent, "")
	l.nothingLeft()

	run := l.running()
	run.Kind = service.Process
	l.must(l.install(sleeper(l, "two"), run))
}

func TestAUserWhoMayNotLingerIsToldHowTo(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	seen := m.Login("me")
	l := newLife(t, keeper{service.Systemd, davit.User}, seen)
	one, two := sleeper(l, "one"), sleeper(l, "two")
	_, err := l.install(one, l.running())
	explained(l, err, davit.ExitHost, "sudo loginctl enable-linger me", "--service process")
	if !errors.Is(err, davit.ErrPermission) {
		t.Errorf("%v is of another kind", err)
	}
	l.is(davit.StateAbsent, "")
	l.nothingLeft()

	m.Run("loginctl enable-linger me")
	l.must(l.install(one, l.running()))
	pid := l.status().PID
	m.Run("loginctl disable-linger me")
	_, err = l.install(two, l.running())
	explained(l, err, davit.ExitHost, "sudo loginctl enable-linger me", "worker is as it was")
	l.stays(id(l, one), pid)
}

// anothers has a unit of the daemon's name run that somebody else wrote, and returns what is in it.
func (l *life) anothers(dir string) string {
	l.Helper()
	wanted := "default.target"
	if l.scope == davit.System {
		wanted = "multi-user.target"
	}
	unit := "[Service]\nExecStart=/bin/sh -c 'while :; do sleep 0.1; done'\n[Install]\nWantedBy=" + wanted + "\n"
	l.seen.Run("mkdir -p " + dir + " && printf %s " + quoted(unit) + " >" + dir + "/worker.service")
	l.systemctl("daemon-reload")
	l.systemctl("start worker")
	return unit
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// unhealthy is running of what never is well.
func (l *life) unhealthy() *davit.Run {
	run := l.running()
	run.Health = &health.Check{Command: "exit 1", Timeout: time.Second}
	return run
}

func TestAnothersUnitIsRefusedOrAdopted(t *testing.T) {
	t.Parallel()
	eachSystemd(t, func(l *life) {
		one := sleeper(l, "one")
		unit := l.anothers(l.units())
		l.systemctl("enable worker")
		pid := l.systemctl("show -P MainPID worker")
		path := strings.TrimSpace(l.seen.Run("echo " + l.units() + "/worker.service"))

		_, err := l.install(one, l.running())
		explained(l, err, davit.ExitHost, path+" is there and is not Davit's", "nothing was touched", "--adopt")
		if got := l.systemctl("show -P MainPID worker"); got != pid {
			l.Errorf("its process is %s, was %s", got, pid)
		}
		untouched := func() {
			l.Helper()
			if got := l.seen.Run("cat " + path); got != unit {
				l.Errorf("the unit is now %q", got)
			}
			if got := l.systemctl("is-active worker") + " " + l.systemctl("is-enabled worker"); got != "active enabled" {
				l.Errorf("it is %s", got)
			}
			if left := l.seen.Run("ls -A " + l.base() + " " + l.link() + " 2>/dev/null; :"); left != "" {
				l.Errorf("left behind: %s", left)
			}
		}
		untouched()

		run := l.unhealthy()
		run.Adopt = true
		_, err = l.install(one, run)
		explained(l, err, davit.ExitUnhealthy, "unhealthy")
		untouched()

		run = l.running()
		run.Adopt = true
		l.must(l.install(one, run))
		l.is(davit.StateRunning, id(l, one))
		if got := l.seen.Run("cat " + l.base() + "/adopted"); got != unit {
			l.Errorf("the copy is %q", got)
		}
		if got := l.seen.Run("cat " + path); !strings.Contains(got, "Made by davit for worker") {
			l.Errorf("the unit is %q", got)
		}
		if r := l.must(l.install(one, l.running())); r.Outcome != davit.UpToDate {
			l.Errorf("again: %+v", r)
		}
	})
}

func TestAnothersUnitOfThePackagesIsNotHidden(t *testing.T) {
	t.Parallel()
	eachSystemd(t, func(l *life) {
		dir := "$HOME/.local/share/systemd/user"
		if l.scope == davit.System {
			dir = "/lib/systemd/system" // as systemd has it, which may be a link
		}
		l.anothers(dir)
		path := strings.TrimSpace(l.seen.Run("echo " + dir + "/worker.service"))
		_, err := l.install(sleeper(l, "one"), l.running())
		explained(l, err, davit.ExitHost, path+" is there and is not Davit's")
		run := l.unhealthy()
		run.Adopt = true
		_, err = l.install(sleeper(l, "one"), run)
		explained(l, err, davit.ExitUnhealthy, "unhealthy")
		if got := l.systemctl("show -P FragmentPath worker"); got != path {
			l.Errorf("its unit is %q now, was %q", got, path)
		}
		if got := l.systemctl("is-active worker"); got != "active" {
			l.Errorf("it is %s", got)
		}
	})
}

func TestAnothersServiceIsNotStoppedWithADaemon(t *testing.T) {
	t.Parallel()
	eachSystemd(t, func(l *life) {
		l.anothers(l.units())
		pid := l.systemctl("show -P MainPID worker")
		l.must(l.install(sleeper(l, "one"), nil))
		ctx, _ := told(l)
		_, err := davit.Stop(ctx, l, davit.StopOptions{Target: l.target()})
		l.Logf("stop: %v", err)
		if got := l.systemctl("show -P MainPID worker"); got != pid {
			l.Errorf("after stop its process is %s, was %s", got, pid)
		}
		_, err = davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target()})
		if err != nil {
			l.Errorf("uninstall: %v", err)
		}
		l.systemctl("start worker")
	})
}

func TestADaemonThatIgnoresTermIsEnded(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		mark := "deaf-" + strings.ToLower(rand.Text())
		deaf := shellDaemon(l, "trap '' TERM\nsh -c 'while :; do sleep 0.1; done # "+mark+"'")
		run := l.running()
		run.Spec.Stop = time.Second
		l.must(l.install(deaf, run))
		ctx, _ := told(l)
		re := l.must(davit.Restart(ctx, l, davit.StartOptions{Target: l.target(), Run: *run}))
		if re.Outcome != davit.Restarted {
			l.Errorf("restart: %+v", re)
		}
		if n := len(l.seen.Processes(mark)); n == 0 {
			l.Error("the test does not see the daemon")
		}
		st := l.must(davit.Stop(ctx, l, davit.StopOptions{Target: l.target(), Grace: time.Second}))
		if st.Outcome != davit.Stopped || st.State != davit.StateStopped {
			l.Errorf("stop: %+v", st)
		}
		if left := l.seen.Processes(mark); len(left) > 0 {
			l.Errorf("there is %v", left)
		}
		if s := l.status(); s.State == davit.StateRunning {
			l.Errorf("%+v", s)
		} else if s.State != davit.StateStopped {
			l.Errorf("AFTER STOP: %+v", s)
		}
	})
}

func TestWhatIsHalfRemovedIsRemoved(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		mark := "half-" + strings.ToLower(rand.Text())
		one := shellDaemon(l, "sh -c 'while :; do sleep 0.1; done # "+mark+"'")
		for name, gone := range map[string]string{
			"the link":                   l.link(),
			"the description":            l.base() + "/service",
			"current":                    l.base() + "/current",
			"the directory":              l.base(),
			"the directory and the link": l.base() + " " + l.link(),
		} {
			if l.kind == service.Process && (strings.Contains(gone+" ", l.base()+"/service ") || strings.HasPrefix(gone+" ", l.base()+" ")) {
				continue // all that is known of the process was there
			}
			l.must(l.install(one, l.running()))
			l.seen.Run("rm -rf " + gone)
			ctx, _ := told(l)
			r, err := davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target(), Stop: true})
			if err != nil || r.Outcome != davit.Uninstalled {
				l.Errorf("%s is gone: %+v, %v", name, r, err)
			}
			if s := l.status(); s.State != davit.StateAbsent {
				l.Errorf("%s is gone: %+v", name, s)
			}
			l.nothingLeft()
			if left := l.seen.Processes(mark); len(left) > 0 {
				l.Errorf("%s is gone: it left %v", name, left)
			}
			if l.Failed() {
				l.Fatal(name)
			}
		}
	})
}

func TestTwoOperationsOnOneDaemonAreNotDoneAtOnce(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		one, two := sleeper(l, "one"), sleeper(l, "two")
		l.must(l.install(one, l.running()))
		first, cancel := context.WithCancel(t2(l))
		defer cancel()
		settling, ended := make(chan struct{}), make(chan error, 1)
		first = when(first, "settling", func() { close(settling) })
		long := l.running()
		long.Settle = time.Hour
		go func() {
			_, err := davit.Install(first, dial(l, l.seen), davit.InstallOptions{
				Binary: two, Name: l.name(), Scope: l.scope, Run: long, Timeout: 2 * time.Minute,
			})
			ended <- err
		}()
		<-settling
		pid := l.status().PID
		ctx, _ := told(l)
		for name, again := range map[string]func() error{
			"install":  func() error { _, err := l.install(sleeper(l, "three"), l.running()); return err },
			"restart":  func() error { _, err := davit.Restart(ctx, l, davit.StartOptions{Target: l.target()}); return err },
			"stop":     func() error { _, err := davit.Stop(ctx, l, davit.StopOptions{Target: l.target()}); return err },
			"rollback": func() error { _, err := davit.Rollback(ctx, l, davit.RollbackOptions{Target: l.target()}); return err },
			"uninstall": func() error {
				_, err := davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target(), Stop: true})
				return err
			},
		} {
			err := again()
			explained(l, err, davit.ExitHost, "works on it since", "nothing was touched", "wait until it has ended")
			if !errors.Is(err, davit.ErrLocked) {
				l.Errorf("%s: %v is of another kind", name, err)
			}
		}
		if s := l.is(davit.StateRunning, id(l, two)); s.PID != pid || !s.Pending {
			l.Errorf("the first is not under way any more: %+v", s)
		}
		cancel()
		if err := <-ended; err == nil {
			l.Error("the first was committed")
		}
		l.becomes(davit.StateRunning, id(l, one))
	})
}

func t2(t testing.TB) context.Context {
	ctx, _ := told(t)
	return ctx
}

func TestADaemonThatAnswersBadlyIsPutBack(t *testing.T) {
	t.Parallel()
	l := plainLife(t) // its host's 127.0.0.1 is ours
	one, two := sleeper(l, "one"), sleeper(l, "two")
	l.must(l.install(one, l.running()))
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		words  []string
	}{
		"redirects":  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, []string{"302", "/login"}},
		"hangs":      {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, []string{"unhealthy"}},
		"wrong body": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "starting up") }, []string{"starting up", "ready"}},
		"fails":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }, []string{"503"}},
	} {
		server := httptest.NewServer(c.answer)
		run := l.running()
		run.Health = &health.Check{HTTP: server.URL, Match: "ready", Timeout: 1500 * time.Millisecond}
		_, err := l.install(two, run)
		server.Close()
		explained(l, err, davit.ExitUnhealthy, append(c.words, "runs again", id(l, one))...)
		if !errors.Is(err, davit.ErrUnhealthy) {
			t.Errorf("%s: %v is of another kind", name, err)
		}
		l.is(davit.StateRunning, id(l, one))
	}
}

func TestAHookThatFailsEndsTheChange(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		one, two := sleeper(l, "one"), sleeper(l, "two")
		pid := l.must(l.install(one, l.running())).PID
		refused := func(run *davit.Run, code int, words ...string) {
			l.Helper()
			_, err := l.install(two, run)
			explained(l, err, code, append(words, "hook failed")...)
			if !errors.Is(err, davit.ErrHook) {
				l.Errorf("%v is of another kind", err)
			}
			if releases, err := davit.Releases(t2(l), l, l.target()); err != nil || len(releases) > 2 {
				l.Errorf("releases: %+v, %v", releases, err)
			}
		}
		here := filepath.Join(l.TempDir(), "ran")
		run := l.running()
		run.Before = davit.Hook{Local: "echo >" + quoted(here) + "; exit 3", Remote: "echo >ran"}
		refused(run, davit.ExitFailed, "before, here", "worker is as it was")
		l.stays(id(l, one), pid)
		if _, err := os.Stat(here); err != nil {
			l.Error(err)
		}
		run.Before = davit.Hook{Remote: "exit 3"}
		refused(run, davit.ExitFailed, "before, on the host: exit status 3", "worker is as it was")
		l.stays(id(l, one), pid)
		if left := l.seen.Run("ls ran 2>/dev/null; :"); left != "" {
			l.Error("the hook on the host was run after the one here had failed")
		}

		run.Before, run.After = davit.Hook{}, davit.Hook{Remote: "exit 3"}
		refused(run, davit.ExitUnhealthy, "after, on the host: exit status 3", "runs again", id(l, one))
		l.is(davit.StateRunning, id(l, one))
		run.After = davit.Hook{Local: "exit 3"}
		refused(run, davit.ExitUnhealthy, "after, here", "runs again", id(l, one))
		l.is(davit.StateRunning, id(l, one))
		l.must(l.install(two, l.running()))
	})
}

func TestStartWithoutAnybodyToAskForThePasswordIsRefused(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	testhost.Need(t, "sudo")
	h := testhost.Start(t, testhost.Ordinary)
	allow(t, h, "ALL")
	target := davit.Target{Name: "davit-test-" + strings.ToLower(rand.Text()[:8]), Scope: davit.System}
	conn := dial(t, h)
	ctx, _ := told(t)
	for _, operate := range []func() error{
		func() error { _, err := davit.Start(ctx, conn, davit.StartOptions{Target: target}); return err },
		func() error { _, err := davit.Restart(ctx, conn, davit.StartOptions{Target: target}); return err },
		func() error { _, err := davit.Stop(ctx, conn, davit.StopOptions{Target: target}); return err },
		func() error { _, err := davit.Rollback(ctx, conn, davit.RollbackOptions{Target: target}); return err },
		func() error { _, err := davit.Uninstall(ctx, conn, davit.UninstallOptions{Target: target}); return err },
	} {
		err := operate()
		explained(t, err, davit.ExitHost, "sudo wants a password", "nothing was touched")
		if !errors.Is(err, davit.ErrPermission) {
			t.Errorf("%v is of another kind", err)
		}
	}
	if _, err := os.Stat("/opt/davit/" + target.Name); err == nil {
		t.Error("there is a directory of it")
	}
}

func TestADaemonThatEndsBeforeTheCommitIsPutBack(t *testing.T) {
	t.Parallel()
	l := plainLife(t)
	one := sleeper(t, "one")
	l.must(l.install(one, l.running()))
	its := l.seen.Home + "/.local/share/davit/worker/curren[t]/worker" // which the hook's own command line does not match
	for _, pause := range []string{"0", "1"} {                         // before it is seen that it has ended, and after
		two := shellDaemon(t, "echo bad luck; while :; do sleep 0.1; done # "+pause)
		run := l.running()
		run.After.Local = fmt.Sprintf("kill -9 $(pgrep -f %s); sleep %s", its, pause)
		_, err := l.install(two, run)
		explained(t, err, davit.ExitUnhealthy, "did not stay", "runs again", id(t, one))
		if u, ok := errors.AsType[*davit.UnhealthyError](err); !ok || !slices.Contains(u.Log, "bad luck") {
			t.Errorf("%+v", u)
		}
		l.is(davit.StateRunning, id(t, one))
	}
}
