package davit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
)

// altered is a host that gets other commands than were meant for it.
type altered struct {
	host.Host
	command func(string) string
	goOn    chan struct{} // if not nil, nothing is written to the command until it is closed
}

func (a altered) Exec(ctx context.Context, command string) (host.Process, error) {
	p, err := a.Host.Exec(ctx, a.command(command))
	if a.goOn != nil {
		<-a.goOn
	}
	return p, err
}

// begin begins an install and returns where its error will come from.
func begin(ctx context.Context, h host.Host, o davit.InstallOptions) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := davit.Install(ctx, h, o)
		done <- err
	}()
	return done
}

// alone is a command as an SSH server runs it that shares its process group, as dropbear does and
// sudo without a terminal.
func alone(command string) string { return "/bin/sh -c " + host.Quote(command) + "; :" }

func same(command string) string { return command }

func TestANetworkThatSwallowsTheScriptItselfLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func(string) string{"alone": same, "in the server's group": alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t), t}
			link := testhost.NewLink(t, s.Addr, testhost.Link{})
			h := altered{dial(t, s.Via(link.Addr())), command, make(chan struct{})}
			ctx, _ := told(t)
			done := begin(ctx, h, davit.InstallOptions{Binary: program(t, "x", 100), Name: "worker", Timeout: 4 * time.Second})
			testhost.Eventually(t, "the host waits for the script", func() bool { return len(s.Processes("case $l in")) > 0 })
			link.Blackhole()
			close(h.goOn)
			explained(t, <-done, davit.ExitDeadline, "(probe)", "nothing was touched")
			s.assertWhole("")
		})
	}
}

func TestTheClockEndsAScriptThatSharesAGroup(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 8 << 20})
	h := altered{dial(t, s.Via(link.Addr())), alone, nil}
	ctx, _ := told(t)
	ctx = when(ctx, "progress", link.Blackhole)
	_, err := davit.Install(ctx, h, davit.InstallOptions{Binary: program(t, "two", 16<<20), Name: "worker", Timeout: 5 * time.Second})
	explained(t, err, davit.ExitDeadline, "(transfer", "ends by itself", "for the next try")
	s.assertWhole("")
}

func TestTheClockEndsWhatRootRuns(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	testhost.Need(t, "sudo")
	for name, defaults := range map[string]string{
		"with a terminal": "use_pty", "without": "!use_pty", "one that keeps what is typed": "log_input,!use_pty",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, testhost.Ordinary), t}
			allow(t, s.Host, "NOPASSWD: ALL\nDefaults:"+s.User+" iolog_dir="+t.TempDir()+","+defaults)
			link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 8 << 20})
			ctx, _ := told(t)
			ctx = when(ctx, "progress", link.Blackhole)
			_, err := davit.Install(ctx, dial(t, s.Via(link.Addr())), davit.InstallOptions{
				Binary: program(t, "two", 16<<20), Name: "worker", Scope: davit.System, Dir: s.Home + "/opt", Timeout: 5 * time.Second,
			})
			explained(t, err, davit.ExitDeadline, "(transfer", "ends by itself", "for the next try")
			s.assertQuiet()
			if left, _ := filepath.Glob(s.Home + "/opt/worker/*"); !slices.Equal(left, []string{s.Home + "/opt/worker/partial"}) {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestALockThatCannotBeMadeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]testhost.Option{
		"with flock": {testhost.WithFile(".local/share/davit/worker/lock/x", "")},
		"without":    {testhost.WithFile(".local/share/davit/worker/lock", ""), testhost.WithPath(append(testhost.BaseTools, "sha256sum")...)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, options...), t}
			ctx, _ := told(t)
			_, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: program(t, "x", 100), Name: "worker", Timeout: soon})
			explained(t, err, davit.ExitHost, "cannot write to", "worker/lock", "is not installed there")
			s.assertQuiet()
		})
	}
}

func TestWhatCannotBeUnpackedIsNotCalledDamaged(t *testing.T) {
	t.Parallel()
	broken := tool(t, "zstd", "cat >/dev/null; echo 'zstd: no memory' >&2; exit 1")
	s := site{testhost.Start(t, testhost.WithEnv("PATH", broken+":/usr/bin:/bin")), t}
	ctx, _ := told(t)
	_, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: wordy(t, "x", 100_000)})
	explained(t, err, davit.ExitFailed, "cannot write to ", "with zstd: no memory")
	s.assertWhole("")
}

func TestABinThatAnotherTakesAwayIsMadeAgain(t *testing.T) {
	t.Parallel()
	ln := tool(t, "ln", `case "$*" in *bin/.*) [ -e ~/once ] || { : >~/once && rmdir ~/.local/bin; } ;; esac; exec `+testhost.Need(t, "ln")+` "$@"`)
	s := site{testhost.Start(t, testhost.WithEnv("PATH", ln+":/usr/bin:/bin"), testhost.WithPrepare(func(h *testhost.Host) {
		os.MkdirAll(h.Home+"/.local/bin", 0o755)
	})), t}
	one := program(t, "one", 100)
	s.install(one)
	s.assertWhole(id(t, one))
	if _, err := os.Stat(s.Home + "/once"); err != nil {
		t.Error("nobody took it away")
	}
}

func TestAReleaseIsNotCurrentUntilItCanBeLinked(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t, testhost.WithPrepare(func(h *testhost.Host) {
		os.Mkdir(h.Home+"/.local", 0o755)
		os.Symlink("nowhere", h.Home+"/.local/bin")
	})), t}
	ctx, _ := told(t)
	_, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: program(t, "x", 100), Name: "worker"})
	explained(t, err, davit.ExitHost, "cannot make", ".local/bin", "is not installed there")
	if current, err := os.Readlink(s.Home + "/.local/share/davit/worker/current"); err == nil {
		t.Errorf("current is %s", current)
	}
}

func TestADirectoryThatWasThereStays(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t, testhost.WithFile(".local/bin/worker", "theirs"), testhost.WithPrepare(func(h *testhost.Host) {
		os.Mkdir(h.Home+"/apps", 0o755)
	})), t}
	ctx, _ := told(t)
	_, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: program(t, "x", 100), Name: "worker", Dir: "~/apps"})
	explained(t, err, davit.ExitHost, "nothing was touched")
	s.assertQuiet()
	if _, err := os.Stat(s.Home + "/apps"); err != nil {
		t.Error(err)
	}
}

func TestAnInstallThatGivesUpTakesNothingFromAnother(t *testing.T) {
	t.Parallel()
	for name, tools := range map[string][]string{
		"with flock": {"sha256sum", "flock"}, "without": {"sha256sum"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, testhost.WithPath(append(tools, testhost.BaseTools...)...)), t}
			if len(tools) == 1 { // one who is dead holds the lock
				s.Run("mkdir -p ~/.local/share/davit/worker; ln -s '2020-01-01T00:00:00Z 0 17 x dead@x' ~/.local/share/davit/worker/lock")
			}
			binaries := []string{program(t, "one", 100), program(t, "two", 100), program(t, "three", 1<<20)}
			ctx, _ := told(t)
			var all sync.WaitGroup
			errs := make([]error, len(binaries))
			for n, binary := range binaries {
				conn := dial(t, s.Host)
				all.Go(func() {
					_, errs[n] = davit.Install(ctx, conn, davit.InstallOptions{Binary: binary, Name: "worker"})
				})
			}
			all.Wait()
			var good []string
			for n, err := range errs {
				if err == nil {
					good = append(good, id(t, binaries[n]))
				} else if !errors.Is(err, davit.ErrLocked) {
					t.Error(err)
				}
			}
			s.assertWhole(good...)
		})
	}
}

func TestAScriptThatIsKilledIsHeardOf(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 8 << 20})
	ctx, _ := told(t)
	ctx = when(ctx, "progress", func() {
		all := s.Processes("")
		first := slices.DeleteFunc(slices.Clone(all), func(p testhost.Proc) bool {
			child := slices.ContainsFunc(all, func(q testhost.Proc) bool { return q.PID == p.PPID })
			return child || len(p.Args) < 2 || p.Args[1] != "-c" // or an orphan of the clock
		})
		if len(first) != 1 {
			t.Errorf("which of them is the script? %v", first)
		} else if p, err := os.FindProcess(first[0].PID); err != nil || p.Kill() != nil {
			t.Errorf("cannot kill %v: %v", first[0], err)
		}
	})
	_, err := davit.Install(ctx, dial(t, s.Via(link.Addr())), davit.InstallOptions{Binary: program(t, "x", 4<<20), Name: "worker", Timeout: 20 * time.Second})
	explained(t, err, davit.ExitFailed, "broke off: ended by signal KILL")
	s.assertQuiet()
}

func TestWhatIsNotKnownOfAHostIsNotSaid(t *testing.T) {
	t.Parallel()
	slow := tool(t, "df", "sleep 1000; exit")
	s := site{testhost.Start(t), t}
	one := program(t, "one", 100)
	s.install(one)
	link := testhost.NewLink(t, s.Addr, testhost.Link{})
	search := func(command string) string { return "PATH=" + slow + ":$PATH; export PATH; " + command }
	ctx, _ := told(t)
	done := begin(ctx, altered{dial(t, s.Via(link.Addr())), search, nil}, davit.InstallOptions{
		Binary: program(t, "two", 100), Name: "worker", Timeout: 8 * time.Second,
	})
	testhost.Eventually(t, "the host tells its facts", func() bool { return len(s.Processes("-Pk")) > 0 })
	link.Reset()
	explained(t, <-done, davit.ExitFailed, "probe: connection lost", "nothing was touched")
	s.assertWhole(id(t, one))
}

func TestAFirstInstallThatEndsInTheSwitchIsWhole(t *testing.T) {
	t.Parallel()
	for name, pattern := range map[string]string{"before the switch": "mv*/current", "before the link": "mv*/bin/worker"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, testhost.WithEnv("PATH", hangingTools(t, "mv")+":/usr/bin:/bin")), t}
			link := testhost.NewLink(t, s.Addr, testhost.Link{})
			o := order{Binary: program(t, "x", 100), Name: "worker"}
			a := &attempt{
				site: s, order: o.to(s.Via(link.Addr())), link: link, fault: faultNamed(t, "cut"),
				moment: moment{hold: pattern, reached: (*attempt).held},
			}
			_, err := a.run()
			explained(t, err, davit.ExitFailed, "connection lost")
			s.assertWhole("", id(t, o.Binary))
			if _, err := os.Lstat(s.spot().link); err == nil && s.spot().current(t) == "" {
				t.Error("there is a link to nothing")
			}
		})
	}
}

// faultNamed returns the fault of that name.
func faultNamed(t testing.TB, name string) fault {
	t.Helper()
	i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
	if i < 0 {
		t.Fatalf("no fault is called %q", name)
	}
	return faults[i]
}
