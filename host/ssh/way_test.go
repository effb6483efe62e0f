//go:build unix

package ssh_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/world"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
)

func TestAHostIsReachedThroughTwoJumpHosts(t *testing.T) {
	t.Parallel()
	first, second, last := testhost.Start(t), testhost.Start(t), testhost.Start(t)
	target := write(t, "hello")
	if err := os.Chmod(target, 0o644); err != nil {
		t.Fatal(err)
	}
	blocks := first.Block("first") + second.Block("second")
	for name, config := range map[string]string{
		"in one line":      last.Block("last", "ProxyJump first,second") + blocks,
		"each by the next": last.Block("last", "ProxyJump second") + first.Block("first") + second.Block("second", "ProxyJump first"),
		"for every host":   last.Block("last") + blocks + "Host !first *\n  ProxyJump first\n",
	} {
		h := open(t, "last", sshOptions(write(t, config)))
		if got := runs(t, h, "id -un"); got != last.User+"\n" {
			t.Errorf("%s: signed in as %q, want %s", name, got, last.User)
		}
		if first.Connections() == 0 {
			t.Errorf("%s: not through the jump host", name)
		}
		h.Close()
		for _, hop := range []*testhost.Host{first, second, last} {
			testhost.Eventually(t, "no connection is left", func() bool { return hop.Connections() == 0 })
		}
	}
}

func TestTroubleAtAJumpHostNamesIt(t *testing.T) {
	t.Parallel()
	jump, last := testhost.Start(t, testhost.WithSSHD("AllowTcpForwarding no")), testhost.Start(t)
	behind := last.Block("last", "ProxyJump jump")
	open2 := func(config string) error { return connect(t, open(t, "last", sshOptions(write(t, config)))) }
	fails(t, open2(behind+jump.Block("jump")), host.ErrConfig, "last", "does not forward", "AllowTcpForwarding")
	unknown := strings.ReplaceAll(jump.Block("jump"), jump.KnownHosts, os.DevNull)
	fails(t, open2(behind+unknown), host.ErrHostKeyUnknown, "last", "jump host jump: the host key is not known")
	wrong := strings.ReplaceAll(jump.Block("jump"), jump.IdentityFile, last.IdentityFile)
	fails(t, open2(behind+wrong), host.ErrAuth, "last", "jump host jump: the host does not let")
	fails(t, open2(behind+jump.Block("jump", "ProxyJump other")+"Host other\n  ProxyJump jump\n"), host.ErrConfig, "last", "loop")
	_, port, _ := net.SplitHostPort(testhost.Refused(t))
	fails(t, open2(behind+"Host jump\n  HostName 127.0.0.1\n  Port "+port+"\n"), host.ErrUnreachable, "last", "jump host jump: dial tcp 127.0.0.1:"+port)
}

// through returns options with the jump hosts in them.
func through(t *testing.T, jump, config string) ssh.Options {
	t.Helper()
	return ssh.Options{ConfigFile: write(t, config), Jump: jump}
}

func TestJumpTakesThePlaceOfTheWayInTheConfiguration(t *testing.T) {
	t.Parallel()
	first, second, last := testhost.Start(t), testhost.Start(t), testhost.Start(t)
	hops := first.Block("first") + second.Block("second")
	behind := second.Block("behind", "ProxyJump first")
	port := strings.TrimPrefix(testhost.Refused(t), "127.0.0.1:")
	elsewhere := "ProxyJump nobody@127.0.0.1:" + port
	for name, way := range map[string]struct {
		jump   string
		lines  []string // of the host
		passed []*testhost.Host
	}{
		"one":                       {"first", nil, []*testhost.Host{first}},
		"two":                       {"first,second", nil, []*testhost.Host{first, second}},
		"in place of a jump":        {"second", []string{elsewhere}, []*testhost.Host{second}},
		"in place of a plain one":   {"second", []string{"ProxyJump nowhere"}, []*testhost.Host{second}},
		"in place of a command":     {"second", []string{"ProxyCommand /bin/false"}, []*testhost.Host{second}},
		"none in place of a jump":   {"none", []string{elsewhere}, nil},
		"None in place of a plain":  {"None", []string{"ProxyJump nowhere"}, nil},
		"none in place of one more": {"none", []string{"ProxyCommand /bin/false"}, nil},
		"by the jump's own":         {"behind", nil, []*testhost.Host{first, second}},
		"written out":               {"ssh://" + first.Target() + "/," + second.Target(), []string{elsewhere}, []*testhost.Host{first, second}},
	} {
		// Not in parallel: they count the same connections.
		o := through(t, way.jump, last.Block("last", way.lines...)+hops+behind)
		o.Identities = []string{first.IdentityFile, second.IdentityFile}
		if name == "written out" {
			o.KnownHostsFiles = []string{first.KnownHosts, second.KnownHosts, last.KnownHosts}
		}
		h := open(t, "last", o)
		if got := runs(t, h, "id -un"); got != last.User+"\n" {
			t.Errorf("%s: signed in as %q, want %s", name, got, last.User)
		}
		for _, hop := range []*testhost.Host{first, second} {
			if passed := hop.Connections() > 0; passed != slices.Contains(way.passed, hop) {
				t.Errorf("%s: through %s: %v", name, hop.Target(), passed)
			}
		}
		h.Close()
		for _, hop := range []*testhost.Host{first, second, last} {
			testhost.Eventually(t, "no connection is left", func() bool { return hop.Connections() == 0 })
		}
	}
}

func TestIdentitiesAreOfferedToJumpHosts(t *testing.T) {
	t.Parallel()
	jump, last := testhost.Start(t), testhost.Start(t)
	config := last.Block("last") + strings.ReplaceAll(jump.Block("jump"), jump.IdentityFile, "none")
	o := through(t, "jump", config)
	fails(t, connect(t, open(t, "last", o)), host.ErrAuth, "last", "jump host jump: the host does not let")
	o.Identities = []string{jump.IdentityFile}
	if err := connect(t, open(t, "last", o)); err != nil {
		t.Error(err)
	}
}

func TestTroubleAtAJumpHostThatWasAskedForNamesIt(t *testing.T) {
	t.Parallel()
	first, last := testhost.Start(t), testhost.Start(t)
	_, port, _ := net.SplitHostPort(testhost.Refused(t))
	config := last.Block("last") + first.Block("first") + "Host gone\n  HostName 127.0.0.1\n  IdentityAgent none\n  Port " + port + "\n"
	fails(t, connect(t, open(t, "last", through(t, "gone", config))), host.ErrUnreachable, "last", "jump host gone: dial tcp 127.0.0.1:"+port)
	fails(t, connect(t, open(t, "last", through(t, "first,gone", config))), host.ErrUnreachable, "last", "jump host gone: ", "127.0.0.1:"+port)
	gone := strings.ReplaceAll(config, "Port "+last.Addr[strings.LastIndex(last.Addr, ":")+1:], "Port "+port)
	fails(t, connect(t, open(t, "last", through(t, "first", gone))), host.ErrUnreachable, "last", ":"+port)
	twice := config + "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n"
	fails(t, connect(t, open(t, "last", through(t, "a", twice))), host.ErrConfig, "last", "loop")
}

func TestABadJumpIsRefusedWithTheWrongPart(t *testing.T) {
	t.Parallel()
	world.RefusesJumps(t, func(jump string) error {
		_, err := ssh.New("me@last:22", ssh.Options{Jump: jump})
		return err
	})
}

func TestAStallBehindAJumpHostEndsWithTheContext(t *testing.T) {
	t.Parallel()
	jump := testhost.Start(t)
	_, port, _ := net.SplitHostPort(testhost.StallingHandshake(t))
	config := jump.Block("jump") + "Host last\n  HostName 127.0.0.1\n  ProxyJump jump\n  IdentityAgent none\n  Port " + port + "\n"
	h := open(t, "jump", sshOptions(write(t, config)))
	if err := connect(t, h); err != nil {
		t.Fatal(err)
	}
	endsWithContext(t, open(t, "last", sshOptions(write(t, config))))
}

func TestAHostThatForbidsForwardingSaysSo(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t, testhost.WithSSHD("AllowTcpForwarding no"))
	ctx, _ := told(t)
	_, err := open(t, h.Target(), options(t, h)).Dial(ctx, "tcp", "127.0.0.1:80")
	fails(t, err, host.ErrConfig, h.Target(), "127.0.0.1:80", "AllowTcpForwarding")
}

func TestAProxyCommandIsSpokenThrough(t *testing.T) {
	t.Parallel()
	jump, last := testhost.Start(t), testhost.Start(t)
	testhost.Need(t, "ssh")
	pid := filepath.Join(t.TempDir(), "pid")
	args := jump.SSH()
	command := fmt.Sprintf("/bin/sh -c 'echo $$ >%s; ssh -W %%h:%%p %s'", pid, strings.Join(args, " "))
	h := open(t, "last", sshOptions(write(t, last.Block("last", "ProxyCommand "+command))))
	if got := runs(t, h, "id -un"); got != last.User+"\n" {
		t.Errorf("signed in as %q, want %s", got, last.User)
	}
	group, err := strconv.Atoi(strings.TrimSpace(read(t, pid)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-group, 0); err != nil {
		t.Errorf("the command's group: %v", err)
	}
	h.Close()
	testhost.Eventually(t, "the command's whole group has ended", func() bool {
		return syscall.Kill(-group, 0) == syscall.ESRCH
	})
}

func TestAProxyCommandThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	for command, words := range map[string]string{
		"/bin/sh -c 'echo no way to %h >&2; exit 3'": "no way to 127.0.0.1",
		"/bin/sh -c 'exit 3'":                        "exit status 3",
		"/nonexistent/command":                       "/nonexistent/command",
		"/bin/sh -c 'exit 0'":                        "said nothing",
	} {
		config := "Host x\n  HostName 127.0.0.1\n  IdentityAgent none\n  ProxyCommand " + command + "\n"
		fails(t, connect(t, open(t, "x", sshOptions(write(t, config)))), host.ErrUnreachable, "x", "ProxyCommand", words)
	}
	config := "Host x\n  HostName 127.0.0.1\n  IdentityAgent none\n  ProxyCommand sleep 1000\n"
	endsWithContext(t, open(t, "x", sshOptions(write(t, config))))
}

func TestAConnectionThroughTheHostIsNotLostInTheMiddle(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	far := open(t, h.Target(), options(t, h))
	ctx, _ := told(t)
	conn, err := far.Dial(ctx, "tcp", h.Addr) // its own sshd, which speaks first
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hello := make([]byte, 4)
	if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != "SSH-" {
		t.Errorf("got %q, %v", hello, err)
	}
	if got := conn.RemoteAddr().String(); got != h.Addr {
		t.Errorf("remote address %q, want %q", got, h.Addr)
	}
}
