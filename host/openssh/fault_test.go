//go:build unix

package openssh_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/internal/testhost"
)

// at returns a block of ssh_config for an address where no host of ours is.
func at(addr string) string {
	ip, port, _ := net.SplitHostPort(addr)
	return "Host x\n  HostName " + ip + "\n  Port " + port + "\n  IdentityFile none\n  IdentityAgent none\n" +
		"  UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile none\n"
}

// endsWithContext fails the test unless connecting ends with its context, for its reason.
func endsWithContext(t *testing.T, h *openssh.Host) {
	t.Helper()
	why := errors.New("the time is over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, why)
	defer cancel()
	err := h.Connect(ctx)
	if !errors.Is(err, why) {
		t.Errorf("got %v, want it to wrap the cause of the context", err)
	}
	if _, ok := errors.AsType[*host.Error](err); ok {
		t.Errorf("%v blames the host", err)
	}
}

func TestWhatIsNoHostIsToldApart(t *testing.T) {
	t.Parallel()
	fails(t, connect(t, open(t, "x", at(testhost.Refused(t)))), host.ErrUnreachable, "x", "Connection refused", "ssh -v x")
	fails(t, connect(t, open(t, "x", at(testhost.NotSSH(t)))), host.ErrNotSSH, "x", "HTTP/1.1 400 Bad Request", "check the port")
	fails(t, connect(t, open(t, "no-such-host.invalid", "")), host.ErrUnreachable, "no-such-host.invalid", "Could not resolve hostname")
	endsWithContext(t, open(t, "x", at(testhost.Silent(t))))
	endsWithContext(t, open(t, "x", at(testhost.StallingHandshake(t))))
}

// noting returns the path of an ssh program that notes its process ID in a file, and what it has
// noted last. The first program that is started only reads ssh_config; one for a jump host notes nothing.
func noting(t *testing.T) (program string, last func() int) {
	t.Helper()
	pids := filepath.Join(t.TempDir(), "pids")
	program = write(t, "#!/bin/sh\ncase \" $* \" in *' -W '*) ;; *) echo $$ >>"+pids+" ;; esac\nexec "+testhost.Need(t, "ssh")+" \"$@\"\n")
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	return program, func() int {
		all := strings.Fields(read(t, pids))
		pid, err := strconv.Atoi(all[len(all)-1])
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
}

// gone fails the test unless a program and all that it has started end.
func gone(t *testing.T, pid int) {
	t.Helper()
	testhost.Eventually(t, "the ssh program has ended, and its group", func() bool {
		return syscall.Kill(-pid, 0) == syscall.ESRCH
	})
}

// linked returns a host behind a link, connected, with a command that echoes, and the process ID
// of its ssh program.
func linked(t *testing.T, more ...string) (*testhost.Proxy, *openssh.Host, host.Process, int) {
	t.Helper()
	h := testhost.Start(t)
	link := testhost.NewLink(t, h.Addr, testhost.Link{})
	h = h.Via(link.Addr())
	program, last := noting(t)
	far := open(t, "x", h.Block("x", more...), func(o *openssh.Options) { o.Program = program })
	return link, far, echo(t, far), last()
}

func TestAConnectionThatIsCutIsLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cut   func(*testhost.Proxy, int)
		words string
	}{
		"closed":  {func(link *testhost.Proxy, _ int) { link.CutAfter(0) }, "onnection"},
		"reset":   {func(link *testhost.Proxy, _ int) { link.Reset() }, "onnection"},
		"killed":  {func(_ *testhost.Proxy, pid int) { syscall.Kill(pid, syscall.SIGKILL) }, "the ssh program has ended"},
		"swallow": {func(link *testhost.Proxy, _ int) { link.Blackhole() }, "Timeout, server 127.0.0.1 not responding."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link, h, p, pid := linked(t, "ServerAliveInterval 1", "ServerAliveCountMax 1")
			c.cut(link, pid)
			isLost(t, h, p, "connection lost: ", c.words)
			gone(t, pid)
		})
	}
}

func TestAConnectionThatIsCutInTheMiddleOfAWriteIsLost(t *testing.T) {
	t.Parallel()
	link, _, p, _ := linked(t)
	go io.Copy(io.Discard, p.Stdout())
	go io.Copy(io.Discard, p.Stderr())
	link.CutAfter(1 << 20)
	var err error
	for err == nil {
		_, err = p.Write(make([]byte, 1<<16))
	}
	fails(t, p.Wait(), host.ErrLost, "x")
}

func TestNothingWaitsForAStalledNetworkLongerThanItsContext(t *testing.T) {
	t.Parallel()
	link, h, p, pid := linked(t)
	link.Stall()
	endsUnheard(t, h, p)
	gone(t, pid)
}

func TestAStalledSignInEndsWithItsContextAndLeavesNothing(t *testing.T) {
	t.Parallel()
	program, last := noting(t)
	config := at(testhost.StallingHandshake(t))
	endsWithContext(t, open(t, "x", config, func(o *openssh.Options) { o.Program = program }))
	gone(t, last())

	far := open(t, "x", "Host x\n  ProxyCommand sleep 1000\n  IdentityAgent none\n", func(o *openssh.Options) { o.Program = program })
	endsWithContext(t, far)
	gone(t, last())
}

func TestClosingAHostLeavesNoProcessAndNoFolder(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct{ line, jump string }{
		"as ssh_config says": {"ProxyJump jump", ""}, "as asked": {"ProxyJump none", "jump"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leavesNothing(t, way.line, way.jump)
		})
	}
}

// leavesNothing fails the test unless all has ended that was begun for a host, with this line in its
// configuration, through these jump hosts.
func leavesNothing(t *testing.T, line, jumps string) {
	t.Helper()
	jump, last := testhost.Start(t), testhost.Start(t)
	program, pid := noting(t)
	config := jump.Block("jump") + last.Block("x", line)
	far := open(t, "x", config, func(o *openssh.Options) { o.Program, o.Jump = program, jumps })
	runs(t, far, "true")
	master := pid()
	if err := syscall.Kill(-master, 0); err != nil {
		t.Errorf("the program's group: %v", err)
	}
	if _, err := os.Stat(socketOf(t, master)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket is still there: %v", err)
	}
	far.Close()
	gone(t, master)
	for _, h := range []*testhost.Host{jump, last} {
		testhost.Eventually(t, "no connection is left", func() bool { return h.Connections() == 0 })
	}
}

func TestAProgramThatIsToldToEndEndsTheWayThroughJumpHosts(t *testing.T) {
	t.Parallel()
	first, second, last := testhost.Start(t), testhost.Start(t), testhost.Start(t)
	program, pid := noting(t)
	config := first.Block("first") + second.Block("second") + last.Block("x")
	far := open(t, "x", config, func(o *openssh.Options) { o.Program, o.Jump = program, "first,second" })
	p := echo(t, far)
	master := pid()
	syscall.Kill(master, syscall.SIGTERM) // as the kernel does when our process has ended
	isLost(t, far, p)
	gone(t, master)
	for _, h := range []*testhost.Host{first, second, last} {
		testhost.Eventually(t, "no connection is left", func() bool { return h.Connections() == 0 })
	}
}

// socketOf returns the path of the control socket that a program was started with.
func socketOf(t *testing.T, pid int) string {
	t.Helper()
	args := strings.Split(read(t, "/proc/"+strconv.Itoa(pid)+"/cmdline"), "\x00")
	at := slices.Index(args, "-S")
	if at < 0 {
		t.Fatalf("no -S in %q", args)
	}
	return args[at+1]
}

func TestClosingAHostThatConnectsEndsThat(t *testing.T) {
	t.Parallel()
	far := open(t, "x", at(testhost.Silent(t)))
	ctx, _ := told(t)
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- far.Connect(ctx) }()
	go func() { second <- far.Connect(ctx) }()
	far.Close()
	fails(t, <-first, host.ErrLost, "x", "closed")
	fails(t, <-second, host.ErrLost, "x", "closed")
}

func TestAHostThatHasNoRoomSaysSo(t *testing.T) {
	t.Parallel()
	// Not MaxStartups, of which sshd takes the last that it reads.
	h := testhost.Start(t, testhost.WithSSHD("PerSourceMaxStartups 1", "MaxSessions 1"))
	waiting, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := waiting.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	fails(t, connect(t, open(t, "x", h.Block("x"))), host.ErrUnreachable, "x", "MaxStartups")
	waiting.Close()

	var far *openssh.Host
	testhost.Eventually(t, "there is room again", func() bool {
		far = open(t, "x", h.Block("x"))
		return connect(t, far) == nil
	})
	ctx, _ := told(t)
	first, err := far.Exec(ctx, "exec cat")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = far.Exec(ctx, "exec cat")
	fails(t, err, host.ErrShell, "x", "MaxSessions")
}

func TestAHostThatForbidsForwardingSaysSo(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t, testhost.WithSSHD("AllowTcpForwarding no"))
	ctx, _ := told(t)
	_, err := open(t, "x", h.Block("x")).Dial(ctx, "tcp", "127.0.0.1:80")
	fails(t, err, host.ErrConfig, "x", "127.0.0.1:80", "AllowTcpForwarding")
}
