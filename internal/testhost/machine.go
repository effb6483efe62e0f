package testhost

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Init is an init system.
type Init string

// What a machine can be started by.
const (
	Systemd Init = "systemd"
	OpenRC  Init = "openrc"
)

// Machine is a whole host: a Debian that was booted by an init system, with a disk, processes,
// accounts and a network of its own, on which nothing but loopback is. Its sshd is reached through
// a port of 127.0.0.1 that refuses connections while that sshd does not listen.
//
// Its methods may only be called by the test's own goroutine.
type Machine struct {
	t       testing.TB
	init    Init
	name    string
	dir     string // all of its files that are not on its disk
	addr    string
	hostKey ssh.PublicKey
	keeper  *keeper // of all that runs on the machine
	logins  map[string]*Host
	sudo    bool
	scripts []string

	mu    sync.Mutex
	state machineState
}

// machineState is what the keeper has said of the machine.
type machineState struct {
	held  bool // there is a disk and a network
	on    bool
	boots int
	down  string // how it went off the last time
	gone  bool   // the keeper has ended
}

// MachineOption changes what machine Boot boots.
type MachineOption func(*Machine)

// WithSudo is a machine on which "me" becomes root by sudo, and is not asked for a password.
func WithSudo(m *Machine) { m.sudo = true }

// WithGuest is a machine on which root has run the script of sh after the first boot.
func WithGuest(script string) MachineOption {
	return func(m *Machine) { m.scripts = append(m.scripts, script) }
}

// Boot boots a machine and returns when its ordinary account, "me", can sign in. All of it is gone
// when the test ends, also when the test binary is killed. Boot skips the test, or fails it if
// CI=true, where it does not run as root or lacks a program. The first Boot on a computer builds
// the file system that all such machines share, which takes a minute or two, and a way to Debian's mirror.
func Boot(t testing.TB, init Init, options ...MachineOption) *Machine {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED, NOT TESTED: machines need Linux")
	}
	NeedRoot(t)
	Need(t, nspawn)
	m := &Machine{t: t, init: init, name: newName(), logins: map[string]*Host{}}
	m.dir = filepath.Join("/tmp", m.name)
	for _, option := range options {
		option(m)
	}
	m.hold(builtRoot(t, init))
	m.furnish()
	m.Login("me")
	m.PowerOn()
	for _, script := range m.scripts {
		m.Run(script)
	}
	return m
}

// Login returns the machine as a host that an account of it signs in to: "me", whose home is
// /home/me, who has no password, and may not use sudo unless there is [WithSudo]; or any other that
// was added meanwhile. Of the methods of [Host], StopSSHD and StartSSHD are not for machines: Run does
// that. Log returns what was said on the console. Processes are those of the whole machine.
func (m *Machine) Login(user string) *Host {
	m.t.Helper()
	if h := m.logins[user]; h != nil {
		return h
	}
	dir := filepath.Join(m.dir, "keys", user)
	h := &Host{
		Addr: m.addr, User: user, Home: m.home(user), HostKey: m.hostKey,
		IdentityFile: filepath.Join(dir, "id"), KnownHosts: filepath.Join(dir, "known_hosts"),
		t: m.t, dir: dir, keeper: m.keeper, machine: m,
	}
	m.must(os.Mkdir(dir, 0o755))
	h.signer = NewKey(m.t, h.IdentityFile)
	h.write("authorized_keys", string(ssh.MarshalAuthorizedKey(h.signer.PublicKey())))
	h.write("known_hosts", knownhosts.Line([]string{h.Addr}, h.HostKey)+"\n")
	m.must(os.Symlink(filepath.Join(m.dir, "console.log"), h.path("sshd.log")))
	m.logins[user] = h
	return h
}

// Root returns the machine as a host that root signs in to.
func (m *Machine) Root() *Host {
	m.t.Helper()
	return m.Login("root")
}

// Run runs the sh script as root and returns what it prints on stdout; the test fails if the script does.
func (m *Machine) Run(script string) string {
	m.t.Helper()
	return m.Root().Run(script)
}

// Try is Run for a script that may fail; see [Host.Try].
func (m *Machine) Try(script string) (string, error) {
	m.t.Helper()
	return m.Root().Try(script)
}

// Reboot reboots the machine as an administrator does, and returns when "me" can sign in again.
func (m *Machine) Reboot() {
	m.t.Helper()
	before := m.said().boots
	m.Try("reboot") // which may cut the connection before it has an answer
	m.await("the machine reboots", func(s machineState) bool { return s.boots > before || !s.on })
	m.awaitLogin()
}

// PowerOff ends everything on the machine at once, as if its power was cut. What its connections
// see is a kernel that takes leave; a [Proxy] in front is what hides that.
func (m *Machine) PowerOff() {
	m.t.Helper()
	m.tell("off")
	m.await("the machine is off", func(s machineState) bool { return !s.on })
}

// PowerOn boots a machine that is off and returns when "me" can sign in.
func (m *Machine) PowerOn() {
	m.t.Helper()
	before := m.said().boots
	m.tell("on")
	m.await("the machine is on", func(s machineState) bool { return s.boots > before })
	m.awaitLogin()
}

// See returns where the tests find what the machine has at the absolute path, while it is on; while it is
// off, what its disk has. A link on the way that is absolute leads to the tests' own files.
func (m *Machine) See(path string) string {
	if pid := m.initPID(); pid != 0 {
		return fmt.Sprintf("/proc/%d/root%s", pid, path)
	}
	return m.disk(path)
}

// disk returns where the tests find what the machine's disk has at the absolute path.
func (m *Machine) disk(path string) string {
	return fmt.Sprintf("/proc/%d/root%s/root%s", m.keeper.cmd.Process.Pid, m.dir, path)
}

// procs returns the processes of the machine, its init and all below it.
func (m *Machine) procs() []Proc {
	return slices.DeleteFunc(m.keeper.procs(), func(p Proc) bool { return p.Name == nspawn })
}

// nspawn is what runs a machine's init.
const nspawn = "systemd-nspawn"

// initPID returns the process ID of the machine's init, 0 if there is none.
func (m *Machine) initPID() int {
	procs := m.keeper.procs()
	for _, p := range procs {
		child := func(q Proc) bool { return q.PPID == p.PID && (q.Name == "systemd" || q.Name == "init") }
		if i := slices.IndexFunc(procs, child); i >= 0 && p.Name == nspawn {
			return procs[i].PID
		}
	}
	return 0
}

// listener returns the process ID of the machine's sshd, 0 if there is none.
func (m *Machine) listener(procs []Proc) int {
	i := slices.IndexFunc(procs, func(p Proc) bool { return isSSHD(p) && p.mentions("[listener]") })
	if i < 0 {
		return 0
	}
	return procs[i].PID
}

// hold has a keeper make the machine's disk and network, and waits for them.
func (m *Machine) hold(root string) {
	m.t.Helper()
	stdout, err := m.start(root)
	m.must(err)
	m.t.Cleanup(m.end)
	go m.listen(stdout)
	m.await("there is a disk", func(s machineState) bool { return s.held })
}

// listen follows what the keeper says.
func (m *Machine) listen(stdout io.Reader) {
	for in := bufio.NewScanner(stdout); in.Scan(); {
		word, rest, _ := strings.Cut(in.Text(), " ")
		m.mu.Lock()
		switch word {
		case machineHeld:
			m.state.held = true
		case machineUp:
			m.state.on, m.state.boots = true, m.state.boots+1
		case machineDown:
			m.state.on, m.state.down = false, rest
		}
		m.mu.Unlock()
	}
	m.mu.Lock()
	m.state.gone = true
	m.mu.Unlock()
}

// What a machine's keeper says. A machine that reboots is never off in between.
const (
	machineHeld = "held"
	machineUp   = "up"
	machineDown = "down" // and how
)

func (m *Machine) said() machineState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

func (m *Machine) tell(word string) {
	m.t.Helper()
	_, err := io.WriteString(m.keeper.stdin, word+"\n")
	m.must(err)
}

// await waits until the state is as wanted.
func (m *Machine) await(what string, wanted func(machineState) bool) {
	m.t.Helper()
	Eventually(m.t, what, func() bool { return wanted(m.said()) || m.said().gone })
	if m.said().gone {
		m.t.Fatalf("testhost: not so: %s: %v", what, m.keeper.end())
	}
}

// awaitLogin waits until "me" can sign in, which comes after root can.
func (m *Machine) awaitLogin() {
	m.t.Helper()
	me := m.Login("me")
	err := errors.New("off")
	for end := time.Now().Add(2 * patience); err != nil && time.Now().Before(end) && m.said().on; {
		if _, err = me.Try("true"); err != nil {
			time.Sleep(20 * time.Millisecond)
		}
	}
	if err != nil {
		m.t.Fatalf("testhost: %s cannot sign in after a boot (%+v): %v", me.Target(), m.said(), err)
	}
}

// furnish writes what one machine has and no other.
func (m *Machine) furnish() {
	m.t.Helper()
	m.must(os.Mkdir(filepath.Join(m.dir, "keys"), 0o755))
	m.hostKey = NewKey(m.t, m.disk("/etc/ssh/ssh_host_ed25519_key")).PublicKey()
	id := make([]byte, 16)
	rand.Read(id)
	m.write("/etc/machine-id", hex.EncodeToString(id)+"\n", 0o444)
	m.write("/etc/hostname", m.name+"\n", 0o644)
	m.write("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 "+m.name+"\n", 0o644)
	if m.sudo {
		m.write("/etc/sudoers.d/me", "me ALL=(ALL) NOPASSWD: ALL\n", 0o440)
	}
}

func (m *Machine) write(path, content string, mode os.FileMode) {
	m.t.Helper()
	os.Remove(m.disk(path))
	m.must(os.WriteFile(m.disk(path), []byte(content), mode))
}

// home returns the home that the machine's list of accounts has for the user.
func (m *Machine) home(user string) string {
	m.t.Helper()
	accounts, err := os.ReadFile(m.disk("/etc/passwd"))
	m.must(err)
	for line := range bytes.Lines(accounts) {
		if field := strings.Split(string(line), ":"); field[0] == user && len(field) > 5 {
			return field[5]
		}
	}
	m.t.Fatalf("testhost: the machine has no account %s", user)
	return ""
}

// end is the end of the machine.
func (m *Machine) end() {
	if m.t.Failed() {
		m.t.Logf("the machine: %+v\nits console:\n%s", m.said(), m.console())
		if root := m.logins["root"]; root != nil && m.init == Systemd && m.said().on {
			journal, err := root.Try("journalctl --no-pager --no-hostname -b -n 100")
			m.t.Logf("its journal (%v):\n%s", err, journal)
		}
	}
	if err := m.keeper.end(); err != nil {
		m.t.Errorf("testhost: end of the machine: %v", err)
	}
}

func (m *Machine) console() string {
	log, err := os.ReadFile(filepath.Join(m.dir, "console.log"))
	if err != nil {
		return err.Error()
	}
	return string(log)
}

func (m *Machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("testhost: %v", err)
	}
}

// reservedPort returns an address of 127.0.0.1 that was free a moment ago.
func reservedPort() (*net.TCPAddr, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr), nil
}
