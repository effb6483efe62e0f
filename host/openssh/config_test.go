//go:build unix

package openssh_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/world"
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

func TestJumpTakesThePlaceOfTheWayInTheConfiguration(t *testing.T) {
	t.Parallel()
	first, second, last := testhost.Start(t), testhost.Start(t), testhost.Start(t)
	hops := first.Block("first") + second.Block("second")
	behind := second.Block("behind", "ProxyJump first")
	written := "Match all\n  IdentityAgent none\n  UserKnownHostsFile " + first.KnownHosts + " " + second.KnownHosts + "\n"
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
		"in place of a command":     {"second", []string{"ProxyCommand /bin/false", "ProxyUseFdpass yes"}, []*testhost.Host{second}},
		"none in place of a jump":   {"none", []string{elsewhere}, nil},
		"none in place of one more": {"None", []string{"ProxyCommand /bin/false"}, nil},
		"by the jump's own":         {"behind", nil, []*testhost.Host{first, second}},
		"written out":               {"ssh://" + first.Target() + "/," + second.Target(), []string{elsewhere}, []*testhost.Host{first, second}},
	} {
		// Not in parallel: they count the same connections.
		h := open(t, "x", last.Block("x", way.lines...)+hops+behind+written, func(o *openssh.Options) {
			o.Jump, o.Identities = way.jump, []string{first.IdentityFile, second.IdentityFile}
		})
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

func TestIdentitiesAreOfferedToTheJumpHostsThatWereAskedFor(t *testing.T) {
	t.Parallel()
	first, second, last := testhost.Start(t), testhost.Start(t), testhost.Start(t)
	none := func(h *testhost.Host, alias string) string {
		return strings.ReplaceAll(h.Block(alias), h.IdentityFile, "none")
	}
	config := last.Block("x") + none(first, "first") + none(second, "second")
	through := func(jump string, keys ...string) error {
		return connect(t, open(t, "x", config, func(o *openssh.Options) { o.Jump, o.Identities = jump, keys }))
	}
	fails(t, through("first"), host.ErrAuth, "x", "jump host first on the way to [", first.User+"@", "Permission denied", "-J first")
	fails(t, through("first,second", first.IdentityFile), host.ErrAuth, "x", "jump host second on the way to [", second.User+"@", "Permission denied")
	if err := through("first,second", first.IdentityFile, second.IdentityFile); err != nil {
		t.Error(err)
	}
}

func TestTroubleAtAJumpHostThatWasAskedForNamesIt(t *testing.T) {
	t.Parallel()
	jump, last := testhost.Start(t), testhost.Start(t)
	_, port, _ := net.SplitHostPort(testhost.Refused(t))
	gone := "Host gone\n  HostName 127.0.0.1\n  IdentityAgent none\n  Port " + port + "\n"
	known := write(t, "")
	unknown := strings.ReplaceAll(jump.Block("unknown", "StrictHostKeyChecking no"), jump.KnownHosts, known)
	config := last.Block("x") + jump.Block("jump") + gone + unknown
	through := func(target, jump string) *openssh.Host {
		return open(t, target, config, func(o *openssh.Options) { o.Jump = jump })
	}
	fails(t, connect(t, through("x", "gone")), host.ErrUnreachable, "x", "jump host gone on the way to [", "port "+port+": Connection refused")
	fails(t, connect(t, through("x", "jump,gone")), host.ErrUnreachable, "x", "jump host jump on the way to [127.0.0.1]:"+port)
	fails(t, connect(t, through("gone", "jump")), host.ErrUnreachable, "gone", "jump host jump on the way to [127.0.0.1]:"+port)
	fails(t, connect(t, through("x", "jump,unknown")), host.ErrHostKeyUnknown, "x", "jump host unknown on the way to [", ssh.FingerprintSHA256(jump.HostKey))
	e := fails(t, connect(t, through("nobody-here@x", "jump")), host.ErrAuth, "nobody-here@x", "nobody-here@")
	if strings.Contains(e.Error(), "jump host") {
		t.Errorf("the jump host is not to blame: %v", e)
	}

	ctx, rec := told(t)
	accepting := open(t, "x", config, func(o *openssh.Options) { o.Jump, o.AcceptNewHostKeys = "unknown", true })
	if err := accepting.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if told := fmt.Sprint(rec.Events()); !strings.Contains(told, "of a jump host, ed25519 "+ssh.FingerprintSHA256(jump.HostKey)) || !slices.Equal(rec.Actions(), []string{"ssh_config", "host_key"}) {
		t.Errorf("told %v", told)
	}
	if !strings.Contains(read(t, known), "ssh-ed25519") {
		t.Error("it is not known now")
	}
}

func TestABadJumpIsRefusedWithTheWrongPart(t *testing.T) {
	t.Parallel()
	world.RefusesJumps(t, func(jump string) error {
		_, err := openssh.New("me@last:22", openssh.Options{Jump: jump})
		return err
	})
}

func TestTheWayThroughJumpHostsEndsWithTheHost(t *testing.T) {
	t.Parallel()
	first, second := testhost.Start(t), testhost.Start(t)
	_, port, _ := net.SplitHostPort(testhost.StallingHandshake(t))
	config := first.Block("first") + second.Block("second") + "Host x\n  HostName 127.0.0.1\n  IdentityAgent none\n  Port " + port + "\n"
	endsWithContext(t, open(t, "x", config, func(o *openssh.Options) { o.Jump = "first,second" }))
	for _, h := range []*testhost.Host{first, second} {
		testhost.Eventually(t, "no connection is left", func() bool { return h.Connections() == 0 })
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
