package davit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
)

// The matrix of a change that is broken off: at each of these moments, told by these actions, our side is killed,
// cut off, or swallowed. The host then puts back what was before, by itself, within the limit.
var (
	changeMoments = []string{"restarting", "activate", "started", "settling"}
	changeFaults  = []string{"kill", "cut", "blackhole"}
)

// changeLimit is what a rebuild has that a fault holds up until then.
const changeLimit = 16 * time.Second

func TestAChangeThatIsBrokenOffIsPutBack(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		one, two := sleeper(l, "one"), sleeper(l, "two")
		run := l.running()
		run.Spec.Stop = time.Second
		l.must(l.install(one, run))
		for _, moment := range changeMoments {
			for _, fault := range changeFaults {
				took := l.breakOff(moment, fault, two)
				s := l.is(davit.StateRunning, id(l, one))
				if s.Pending {
					l.Errorf("%s, %s: it is pending still", moment, fault)
				}
				fmt.Printf("REPORT: %s\t%s\t%s\tput back after %v, release before runs\n", l.name, moment, fault, took.Round(10*time.Millisecond))
				if l.Failed() {
					l.Fatalf("%s at %s", fault, moment)
				}
			}
		}
		if r := l.must(l.install(two, run)); r.Outcome == davit.UpToDate {
			l.Errorf("the next: %+v", r)
		}
		l.is(davit.StateRunning, id(l, two))
	})
}

// breakOff has a fault meet a change at a moment, and returns how long after that all was as before.
func (l *life) breakOff(moment, fault, binary string) time.Duration {
	l.Helper()
	link := testhost.NewLink(l, l.seen.Addr, testhost.Link{})
	run := l.running()
	run.Spec.Stop, run.Settle = time.Second, time.Minute
	o := order{Binary: binary, Name: "worker", Scope: l.scope, Timeout: changeLimit, Run: run}.to(l.seen.Via(link.Addr()))
	var struck time.Time
	if fault == "kill" {
		v := newVictim(l, o, moment)
		if err := v.run(func(action string) {
			if action == moment {
				v.kill()
				struck = time.Now()
			}
		}); err != nil {
			l.Fatal(err)
		}
	} else {
		ctx, _ := told(l)
		ctx = when(ctx, moment, func() {
			struck = time.Now()
			if fault == "cut" {
				link.CutAfter(0)
			} else {
				link.Blackhole()
			}
		})
		_, err := o.carryOut(ctx)
		if err == nil || !strings.Contains(err.Error(), "worker") {
			l.Errorf("%s at %s: %v", fault, moment, err)
		}
	}
	var since time.Time // when it was so first; for a moment it is so before the host has begun
	testhost.Eventually(l, "what was before is back", func() bool {
		if s := l.status(); s.Pending || s.State != davit.StateRunning {
			since = time.Time{}
		} else if since.IsZero() {
			since = time.Now()
		}
		return !since.IsZero() && time.Since(since) > time.Second
	})
	return since.Sub(struck)
}

func TestADaemonServesAgainAfterTheHostWasStartedAgain(t *testing.T) {
	t.Parallel()
	for _, k := range keepers {
		if k.kind == "process" {
			continue // its hosts cannot be started again
		}
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			m := testhost.Boot(t, testhost.Systemd)
			seen := m.Root()
			if k.scope == davit.User {
				seen = m.Login("me")
				m.Run("loginctl enable-linger me")
			}
			l := &life{T: t, keeper: k, Host: dial(t, seen), seen: seen}
			one, two := sleeper(l, "one"), sleeper(l, "two")
			l.must(l.install(one, l.running()))
			m.Reboot()
			l.Host = dial(t, seen)
			l.is(davit.StateRunning, id(l, one))

			// In the middle of a change, as if somebody had pulled the plug.
			ctx, _ := told(l)
			run := l.running()
			run.Settle = time.Minute
			ctx = when(ctx, "settling", func() { m.PowerOff() })
			if _, err := davit.Install(ctx, l, davit.InstallOptions{Binary: two, Name: "worker", Scope: l.scope, Run: run, Timeout: time.Minute}); err == nil {
				t.Error("it was committed")
			}
			m.PowerOn()
			l.Host = dial(t, seen)
			l.is(davit.StateRunning, id(l, one))
			ctx, _ = told(l)
			l.must(davit.Restart(ctx, l, davit.StartOptions{Target: l.target(), Run: *l.running()}))
			if s := l.is(davit.StateRunning, id(l, one)); s.Pending {
				t.Error("the broken change is pending still")
			}
			l.must(davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target(), Stop: true}))
			l.nothingLeft()
		})
	}
}
