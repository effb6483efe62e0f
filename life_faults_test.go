package davit_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
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

func TestARebuildUnderLoadEndsWithOneReleaseThatServes(t *testing.T) {
	t.Parallel()
	seen := testhost.Start(t)
	l := &life{T: t, keeper: keepers[0], Host: dial(t, seen), seen: seen}
	address := freeAddress(t)
	run := l.running()
	run.Spec.Args = []string{"-listen", address}
	run.Health = &health.Check{HTTP: "http://" + address + "/health", Timeout: 20 * time.Second}
	one, two := hello(t, "one"), hello(t, "two")
	l.must(l.install(one, run))

	load := newLoad(t, "http://"+address+"/")
	l.must(l.install(two, run))
	asked, failed := load.end()
	fmt.Printf("REPORT: a rebuild under load: %d requests, %d failed while it was restarted\n", asked, failed)
	l.is(davit.StateRunning, id(t, two))

	load = newLoad(t, "http://"+address+"/")
	bad := *run
	bad.Health = &health.Check{HTTP: "http://" + address + "/none", Timeout: time.Second}
	_, err := l.install(one, &bad)
	explained(t, err, davit.ExitUnhealthy, "status 404", "runs again")
	asked, failed = load.end()
	fmt.Printf("REPORT: one that was put back, under load: %d requests, %d failed\n", asked, failed)
	l.is(davit.StateRunning, id(t, two))
	ctx, _ := told(t)
	s, err := davit.Look(ctx, l, davit.StatusOptions{Target: l.target(), Health: run.Health})
	if err != nil || s.Health != davit.Healthy {
		t.Errorf("%+v, %v", s, err)
	}
}

// hello builds the example daemon, of that version.
func hello(t testing.TB, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker")
	out, err := exec.Command("go", "build", "-ldflags", "-s -w -X main.version="+version, "-o", path, "./examples/hello").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// freeAddress returns an address of loopback that nobody listens at.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// load is a client that asks all the time.
type load struct {
	stop          chan struct{}
	done          chan struct{}
	asked, failed int
}

func newLoad(t testing.TB, url string) *load {
	l := &load{stop: make(chan struct{}), done: make(chan struct{})}
	client := http.Client{Timeout: 5 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	go func() {
		defer close(l.done)
		for {
			select {
			case <-l.stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			l.asked++
			answer, err := client.Get(url)
			if err != nil || answer.StatusCode >= 500 {
				l.failed++
			}
			if err == nil {
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		}
	}()
	return l
}

// end ends it, and returns how many requests there were, and how many of them failed.
func (l *load) end() (asked, failed int) {
	close(l.stop)
	<-l.done
	return l.asked, l.failed
}

// renewable is a host that can be connected to anew, by another way.
type renewable struct {
	host.Host
	anew func() host.Host
}

func (r renewable) Renew() (host.Host, error) { return r.anew(), nil }

func TestTheLastWordMayComeOverANewConnection(t *testing.T) {
	t.Parallel()
	seen := testhost.Start(t)
	l := &life{T: t, keeper: keepers[0], Host: dial(t, seen), seen: seen}
	run := l.running()
	run.Spec.Stop = time.Second
	one, two, three := sleeper(t, "one"), sleeper(t, "two"), sleeper(t, "three")
	l.must(l.install(one, run))

	fresh := *run
	fresh.Fresh = true
	link := testhost.NewLink(t, seen.Addr, testhost.Link{})
	ctx, _ := told(t)
	ctx = when(ctx, "started", func() { link.CutAfter(0) }) // as a daemon might do that touches the network
	h := renewable{dial(t, seen.Via(link.Addr())), func() host.Host { return dial(t, seen) }}
	r, err := davit.Install(ctx, h, davit.InstallOptions{Binary: two, Name: "worker", Run: &fresh})
	if l.must(r, err); r.Release[:12] != id(t, two) {
		t.Errorf("%+v", r)
	}
	if s := l.is(davit.StateRunning, id(t, two)); s.Pending {
		t.Error("it is pending still")
	}

	ctx, _ = told(t)
	h = renewable{dial(t, seen), func() host.Host { return dial(t, seen.Via(link.Addr())) }}
	link.Blackhole()
	_, err = davit.Install(ctx, h, davit.InstallOptions{Binary: three, Name: "worker", Run: &fresh, Timeout: changeLimit})
	if err == nil {
		t.Error("it was committed over a connection that was not there")
	}
	testhost.Eventually(t, "what was before is back", func() bool {
		s := l.status()
		return !s.Pending && s.State == davit.StateRunning && s.Release == id(t, two)
	})
}
