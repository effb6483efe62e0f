package davit_test

import (
	"cmp"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/service"
)

// keeper is what keeps daemons running: for whom, and of what kind.
type keeper struct {
	kind  service.Kind
	scope davit.Scope
}

func (k keeper) String() string { return string(k.kind) + " " + string(k.scope) }

// keepers are all there are on the hosts that tests can have.
var keepers = []keeper{
	{service.Process, davit.User},
	{service.Process, davit.System},
	{service.Systemd, davit.User},
	{service.Systemd, davit.System},
	{service.OpenRC, davit.System},
}

// life is a daemon on a host whose life a test goes through.
type life struct {
	*testing.T
	keeper
	host.Host
	seen   *testhost.Host
	daemon string // its name, if that is not "worker"
}

func newLife(t *testing.T, k keeper, seen *testhost.Host) *life {
	t.Helper()
	return &life{T: t, keeper: k, Host: dial(t, seen), seen: seen.For(t)}
}

// plainLife is that of a user's daemon on a host without a service manager.
func plainLife(t *testing.T) *life {
	t.Helper()
	return newLife(t, keepers[0], testhost.Start(t))
}

// eachKeeper runs the test with each keeper.
func eachKeeper(t *testing.T, test func(l *life)) {
	eachOf(t, test, service.Process, service.Systemd, service.OpenRC)
}

// eachSystemd is eachKeeper of those that systemd is.
func eachSystemd(t *testing.T, test func(l *life)) { eachOf(t, test, service.Systemd) }

// eachOf runs the test with each keeper of these kinds. The keepers of one kind follow one another, for they
// have one machine between them, if it is a machine that they need.
func eachOf(t *testing.T, test func(l *life), kinds ...service.Kind) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			hosts := hostsOf(t, kind)
			for _, k := range keepers {
				if k.kind == kind {
					t.Run(string(k.scope), func(t *testing.T) { test(newLife(t, k, hosts(t, k.scope))) })
				}
			}
		})
	}
}

// hostsOf returns what has a host for each scope.
func hostsOf(t *testing.T, kind service.Kind) func(t *testing.T, scope davit.Scope) *testhost.Host {
	t.Helper()
	if kind == service.Process {
		return func(t *testing.T, scope davit.Scope) *testhost.Host {
			if scope == davit.System {
				noCrontabHas(t, "/opt/davit/worker")
				return testhost.Start(t, testhost.Root, testhost.OwnSystem(nil))
			}
			h := testhost.Start(t)
			noCrontabHas(t, h.Home)
			return h
		}
	}
	m := testhost.Boot(t, testhost.Init(kind))
	return func(_ *testing.T, scope davit.Scope) *testhost.Host { return loginOf(m, scope) }
}

// noCrontabHas fails the test if the words are in the computer's own crontabs when it ends. Only root may look.
func noCrontabHas(t *testing.T, words string) {
	t.Cleanup(func() {
		if found, err := exec.Command("grep", "-rsF", words, "/var/spool/cron").Output(); err == nil {
			t.Errorf("it is in the computer's crontabs: %s", found)
		}
	})
}

// loginOf returns the machine as one who may have daemons in the scope signs in to it.
func loginOf(m *testhost.Machine, scope davit.Scope) *testhost.Host {
	if scope == davit.System {
		return m.Root()
	}
	m.Run("! command -v loginctl >/dev/null || loginctl enable-linger me")
	return m.Login("me")
}

// of returns the life of another daemon there, for a part of the test.
func (l *life) of(t *testing.T, daemon string) *life {
	other := *l
	other.T, other.seen, other.daemon = t, l.seen.For(t), daemon
	return &other
}

func (l *life) name() string { return cmp.Or(l.daemon, "worker") }

func (l *life) target() davit.Target { return davit.Target{Name: l.name(), Scope: l.scope} }

func (l *life) running() *davit.Run {
	return &davit.Run{Kind: l.kind, Spec: &service.Spec{}, Settle: 300 * time.Millisecond}
}

func (l *life) install(binary string, run *davit.Run) (davit.Receipt, error) {
	ctx, _ := told(l)
	return davit.Install(ctx, l.Host, davit.InstallOptions{Binary: binary, Name: l.name(), Scope: l.scope, Run: run})
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

// becomes waits until the daemon is in the state, the release is current, and nothing is pending.
func (l *life) becomes(state davit.State, release string) {
	l.Helper()
	l.eventually(fmt.Sprintf("it is %s, release %s", state, release), func(s davit.DaemonStatus) bool {
		return s.State == state && s.Release == release && !s.Pending
	})
}

// eventually waits until a look at the daemon shows what is wanted. It does not look all the time, which
// would keep the host busy.
func (l *life) eventually(what string, wanted func(davit.DaemonStatus) bool) {
	l.Helper()
	testhost.Eventually(l, what, func() bool {
		if wanted(l.status()) {
			return true
		}
		time.Sleep(200 * time.Millisecond)
		return false
	})
}

// nothingLeft fails the test if there is a file, a process or a line of crontab of the daemon.
func (l *life) nothingLeft() {
	l.Helper()
	places := `"$HOME" /var/lib/systemd/linger`
	if l.scope == davit.System {
		places += " /etc /opt /usr/local /run /var/lib /var/spool"
	}
	if left := l.seen.Run(`find ` + places + ` -xdev -name '*` + l.name() + `*' -newer /proc/1 2>/dev/null | head -20
		find "$HOME/.local/share/davit" /opt/davit 2>/dev/null | head; crontab -l 2>/dev/null | grep ` + l.name() + `
		ls /var/lib/systemd/linger 2>/dev/null | grep -v '^me$'; :`); left != "" {
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

// chart is what passed, and with which keeper. The test reports it in the end.
type chart struct {
	mu    sync.Mutex
	rows  []string
	cells map[string]map[keeper]string
}

func newChart(t *testing.T, heading string) *chart {
	m := &chart{cells: map[string]map[keeper]string{}}
	t.Cleanup(func() {
		for line := range strings.Lines(m.table(heading)) {
			t.Log("REPORT: " + strings.TrimRight(line, " \n"))
		}
	})
	return m
}

// passed notes how it went, unless the test of that daemon has failed by now.
func (m *chart) passed(l *life, what, how string) {
	if l.Failed() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cells[what] == nil {
		m.cells[what] = map[keeper]string{}
		m.rows = append(m.rows, what)
	}
	m.cells[what][l.keeper] = how
}

// table returns the chart with a column for each keeper.
func (m *chart) table(heading string) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	fmt.Fprint(w, heading)
	for _, k := range keepers {
		fmt.Fprint(w, "\t", k)
	}
	fmt.Fprintln(w)
	for _, row := range m.rows {
		fmt.Fprint(w, row)
		for _, k := range keepers {
			fmt.Fprint(w, "\t", cmp.Or(m.cells[row][k], "-"))
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	return out.String()
}
