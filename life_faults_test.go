package davit_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/service"
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
	m := newChart(t, "broken off, it was put back after")
	eachKeeper(t, func(l *life) {
		var all sync.WaitGroup
		for _, moment := range changeMoments { // at once, for most of the time they wait
			all.Go(func() {
				l.T.Run(moment, func(t *testing.T) { l.of(t, "worker-"+moment).breakOffAt(moment, m) })
			})
		}
		all.Wait()
	})
}

// breakOffAt has every fault meet a change at the moment. A plain daemon, whose loopback is ours, serves meanwhile.
func (l *life) breakOffAt(moment string, m *chart) {
	one, two := sleeper(l, "one"), sleeper(l, "two")
	run, url := l.running(), ""
	run.Spec.Stop = time.Second
	if l.kind == service.Process {
		one, two = hello(l, "one"), hello(l, "two")
		address := freeAddress(l)
		run.Spec.Args, url = []string{"-listen", address}, "http://"+address+"/"
	}
	l.must(l.install(one, run))
	for _, fault := range changeFaults {
		load := newLoad(l, url)
		took := l.breakOff(moment, fault, two, *run)
		if s := l.is(davit.StateRunning, id(l, one)); s.Pending {
			l.Error("it is pending still")
		}
		l.isWhole(one)
		cell := fmt.Sprintf("%.1f s", took.Seconds())
		if asked, failed := load.end(); url != "" {
			l.serves(url, "one")
			cell += fmt.Sprintf(" (%d of %d requests failed)", failed, asked)
		}
		if l.Failed() {
			l.Fatalf("%s at %s", fault, moment)
		}
		m.passed(l, moment+", "+fault, cell)
	}
	if r := l.must(l.install(two, run)); r.Outcome == davit.UpToDate {
		l.Errorf("the next: %+v", r)
	}
	l.is(davit.StateRunning, id(l, two))
	l.isWhole(two)
	if url != "" {
		l.serves(url, "two")
	}
}

// isWhole fails the test unless the current release is the executable, byte by byte.
func (l *life) isWhole(binary string) {
	l.Helper()
	sum := l.seen.Run("sha256sum <" + l.base() + "/current/" + l.name())
	if want := id(l, binary); !strings.HasPrefix(sum, want) {
		l.Errorf("the current release has the digest %q, want %s", sum, want)
	}
}

// serves fails the test unless that version answers.
func (l *life) serves(url, version string) {
	l.Helper()
	answer, err := http.Get(url)
	if err != nil {
		l.Error(err)
		return
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(body), version) {
		l.Errorf("it answers %q, %v, want %s", body, err, version)
	}
}

// breakOff has a fault meet a change at a moment, and returns how long after that all was as before.
func (l *life) breakOff(moment, fault, binary string, run davit.Run) time.Duration {
	l.Helper()
	link := testhost.NewLink(l, l.seen.Addr, testhost.Link{})
	run.Settle = time.Minute
	o := order{Binary: binary, Name: l.name(), Scope: l.scope, Timeout: changeLimit, Run: &run}.to(l.seen.Via(link.Addr()))
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
	l.eventually("what was before is back", func(s davit.DaemonStatus) bool {
		if s.Pending || s.State != davit.StateRunning {
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
	m := newChart(t, "the host was")
	for init, keepers := range map[testhost.Init][]keeper{
		testhost.Systemd: {{service.Systemd, davit.User}, {service.Systemd, davit.System}},
		testhost.OpenRC:  {{service.OpenRC, davit.System}, {service.Process, davit.User}, {service.Process, davit.System}},
	} {
		t.Run(string(init), func(t *testing.T) {
			t.Parallel()
			machine := testhost.Boot(t, init)
			var lives []*life
			for _, k := range keepers {
				l := newLife(t, k, loginOf(machine, k.scope))
				l.daemon = "worker-" + string(k.kind)
				lives = append(lives, l)
			}
			one := sleeper(t, "one")
			each := func(do func(l *life)) {
				for _, l := range lives {
					do(l)
				}
			}
			each(func(l *life) { l.must(l.install(one, l.running())) })
			machine.Reboot()
			each(func(l *life) {
				l.Host = dial(t, l.seen)
				l.becomes(davit.StateRunning, id(t, one))
				m.passed(l, "started again", "serves")
			})
			pullThePlug(t, machine, lives)
			each(func(l *life) {
				l.Host = dial(t, l.seen)
				l.eventually("the release before runs", func(s davit.DaemonStatus) bool {
					return s.State == davit.StateRunning && s.Release == id(t, one)
				})
				ctx, _ := told(t)
				l.must(davit.Restart(ctx, l, davit.StartOptions{Target: l.target(), Run: *l.running()}))
				if s := l.is(davit.StateRunning, id(t, one)); s.Pending {
					t.Error("the broken change is pending still")
				}
				l.must(davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target(), Stop: true}))
			})
			each(func(l *life) {
				l.nothingLeft()
				m.passed(l, "without power in a change", "serves what it did")
			})
		})
	}
}

// pullThePlug cuts the machine's power, and gives it again, when each daemon is in the middle of a change.
func pullThePlug(t *testing.T, machine *testhost.Machine, lives []*life) {
	t.Helper()
	two := sleeper(t, "two")
	ended := make(chan error, len(lives))
	for _, l := range lives {
		settling := make(chan struct{})
		ctx := when(t2(t), "settling", func() { close(settling) })
		run := l.running()
		run.Settle = time.Minute
		go func() {
			_, err := davit.Install(ctx, l, davit.InstallOptions{
				Binary: two, Name: l.name(), Scope: l.scope, Run: run, Timeout: 2 * time.Minute,
			})
			ended <- err
		}()
		select {
		case <-settling:
		case err := <-ended:
			t.Fatalf("the change of %v did not get far: %v", l.keeper, err)
		}
	}
	machine.PowerOff()
	for range lives {
		if err := <-ended; err == nil {
			t.Error("it was committed")
		}
	}
	machine.PowerOn()
}

func TestARebuildUnderLoadEndsWithOneReleaseThatServes(t *testing.T) {
	t.Parallel()
	l := plainLife(t)
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

// load is a client that asks all the time; of no URL it does nothing.
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
		for url != "" {
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
	l := plainLife(t)
	seen := l.seen
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
	l.becomes(davit.StateRunning, id(t, two))
}
