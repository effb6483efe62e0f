package testhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A machine's keeper is a second process of the test binary that is the first process of a namespace
// of processes, in a network and with mounts of its own. So there is nothing of a machine that can
// outlive it, but for files and control groups, which it removes. It ends with its standard input.

// machineEnv has the guest, as JSON, and makes the test binary the keeper of a machine.
const machineEnv = "DAVIT_TESTHOST_MACHINE"

// guest is what a machine's keeper is told. The words on its standard input are on and off.
type guest struct {
	Name string
	Dir  string // is made, and removed at the end
	Root string // what the disk has in the beginning; never changed
}

// watchers is how many watches of files one user must be able to have: each systemd takes some.
const watchers = "/proc/sys/fs/inotify/max_user_instances"

// init makes the keeper of a machine of a test binary that was started to be one.
func init() {
	encoded := os.Getenv(machineEnv)
	if encoded == "" {
		return
	}
	os.Unsetenv(machineEnv)
	var g guest
	err := json.Unmarshal([]byte(encoded), &g)
	if err == nil {
		err = g.keep()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// start starts the machine's keeper and returns what it says.
func (m *Machine) start(root string) (io.Reader, error) {
	if n, err := os.ReadFile(watchers); err == nil && len(strings.TrimSpace(string(n))) < 4 {
		os.WriteFile(watchers, []byte("8192"), 0o644)
	}
	encoded, err := json.Marshal(guest{Name: m.name, Dir: m.dir, Root: root})
	if err != nil {
		return nil, err
	}
	door, err := m.door()
	if err != nil {
		return nil, err
	}
	defer door.Close()
	k := &keeper{cmd: exec.Command("/proc/self/exe")}
	k.cmd.Args[0] = "testhost-machine " + m.name
	k.cmd.Env = append(os.Environ(), machineEnv+"="+string(encoded), "GORACE=atexit_sleep_ms=0")
	k.cmd.SysProcAttr = ownSession()
	k.cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET
	k.cmd.Stderr = &k.stderr
	k.cmd.ExtraFiles = []*os.File{door}
	stdout, err := k.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if k.stdin, err = k.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	m.keeper = k
	return stdout, k.cmd.Start()
}

// door returns a socket that has the machine's address, and is not listened at so far. It is of
// the tests' network, whoever has it.
func (m *Machine) door() (*os.File, error) {
	err := error(unix.EADDRINUSE)
	for try := 0; try < 5 && errors.Is(err, unix.EADDRINUSE); try++ {
		var addr *net.TCPAddr
		if addr, err = reservedPort(); err != nil {
			return nil, err
		}
		var fd int
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		door := os.NewFile(uintptr(fd), "door")
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
			// A port that was asked for by number stays the socket's when it stops listening.
			err = unix.Bind(fd, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte{127, 0, 0, 1}})
		}
		if err == nil {
			m.addr = addr.String()
			return door, nil
		}
		door.Close()
	}
	return nil, err
}

// keep is the whole life of a machine's keeper.
func (g guest) keep() (err error) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // nobody may be left to read our stdout
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	groups := cgroups(g.Name)
	defer func() { err = errors.Join(err, g.dismantle(groups)) }()
	if err := g.assemble(groups); err != nil {
		return err
	}
	door, err := net.FileListener(os.NewFile(3, "door"))
	if err != nil {
		return err
	}
	go openDoor(door.(*net.TCPListener))
	fmt.Println(machineHeld)
	words, init := readWords(), 0
	for {
		select {
		case <-children:
			if init, err = g.reap(init); err != nil {
				return err
			}
		case word, more := <-words:
			switch {
			case !more:
				return nil
			case word == "off":
				killAll()
				init = 0
				fmt.Println(machineDown, "without power")
			case init == 0:
				if init, err = g.boot(); err != nil {
					return err
				}
			}
		}
	}
}

// assemble makes the machine's disk and network.
func (g guest) assemble(groups []string) error {
	disk, root := filepath.Join(g.Dir, "disk"), filepath.Join(g.Dir, "root")
	upper, work := filepath.Join(disk, "upper"), filepath.Join(disk, "work")
	const litter = "/run/systemd/nspawn" // where nspawn would leave things behind
	steps := []struct {
		what string
		do   func() error
	}{
		{"private mounts", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mount /proc", func() error { return unix.Mount("proc", "/proc", "proc", 0, "") }},
		{"new folder", func() error { return os.Mkdir(g.Dir, 0o755) }},
		{"new folder", func() error { return errors.Join(os.Mkdir(disk, 0o755), os.Mkdir(root, 0o755)) }},
		{"mount tmpfs", func() error { return unix.Mount("tmpfs", disk, "tmpfs", 0, "mode=755") }},
		{"new folder", func() error { return errors.Join(os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755)) }},
		{"mount overlay", func() error {
			return unix.Mount("overlay", root, "overlay", 0, "lowerdir="+g.Root+",upperdir="+upper+",workdir="+work)
		}},
		{"new folder", func() error { return os.MkdirAll(litter, 0o755) }},
		{"mount tmpfs", func() error { return unix.Mount("tmpfs", litter, "tmpfs", 0, "mode=755") }},
		{"loopback", func() error { return turnOn("lo") }},
		{"control groups", func() error { return enter(groups) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// dismantle ends everything that runs on the machine and removes all that would be left of it.
func (g guest) dismantle(groups []string) error {
	killAll()
	for _, place := range []string{"root", "disk"} {
		unix.Unmount(filepath.Join(g.Dir, place), unix.MNT_DETACH) // what is not mounted need not be
	}
	return errors.Join(leave(groups), os.RemoveAll(g.Dir))
}

// killAll ends all processes of this one's namespace but itself, and returns when they are gone.
func killAll() {
	for {
		unix.Kill(-1, unix.SIGKILL)
		if _, err := syscall.Wait4(-1, nil, 0, nil); errors.Is(err, syscall.ECHILD) {
			return
		}
	}
}

// boot starts the machine and returns the process ID of what does.
func (g guest) boot() (int, error) {
	program, err := exec.LookPath(nspawn)
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	log, err := os.OpenFile(filepath.Join(g.Dir, "console.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	process, err := os.StartProcess(program, []string{
		program, "--quiet", "--boot", "--directory=" + filepath.Join(g.Dir, "root"), "--machine=" + g.Name,
		"--register=no", "--keep-unit", "--console=pipe", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"--network-namespace-path=/proc/self/ns/net",
		"--bind-ro=" + filepath.Join(g.Dir, "keys") + ":/etc/ssh/keys",
	}, &os.ProcAttr{Files: []*os.File{null, log, log}, Env: []string{"PATH=" + os.Getenv("PATH"), "SYSTEMD_NSPAWN_LOCK=0"}})
	if err != nil {
		return 0, err
	}
	defer process.Release() // reap waits for it, as for everybody
	fmt.Println(machineUp)
	return process.Pid, nil
}

// reap takes leave of all children that have ended. If init is among them and has rebooted it is
// started again. It returns the process ID of the one that runs now, 0 if none does.
func (g guest) reap(init int) (int, error) {
	const rebooted = 133
	for {
		var status syscall.WaitStatus
		pid, _ := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case pid <= 0:
			return init, nil
		case pid != init:
		case status.ExitStatus() == rebooted:
			var err error
			if init, err = g.boot(); err != nil {
				return 0, err
			}
		default:
			init = 0
			fmt.Printf("%s status %d, signal %d\n", machineDown, status.ExitStatus(), status.Signal())
		}
	}
}

// openDoor passes connections on to the machine's sshd, for ever. Whoever comes while that does not
// listen is refused.
func openDoor(door *net.TCPListener) {
	raw, err := door.SyscallConn()
	if err != nil {
		panic(err) // it is a socket
	}
	link := newProxy(Link{})
	link.backend = "127.0.0.1:22"
	go func() {
		for {
			if client, err := door.Accept(); err == nil {
				go link.serve(client)
			} else {
				time.Sleep(5 * time.Millisecond) // it is shut
			}
		}
	}()
	for open := false; ; time.Sleep(10 * time.Millisecond) {
		if want := listened("0016"); want != open {
			open = want
			raw.Control(func(fd uintptr) {
				if open {
					unix.Listen(int(fd), 1024)
				} else {
					unix.Shutdown(int(fd), unix.SHUT_RD)
				}
			})
		}
	}
}

// listened reports whether somebody listens at the TCP port, which is four digits of hexadecimal,
// on this process's network.
func listened(port string) bool {
	table, _ := os.ReadFile("/proc/self/net/tcp")
	return strings.Contains(string(table), ":"+port+" 00000000:0000 0A ")
}

// cgroups returns the control groups that a machine gets, below the ones that this process is in. With
// none of their own, machines would take each other's processes for theirs.
func cgroups(name string) []string {
	own, _ := os.ReadFile("/proc/self/cgroup")
	var groups []string
	for line := range strings.Lines(string(own)) {
		field := strings.SplitN(strings.TrimSpace(line), ":", 3)
		mount := ""
		switch {
		case len(field) < 3:
		case field[1] == "name=systemd":
			mount = "/sys/fs/cgroup/systemd"
		case field[0] == "0":
			mount = "/sys/fs/cgroup/unified"
			if _, err := os.Stat(mount); err != nil {
				mount = "/sys/fs/cgroup"
			}
		}
		if mount != "" {
			groups = append(groups, filepath.Join(mount, field[2], name))
		}
	}
	return groups
}

// enter makes the groups and puts this process into them.
func enter(groups []string) error {
	for _, group := range groups {
		if err := os.Mkdir(group, 0o755); err != nil {
			return err
		}
		if err := join(group); err != nil {
			return err
		}
	}
	return nil
}

func join(group string) error {
	return os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
}

// leave takes this process out of the groups and removes them.
func leave(groups []string) error {
	var errs []error
	for _, group := range groups {
		if _, err := os.Stat(group); err == nil {
			errs = append(errs, join(filepath.Dir(group)), removeGroup(group))
		}
	}
	return errors.Join(errs...)
}

// removeGroup removes the group and all below it. What is in them are no files that could be removed.
func removeGroup(group string) error {
	entries, err := os.ReadDir(group)
	errs := []error{err}
	for _, entry := range entries {
		if entry.IsDir() {
			errs = append(errs, removeGroup(filepath.Join(group, entry.Name())))
		}
	}
	return errors.Join(append(errs, unix.Rmdir(group))...)
}
