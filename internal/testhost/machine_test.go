package testhost_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
)

func TestAMachineLetsItsAccountsIn(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	me := m.Login("me")
	const who = `echo "$(id -un) $HOME $(pwd)"`
	if got := me.Run(who); got != "me /home/me /home/me\n" {
		t.Errorf("me: %q", got)
	}
	if got := systemSSH(t, me, who); got != "me /home/me /home/me\n" {
		t.Errorf("me, with the system's ssh: %q", got)
	}
	if got := m.Root().Run(who); got != "root /root /root\n" {
		t.Errorf("root: %q", got)
	}
	if _, err := me.Try("sudo -n true"); err == nil {
		t.Error("me may use sudo")
	}
	m.Run("useradd --create-home --password '*' other")
	if got := m.Login("other").Run("pwd"); got != "/home/other\n" {
		t.Errorf("other: %q", got)
	}
	if got := m.Run("cat /proc/1/comm; systemctl is-system-running --wait"); got != "systemd\nrunning\n" {
		t.Errorf("its state is %q", got)
	}
	if got := m.Run("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"); got != "lo\n" {
		t.Errorf("its network is %q", got)
	}
}

func TestAMachineIsMadeToOrder(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd, testhost.WithSudo, testhost.WithGuest("echo hello >/etc/greeting"))
	me := m.Login("me")
	if got := me.Run("sudo -n id -un; cat /etc/greeting"); got != "root\nhello\n" {
		t.Errorf("got %q", got)
	}
	key := testhost.NewKey(t, filepath.Join(t.TempDir(), "key"))
	me.Authorize(key.PublicKey())
	config := me.ClientConfig()
	config.Auth = []ssh.AuthMethod{ssh.PublicKeys(key)}
	client, err := ssh.Dial("tcp", me.Addr, config)
	if err != nil {
		t.Fatalf("with another key: %v", err)
	}
	client.Close()
}

func TestFilesOfAMachineAreSeen(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	me := m.Login("me")
	me.Run("echo on-disk >file; echo in-memory >/dev/shm/file")
	seen := func(path, want string) {
		t.Helper()
		if got, err := os.ReadFile(me.See(path)); string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
	seen("/home/me/file", "on-disk\n")
	seen("/dev/shm/file", "in-memory\n")
	if err := os.WriteFile(me.See("/tmp/from-outside"), []byte("hello\n"), 0o644); err != nil {
		t.Error(err)
	}
	if got := me.Run("cat /tmp/from-outside"); got != "hello\n" {
		t.Errorf("from outside: got %q", got)
	}
	m.PowerOff()
	seen("/home/me/file", "on-disk\n")
	seen("/dev/shm/file", "")
}

// unit is installed for "me"; its log has a line for each start.
const unit = `
mkdir -p .config/systemd/user
cat >.config/systemd/user/worker.service <<'.'
[Service]
ExecStart=/bin/sh -c 'echo worker is up; exec sleep 1000'
[Install]
WantedBy=default.target
.
systemctl --user daemon-reload
systemctl --user enable -q --now worker`

func TestAUserManagerOutlivesTheLogin(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	me := m.Login("me")
	if _, err := me.Try("loginctl enable-linger"); err == nil {
		t.Error("me may linger without being allowed to")
	}
	stay := dial(t, me)
	me.Run(unit)
	workers := func(n int) func() bool { return func() bool { return len(me.Processes("sleep")) == n } }
	testhost.Eventually(t, "the unit runs", workers(1))
	stay.Close()
	testhost.Eventually(t, "the unit ends with the last login", workers(0))

	m.Run("loginctl enable-linger me")
	me.Run("systemctl --user start worker")
	lines := func() int {
		return strings.Count(me.Run("journalctl --user --unit worker --output cat"), "worker is up\n")
	}
	testhost.Eventually(t, "the journal has a second line", func() bool { return lines() == 2 })
	testhost.Eventually(t, "everybody has left", func() bool { return me.Connections() == 0 })
	time.Sleep(500 * time.Millisecond) // for what should not happen
	if got := len(me.Processes("sleep")); got != 1 {
		t.Errorf("after the logout there are %d workers", got)
	}

	m.Reboot()
	testhost.Eventually(t, "the unit runs again", workers(1))
	testhost.Eventually(t, "the journal has a third line", func() bool { return lines() == 3 })
	if got := me.Run("systemctl --user is-active worker"); got != "active\n" {
		t.Errorf("after the reboot the unit is %q", got)
	}
}

func TestAMachineComesBackAsItWas(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	me := m.Login("me")
	boot := func() string { return me.Run("cat /proc/sys/kernel/random/boot_id") }
	first := boot()
	me.Run("echo kept >file; echo '@reboot date >>boots' | crontab -; " + daemonize)
	client := dial(t, me)
	m.Reboot()
	if err := client.Wait(); err == nil {
		t.Error("a connection ended well")
	}
	second := boot()
	if got := me.Run("cat file"); got != "kept\n" || second == first {
		t.Errorf("after the reboot: file %q, boots %q and %q", got, first, second)
	}
	if left := me.Processes("sleep 1000"); len(left) > 0 {
		t.Errorf("what ran before the reboot runs on: %v", left)
	}
	crontab := func(lines int) func() bool {
		return func() bool { return me.Run("cat boots 2>/dev/null | wc -l") == fmt.Sprintln(lines) }
	}
	testhost.Eventually(t, "the crontab ran", crontab(1))

	me.Run(daemonize)
	m.PowerOff()
	if left := me.Processes(""); len(left) > 0 {
		t.Errorf("without power there are %v", left)
	}
	testhost.Eventually(t, "connections are refused", func() bool {
		_, err := me.Try("true")
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	m.PowerOn()
	if got := me.Run("cat file"); got != "kept\n" || boot() == second {
		t.Errorf("after the loss of power: file %q, the same boot: %v", got, boot() == second)
	}
	testhost.Eventually(t, "the crontab ran again", crontab(2))
}

func TestAMachineWithoutSSHDRefusesConnections(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	me := m.Login("me")
	m.Run("systemctl stop ssh; systemd-run --on-active=2s systemctl start ssh")
	testhost.Eventually(t, "connections are refused", func() bool {
		_, err := net.Dial("tcp", me.Addr)
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	testhost.Eventually(t, "sshd is back", func() bool { _, err := me.Try("true"); return err == nil })
	client := dial(t, me)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Run("true"); err != nil { // until then sshd has processes to start
		t.Fatal(err)
	}
	testhost.Eventually(t, "the connection is counted", func() bool { return me.Connections() == 1 })
	me.DropConnections()
	if err := client.Wait(); err == nil {
		t.Error("the connection ended well")
	}
	me.Run("true")
}

func TestMachinesDoNotMeet(t *testing.T) {
	t.Parallel()
	a, b := testhost.Boot(t, testhost.Systemd), testhost.Boot(t, testhost.Systemd)
	if a.Login("me").Addr == b.Login("me").Addr {
		t.Fatalf("both are at %s", a.Login("me").Addr)
	}
	const identity = "cat /etc/machine-id /etc/hostname /etc/ssh/ssh_host_ed25519_key"
	if a.Run(identity) == b.Run(identity) {
		t.Error("both are the same")
	}
	a.Run("echo a >/etc/who; systemctl stop cron")
	if out, err := b.Try("cat /etc/who"); err == nil {
		t.Errorf("the other one has %q", out)
	}
	if got := b.Run("systemctl is-active cron; pgrep -c cron"); got != "active\n1\n" {
		t.Errorf("the other one's service is %q", got)
	}
	a.PowerOff()
	b.Run("true")
	b.Reboot()
	a.PowerOn()
	if got := a.Run("cat /etc/who"); got != "a\n" {
		t.Errorf("its file is %q", got)
	}
}

func TestAMachineIsReachedThroughALink(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	me := m.Login("me")
	link := testhost.NewLink(t, me.Addr, testhost.Link{Latency: 5 * time.Millisecond})
	far := me.Via(link.Addr())
	if got := systemSSH(t, far, "id -un"); got != "me\n" {
		t.Errorf("got %q", got)
	}
	client := dial(t, far)
	link.Reset()
	if err := client.Wait(); err == nil {
		t.Error("the connection ended well")
	}
	link.CutAfter(4 << 10)
	if _, err := far.Try("cat; : " + strings.Repeat("x", 8<<10)); err == nil {
		t.Error("a script came through a cut")
	}
	m.Reboot()
	far.Run("true")
}

func TestAMachineHasOpenRC(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.OpenRC)
	me := m.Login("me")
	m.Run(`cat >/etc/init.d/worker <<'.'
#!/sbin/openrc-run
command=/bin/sleep
command_args=1000
command_background=yes
command_user=me
pidfile=/run/worker.pid
.
chmod 755 /etc/init.d/worker
rc-update add worker default
rc-service worker start`)
	got := m.Run("rc-service worker status; cat /proc/1/comm")
	if !strings.Contains(got, "started") || !strings.HasSuffix(got, "init\n") {
		t.Errorf("got %q", got)
	}
	working := func() bool { return len(me.Processes("sleep")) == 1 }
	testhost.Eventually(t, "the service runs", working)
	me.Run("echo kept >file")
	m.Reboot()
	testhost.Eventually(t, "the service runs after a reboot", working)
	testhost.Eventually(t, "OpenRC knows", func() bool { _, err := m.Try("rc-service worker status"); return err == nil })
	m.PowerOff()
	m.PowerOn()
	testhost.Eventually(t, "the service runs after a loss of power", working)
	if got := me.Run("cat file"); got != "kept\n" {
		t.Errorf("the file is %q", got)
	}
}

// TestMachineVictim is no test by itself: it boots a machine and waits for the end.
func TestMachineVictim(t *testing.T) {
	if os.Getenv(victim) != "machine" {
		t.Skip("only run by TestNothingOfAMachineOutlivesAKilledTest")
	}
	m := testhost.Boot(t, testhost.Systemd)
	me := m.Login("me")
	m.Run("loginctl enable-linger me")
	me.Run(unit)
	fmt.Printf("\nvictim %s %s", me.Addr, filepath.Dir(filepath.Dir(filepath.Dir(me.IdentityFile))))
	for _, p := range me.Processes("") {
		fmt.Printf(" %d", p.PID)
	}
	fmt.Println()
	select {}
}

func TestNothingOfAMachineOutlivesAKilledTest(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	testhost.Need(t, "systemd-nspawn")
	testhost.Need(t, "debootstrap")
	cmd := exec.Command(os.Args[0], "-test.run=^TestMachineVictim$")
	cmd.Env = append(os.Environ(), victim+"=machine")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var left []string
	for in := bufio.NewScanner(stdout); left == nil && in.Scan(); {
		if rest, ok := strings.CutPrefix(in.Text(), "victim "); ok {
			left = strings.Fields(rest)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if len(left) < 10 {
		t.Fatalf("the victim did not get far: %q", left)
	}
	addr, dir, pids := left[0], left[1], left[2:]
	testhost.Eventually(t, "its folder is gone", func() bool { return !exists(dir) })
	for _, pid := range pids {
		testhost.Eventually(t, "process "+pid+" is gone", func() bool { return !exists("/proc/" + pid) })
	}
	testhost.Eventually(t, "nobody listens any more", func() bool {
		_, err := net.Dial("tcp", addr)
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	assertNoTraces(t, filepath.Base(dir))
}

func TestNothingOfAMachineOutlivesItsTest(t *testing.T) {
	t.Parallel()
	var me *testhost.Host
	t.Run("while it lives", func(t *testing.T) {
		me = testhost.Boot(t, testhost.Systemd).Login("me")
		me.Run(daemonize)
	})
	if me == nil {
		return
	}
	if left := me.Processes(""); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
	dir := filepath.Dir(filepath.Dir(filepath.Dir(me.IdentityFile)))
	if exists(dir) {
		t.Errorf("%s is still there", dir)
	}
	assertNoTraces(t, filepath.Base(dir))
}

// assertNoTraces looks for what a machine of that name would leave behind by itself.
func assertNoTraces(t *testing.T, name string) {
	t.Helper()
	for _, pattern := range []string{"/sys/fs/cgroup/" + name, "/sys/fs/cgroup/*/" + name, "/run/systemd/nspawn/*/" + name} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if mounts, _ := os.ReadFile("/proc/self/mounts"); strings.Contains(string(mounts), name) {
		t.Errorf("mounts are left:\n%s", mounts)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
