//go:build unix

package openssh_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
)

func TestWhatTheUsersConfigurationSaysIsDone(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	dir := t.TempDir()
	did := filepath.Join(dir, "did")
	for name, lines := range map[string][]string{
		"a Match block":                    {"Match exec true", "  SetEnv A=b"},
		"a master of the user's":           {"ControlMaster auto", "ControlPath " + dir + "/mux-%C", "ControlPersist 60"},
		"a remote command":                 {"RemoteCommand echo no", "RequestTTY force"},
		"a forwarding that cannot be made": {"LocalForward " + h.Addr + " 127.0.0.1:1", "ExitOnForwardFailure yes"},
		"silence":                          {"LogLevel QUIET", "BatchMode yes"},
		"a local command":                  {"PermitLocalCommand yes", "LocalCommand echo %%h is %h >" + did},
		"one that is not permitted":        {"LocalCommand echo no >" + did + ".not"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var config string
			if strings.HasPrefix(lines[0], "Match") {
				config = strings.Join(lines, "\n") + "\n" + h.Block("x")
			} else {
				config = h.Block("x", lines...)
			}
			if got := runs(t, open(t, "x", config), "id -un"); got != h.User+"\n" {
				t.Errorf("signed in as %q, want %s", got, h.User)
			}
		})
	}
	t.Cleanup(func() {
		ip, _, _ := net.SplitHostPort(h.Addr)
		if got := read(t, did); got != "%h is "+ip+"\n" {
			t.Errorf("the local command did %q", got)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "mux-*")); len(left) > 0 {
			t.Errorf("a master of the user's was made: %q", left)
		}
		if _, err := os.Stat(did + ".not"); err == nil {
			t.Error("a local command ran that is not permitted")
		}
	})
}

func TestTheTargetComesBeforeTheConfiguration(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	fails(t, connect(t, open(t, "nobody-here@x", h.Block("x"))), host.ErrAuth, "nobody-here@x", "nobody-here@")
	refused := testhost.Refused(t)
	port := refused[strings.LastIndex(refused, ":"):]
	fails(t, connect(t, open(t, "x"+port, h.Block("x"))), host.ErrUnreachable, "x"+port, "port "+port[1:]+": Connection refused")
}

func TestABrokenConfigurationIsSaidAsTheProgramSaysIt(t *testing.T) {
	t.Parallel()
	e := fails(t, connect(t, open(t, "x", "Host x\n  NoSuchKeyword yes\n")), host.ErrConfig, "x", "nosuchkeyword")
	if !strings.HasPrefix(e.Hint, "ssh -G -F ") {
		t.Errorf("hint %q", e.Hint)
	}
	h := testhost.Start(t)
	fails(t, connect(t, open(t, "x", h.Block("x", "Ciphers 3des-cbc"))), host.ErrConfig, "x", "Unable to negotiate", "no matching cipher")
}

func TestAProgramThatIsNoneIsSaid(t *testing.T) {
	t.Parallel()
	for program, word := range map[string]string{
		"/nonexistent/ssh": "no such file",
		"/bin/false":       "exit status 1",
	} {
		far := open(t, "x", "", func(o *openssh.Options) { o.Program = program })
		fails(t, connect(t, far), host.ErrConfig, "x", word)
	}
}

func TestAHostIsReachedThroughTwoJumpHosts(t *testing.T) {
	t.Parallel()
	first, second, last := testhost.Start(t), testhost.Start(t), testhost.Start(t)
	config := last.Block("x", "ProxyJump first,second") + first.Block("first") + second.Block("second")
	if got := runs(t, open(t, "x", config), "id -un"); got != last.User+"\n" {
		t.Errorf("signed in as %q, want %s", got, last.User)
	}
	if !strings.Contains(first.Log(), "Accepted publickey") || !strings.Contains(second.Log(), "Accepted publickey") {
		t.Error("not through the jump hosts")
	}
}

func TestTroubleAtAJumpHostIsSaid(t *testing.T) {
	t.Parallel()
	jump, last := testhost.Start(t, testhost.WithSSHD("AllowTcpForwarding no")), testhost.Start(t)
	behind := last.Block("x", "ProxyJump jump")
	fails(t, connect(t, open(t, "x", behind+jump.Block("jump"))), host.ErrUnreachable, "x", "administratively prohibited")
	known := write(t, "")
	unknown := strings.ReplaceAll(jump.Block("jump"), jump.KnownHosts, known)
	fails(t, connect(t, open(t, "x", behind+unknown)), host.ErrHostKeyUnknown, "x", ssh.FingerprintSHA256(jump.HostKey))
	wrong := strings.ReplaceAll(jump.Block("jump"), jump.IdentityFile, last.IdentityFile)
	fails(t, connect(t, open(t, "x", behind+wrong)), host.ErrAuth, "x", jump.User+"@", "Permission denied")
	_, port, _ := net.SplitHostPort(testhost.Refused(t))
	fails(t, connect(t, open(t, "x", behind+"Host jump\n  HostName 127.0.0.1\n  Port "+port+"\n")), host.ErrUnreachable, "x", "port "+port+": Connection refused")

	// Accepting new keys is for jump hosts, too.
	open2 := testhost.Start(t)
	config := behind + strings.ReplaceAll(open2.Block("jump"), open2.KnownHosts, known)
	ctx, rec := told(t)
	if err := open(t, "x", config, func(o *openssh.Options) { o.AcceptNewHostKeys = true }).Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(fmt.Sprint(rec.Events()), ssh.FingerprintSHA256(open2.HostKey)) {
		t.Errorf("told %v", rec.Events())
	}
}

func TestAProxyCommandIsSpokenThroughAndEnds(t *testing.T) {
	t.Parallel()
	jump, last := testhost.Start(t), testhost.Start(t)
	program, pid := noting(t)
	command := testhost.Need(t, "ssh") + " -W %h:%p " + strings.Join(jump.SSH(), " ")
	far := open(t, "x", last.Block("x", "ProxyCommand "+command), func(o *openssh.Options) { o.Program = program })
	if got := runs(t, far, "id -un"); got != last.User+"\n" {
		t.Errorf("signed in as %q, want %s", got, last.User)
	}
	far.Close()
	gone(t, pid())
	testhost.Eventually(t, "no connection is left", func() bool { return jump.Connections() == 0 })
}

func TestAProxyCommandThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	for command, words := range map[string]string{
		"/bin/sh -c 'echo no way to %h >&2; exit 3'": "no way to 127.0.0.1",
		"/nonexistent/command":                       "/nonexistent/command",
		"/bin/sh -c 'exit 0'":                        "onnection",
	} {
		config := "Host x\n  HostName 127.0.0.1\n  IdentityAgent none\n  ProxyCommand " + command + "\n"
		fails(t, connect(t, open(t, "x", config)), host.ErrUnreachable, "x", "ProxyCommand", words)
	}
}
