package testhost_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
)

// daemonize leaves a process behind that has no terminal, no session and no parent of its own.
const daemonize = `nohup setsid sh -c 'sleep 1000 & wait' >/dev/null 2>&1 </dev/null & echo up`

func TestEveryLoginHasTheHomeOfItsHost(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]testhost.Option{
		"ordinary": testhost.Ordinary, "root": testhost.Root, "self": testhost.Self,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t, login)
			want := h.User + " " + h.Home + "\n"
			if got := h.Run(`echo "$(id -un) $HOME"`); got != want {
				t.Errorf("Go's client: got %q, want %q", got, want)
			}
			if got := systemSSH(t, h, `echo "$(id -un) $HOME"`); got != want {
				t.Errorf("system's client: got %q, want %q", got, want)
			}
			h.Run(`echo hello >"$HOME/file"`)
			if got, err := os.ReadFile(h.Home + "/file"); string(got) != "hello\n" {
				t.Errorf("file in the home: got %q, %v", got, err)
			}
		})
	}
}

func systemSSH(t *testing.T, h *testhost.Host, args ...string) string {
	t.Helper()
	out, err := exec.Command(testhost.Need(t, "ssh"), h.SSH(args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh: %v\n%s", err, out)
	}
	return string(out)
}

func TestHostsDoNotCollide(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]string{}
	for range 6 {
		all.Go(func() {
			h := testhost.Start(t)
			out, err := h.Try(`echo "$HOME"`)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || out != h.Home+"\n" {
				t.Errorf("%s: got %q, %v", h.Target(), out, err)
			}
			for _, own := range []string{h.Addr, h.Home} {
				if other, taken := seen[own]; taken {
					t.Errorf("%s belongs to both %s and %s", own, h.Target(), other)
				}
				seen[own] = h.Target()
			}
		})
	}
	all.Wait()
}

func TestNothingOfAHostOutlivesItsTest(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]testhost.Option{
		"ordinary": testhost.Ordinary, "root": testhost.Root,
	} {
		t.Run(name, func(t *testing.T) {
			var h *testhost.Host
			var left []testhost.Proc
			t.Run("while it lives", func(t *testing.T) {
				h = testhost.Start(t, login)
				h.Run(daemonize)
				testhost.Eventually(t, "the daemon runs", func() bool {
					left = h.Processes("sleep 1000")
					return len(left) > 0
				})
			})
			if h != nil {
				assertGone(t, h, left)
			}
		})
	}
}

func assertGone(t *testing.T, h *testhost.Host, procs []testhost.Proc) {
	t.Helper()
	if _, err := net.Dial("tcp", h.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("sshd: got %v, want connection refused", err)
	}
	if _, err := os.Stat(h.IdentityFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("files: got %v, want none", err)
	}
	if _, err := user.Lookup(h.User); h.User != "root" && err == nil {
		t.Errorf("account %s is still there", h.User)
	}
	for _, p := range procs {
		if syscall.Kill(p.PID, 0) == nil {
			t.Errorf("still runs: %v", p)
		}
	}
}

func TestTheCrontabsOfAHostAreItsOwn(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	testhost.Need(t, "crontab")
	for name, login := range map[string]testhost.Option{
		"ordinary": testhost.Ordinary, "root": testhost.Root,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t, login)
			if got, err := h.Try("crontab -l"); err == nil {
				t.Errorf("it begins with %q", got)
			}
			line := "@reboot true # of " + h.Home + "\n"
			h.Run("echo '" + strings.TrimSpace(line) + "' | crontab -")
			if got := h.Run("crontab -l"); got != line {
				t.Errorf("the crontab has %q", got)
			}
			if out, err := exec.Command("grep", "-rsF", h.Home, "/var/spool/cron").Output(); err == nil {
				t.Errorf("it is in the computer's crontabs: %s", out)
			}
			h.StopSSHD()
			h.StartSSHD()
			if got := h.Run("crontab -l"); got != line {
				t.Errorf("when sshd was started again the crontab has %q", got)
			}
		})
	}
}

func TestProcessesAreFoundWhereverTheyHide(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]testhost.Option{
		"ordinary": testhost.Ordinary, "root": testhost.Root,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t, login)
			other := testhost.Start(t, login)
			h.Run(`MARK=in-environ; export MARK; ` + daemonize)
			testhost.Eventually(t, "only the daemon and its child run", func() bool {
				return len(h.Processes("")) == 2 && h.Connections() == 0
			})
			if got := h.Processes("in-environ"); len(got) != 2 {
				t.Errorf("by environment: got %v", got)
			}
			if got := h.Processes("no such"); len(got) != 0 {
				t.Errorf("by nonsense: got %v", got)
			}
			if got := other.Processes(""); len(got) != 0 {
				t.Errorf("on the other host: got %v", got)
			}
			h.Run("kill " + h.Run(`grep -lzs MARK=in-environ /proc/[0-9]*/environ | cut -d/ -f3 | grep -v $$ | tr '\n' ' '`) + "; true")
			testhost.Eventually(t, "none is left", func() bool { return len(h.Processes("")) == 0 })
		})
	}
}

func TestADroppedConnectionLeavesItsCommandRunning(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	client := dial(t, h)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("exec sleep 1000"); err != nil {
		t.Fatal(err)
	}
	running := func() bool { return len(h.Processes("sleep")) == 1 }
	testhost.Eventually(t, "the command runs", running)
	if got := h.Connections(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
	h.DropConnections()
	if err := session.Wait(); err == nil {
		t.Error("the session ended well")
	}
	testhost.Eventually(t, "no connection is left", func() bool { return h.Connections() == 0 })
	if !running() {
		t.Error("the command has gone")
	}
	h.Run("true")
}

func dial(t *testing.T, h *testhost.Host) *ssh.Client {
	t.Helper()
	client, err := ssh.Dial("tcp", h.Addr, h.ClientConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestSSHDComesBackWhereItWas(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	client := dial(t, h)
	h.StopSSHD()
	if err := client.Wait(); err == nil {
		t.Error("the connection ended well")
	}
	if _, err := h.Try("true"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want connection refused", err)
	}
	h.StartSSHD()
	h.Run("true")
}

func TestAScriptThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	out, err := h.Try("echo said; echo why >&2; exit 3")
	exit, _ := errors.AsType[*ssh.ExitError](err)
	if out != "said\n" || exit == nil || exit.ExitStatus() != 3 || !strings.Contains(err.Error(), "why") {
		t.Errorf("got %q, %v", out, err)
	}
}
