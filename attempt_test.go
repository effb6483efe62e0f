package davit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// order is an install, in such words that another process can be told it.
type order struct {
	Target, ConfigFile     string
	Identities, KnownHosts []string

	Binary, Name, Dir string
	Scope             davit.Scope
	Timeout           time.Duration

	Run *davit.Run // nil only installs

	OpenSSH bool // reach it with the ssh program
}

// host returns the host that o is for.
func (o order) host() (host.Host, error) {
	if o.OpenSSH {
		return openssh.New(o.Target, openssh.Options{ConfigFile: o.ConfigFile, Identities: o.Identities})
	}
	return ssh.New(o.Target, ssh.Options{ConfigFile: o.ConfigFile, Identities: o.Identities, KnownHostsFiles: o.KnownHosts})
}

func (o order) carryOut(ctx context.Context) (davit.Receipt, error) {
	h, err := o.host()
	if err != nil {
		return davit.Receipt{}, err
	}
	defer h.Close()
	return davit.Install(ctx, h, davit.InstallOptions{Binary: o.Binary, Name: o.Name, Dir: o.Dir, Scope: o.Scope, Timeout: o.Timeout, Run: o.Run})
}

// to returns o for h as it is reached directly.
func (o order) to(h *testhost.Host) order {
	o.Target, o.ConfigFile = h.Target(), os.DevNull
	o.Identities, o.KnownHosts = []string{h.IdentityFile}, []string{h.KnownHosts}
	return o
}

// The ways to a host, and where on them the network is bad.
const (
	direct     = "direct"
	beforeJump = "before the jump host"
	behindJump = "behind the jump host"
	byProgram  = "by the ssh program"
)

// by returns o for h as the ssh program reaches it.
func (o order) by(t testing.TB, h *testhost.Host) order {
	t.Helper()
	config := filepath.Join(t.TempDir(), "ssh_config")
	if err := os.WriteFile(config, []byte(h.Block("far")), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Target, o.ConfigFile, o.Identities, o.KnownHosts, o.OpenSSH = "far", config, nil, nil, true
	return o
}

// through returns o for h as it is reached through jump.
func (o order) through(t testing.TB, jump, h *testhost.Host) order {
	t.Helper()
	config := filepath.Join(t.TempDir(), "ssh_config")
	text := h.Block("far", "ProxyJump jump") + jump.Block("jump")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Target, o.ConfigFile, o.Identities, o.KnownHosts = "far", config, nil, nil
	return o
}

// attempt is an install that meets a fault.
type attempt struct {
	site
	order
	link   *testhost.Proxy // on the way to the host
	fault  fault
	moment moment

	interrupt context.CancelCauseFunc // of a client in this process
	kill      func()                  // of one that is a process of its own

	once   sync.Once
	struck chan struct{} // closed when the fault has struck

	mu      sync.Mutex
	actions []string  // that were told
	began   time.Time // when the limit began
	when    time.Time // when the fault struck
	before  int64     // bytes that had gone to the host when the transfer began
}

// fault is something that happens to an install.
type fault struct {
	name   string
	strike func(*attempt)
	kills  bool // the client, which is a process of its own
	lasts  bool // until the limit
	once   bool // in the matrix it strikes in one of the tenths of the transfer only
}

const (
	stallTime = time.Second            // for which a network stalls that goes on again
	slowTime  = 300 * time.Millisecond // for which a tool of the host may hang on
)

var faults = []fault{
	{name: "cut", strike: func(a *attempt) { a.link.CutAfter(0) }},
	{name: "reset", strike: func(a *attempt) { a.link.Reset() }},
	{name: "blackhole", strike: func(a *attempt) { a.link.Blackhole() }, lasts: true},
	{name: "stall", once: true, strike: func(a *attempt) {
		a.link.Stall()
		time.AfterFunc(stallTime, func() {
			a.letGo()
			a.link.Resume()
		})
	}},
	{name: "interrupt", strike: func(a *attempt) { a.interrupt(davit.ErrInterrupted) }},
	{name: "deadline", once: true, strike: func(a *attempt) {
		if a.moment.hold == "" {
			a.link.Stall()
		}
	}, lasts: true},
	{name: "kill", strike: func(a *attempt) { a.kill() }, kills: true},
	{name: "kill unheard", once: true, strike: func(a *attempt) {
		a.link.Blackhole()
		a.kill()
	}, kills: true, lasts: true},
}

// moment is when a fault strikes.
type moment struct {
	name    string
	hold    string              // a tool and its arguments, as a pattern, that hangs on the host; see hanging tools
	slow    bool                // that tool does not hang for ever, but for slowTime after the fault
	stalled bool                // nothing goes through the link until the fault strikes
	on      string              // strike when this action is told
	reached func(*attempt) bool // asked again and again, if on is ""
}

// watch waits for the moment.
func (a *attempt) watch(ctx context.Context) {
	for a.moment.on == "" && !a.moment.reached(a) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
	if a.moment.on == "" {
		a.strike()
	}
}

func (a *attempt) strike() {
	a.once.Do(func() {
		a.mu.Lock()
		a.when = time.Now()
		a.mu.Unlock()
		close(a.struck)
		a.fault.strike(a)
		if a.moment.slow && !a.fault.lasts {
			time.AfterFunc(slowTime, a.letGo)
		}
	})
}

func (a *attempt) isStruck() bool {
	select {
	case <-a.struck:
		return true
	default:
		return false
	}
}

// hear is called for all that is told, in order.
func (a *attempt) hear(action string) {
	a.mu.Lock()
	a.actions = append(a.actions, action)
	switch action {
	case "start":
		a.began = time.Now()
	case "copying":
		a.before = a.link.BytesUp()
	}
	a.mu.Unlock()
	if action == a.moment.on && action != "" { // what is captured has no action
		a.strike()
	}
}

// heard reports whether the action was told.
func (a *attempt) heard(action string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.actions, action)
}

// arrived returns how much of the executable has gone to the host, -1 before the transfer.
func (a *attempt) arrived() int64 {
	if !a.heard("copying") {
		return -1
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link.BytesUp() - a.before
}

// hangingTools makes programs that do as those of the same name, but hang while ~/hold has a pattern
// that their name and arguments match; ~/held tells that one does. It returns their directory.
func hangingTools(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		text := fmt.Sprintf(`#!/bin/sh
if [ -e "$HOME/hold" ]; then
	case "%[1]s $*" in $(cat "$HOME/hold"))
		: >"$HOME/held"
		while [ -e "$HOME/hold" ]; do sleep 0.05; done
	esac
fi
exec %[2]s "$@"
`, name, testhost.Need(t, name))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (a *attempt) letGo() { os.Remove(filepath.Join(a.Home, "hold")) }

// held reports whether the tool that is to hang does.
func (a *attempt) held() bool {
	_, err := os.Stat(filepath.Join(a.Home, "held"))
	return err == nil
}

// run runs the install until the client has its answer, or is no more. That the fault has struck is
// for the caller to see.
func (a *attempt) run() (davit.Receipt, error) {
	a.t.Helper()
	a.struck = make(chan struct{})
	if a.moment.hold != "" {
		if err := os.WriteFile(filepath.Join(a.Home, "hold"), []byte(a.moment.hold), 0o644); err != nil {
			a.t.Fatal(err)
		}
	}
	if a.moment.stalled {
		a.link.Stall()
	}
	if a.fault.kills {
		return davit.Receipt{}, a.asVictim()
	}
	ctx, rec := told(a.t)
	ctx, a.interrupt = context.WithCancelCause(ctx)
	defer a.interrupt(nil)
	go a.watch(ctx)
	ctx = narrate.WithSink(ctx, narrate.SinkFunc(func(e narrate.Event) error {
		if e.Kind != narrate.Progress {
			a.hear(e.Action)
		}
		return nil
	}))
	receipt, err := a.carryOut(ctx)
	if a.fault.lasts && err != nil {
		testhost.Eventually(a.t, "the end of the limit is told", func() bool { return slices.Contains(rec.Actions(), "timeout") })
	}
	return receipt, err
}

// asVictim runs the install in a process of its own and returns when that has ended.
func (a *attempt) asVictim() error {
	a.t.Helper()
	v := newVictim(a.t, a.order, a.moment.on)
	a.kill = v.kill
	ctx, cancel := context.WithCancel(a.t.Context())
	defer cancel()
	go a.watch(ctx)
	return v.run(a.hear)
}

// remains returns what is left of the attempt on the host: files, or else processes.
func (a *attempt) remains(p spot) []string {
	left := p.left()
	if len(left) > 0 {
		return left
	}
	for _, process := range a.Processes("") {
		left = append(left, process.String())
	}
	return left
}

// gone waits until nothing remains, and returns when that was.
func (a *attempt) gone(p spot) time.Time {
	a.t.Helper()
	var left []string
	for end := time.Now().Add(soon); ; time.Sleep(100 * time.Millisecond) {
		if left = a.remains(p); len(left) == 0 {
			return time.Now()
		}
		if time.Now().After(end) {
			a.t.Fatalf("left behind for ever: %q", left)
		}
	}
}

// having is a host on which the executable at path is installed.
func having(t testing.TB, path string) testhost.Option {
	t.Helper()
	return testhost.WithPrepare(func(h *testhost.Host) {
		p := site{h, t}.spot()
		release := filepath.Join("releases", id(t, path))
		content, err := os.ReadFile(path)
		for _, do := range []func() error{
			func() error { return err },
			func() error { return os.MkdirAll(filepath.Join(p.base, release), 0o755) },
			func() error { return os.WriteFile(filepath.Join(p.base, release, "worker"), content, 0o755) },
			func() error { return os.Symlink(release, filepath.Join(p.base, "current")) },
			func() error { return os.MkdirAll(filepath.Dir(p.link), 0o755) },
			func() error { return os.Symlink("../share/davit/worker/current/worker", p.link) },
		} {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
