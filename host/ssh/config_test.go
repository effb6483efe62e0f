package ssh_test

import (
	"strings"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
)

func TestAnAliasOfSSHConfigIsAHost(t *testing.T) {
	t.Parallel()
	testhost.Need(t, "ssh")
	h := testhost.Start(t)
	config := "Match exec true\n  SetEnv A=b\n" + h.Block("the-alias")
	if got := runs(t, open(t, "the-alias", sshOptions(write(t, config))), "id -un"); got != h.User+"\n" {
		t.Errorf("signed in as %q, want %s", got, h.User)
	}
	// What the target says comes before what ssh_config says.
	err := connect(t, open(t, "nobody-here@the-alias", sshOptions(write(t, config))))
	fails(t, err, host.ErrAuth, "nobody-here@the-alias", "does not let nobody-here in")
	refused := testhost.Refused(t)
	port := refused[strings.LastIndex(refused, ":"):]
	err = connect(t, open(t, "the-alias"+port, sshOptions(write(t, config))))
	fails(t, err, host.ErrUnreachable, "the-alias"+port, port+": connect: connection refused")
}

func TestAMatchBlockCountsWhereItMatches(t *testing.T) {
	t.Parallel()
	testhost.Need(t, "ssh")
	h := testhost.Start(t)
	config := strings.ReplaceAll(h.Block("x"), "User "+h.User, "IdentitiesOnly yes")
	for name, c := range map[string]struct {
		match string
		in    bool
	}{
		"a command that succeeds": {"exec true", true},
		"a command that fails":    {"exec false", false},
		"the name as written":     {"originalhost x", true},
		"another's address":       {"host 192.0.2.1", false},
		"its address":             {"host 127.0.*", true},
		"all":                     {"all", true},
		"several, one not":        {"originalhost x exec false", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := open(t, "x", sshOptions(write(t, config+"Match "+c.match+"\n  User "+h.User+"\nMatch all\n  User nobody-here\n")))
			if err := connect(t, far); c.in && err != nil {
				t.Error(err)
			} else if !c.in {
				fails(t, err, host.ErrAuth, "x", "nobody-here")
			}
		})
	}
}

func TestABrokenSSHConfigIsSaidAsTheProgramSaysIt(t *testing.T) {
	t.Parallel()
	testhost.Need(t, "ssh")
	file := write(t, "Host x\n  NoSuchKeyword yes\n")
	e := fails(t, connect(t, open(t, "x", sshOptions(file))), host.ErrConfig, "x", "nosuchkeyword")
	if !strings.HasPrefix(e.Hint, "ssh -G -F "+file) {
		t.Errorf("hint %q", e.Hint)
	}
	for _, token := range []string{"%C", "%", "%q"} {
		file := write(t, "Host x\n  IdentityFile /nonexistent/"+token+"\n")
		fails(t, connect(t, open(t, "x", sshOptions(file))), host.ErrConfig, "x", "/nonexistent/"+token)
	}
}

// Not parallel: the environment is everybody's.
func TestSSHConfigIsReadWithoutTheProgram(t *testing.T) {
	h, jump := testhost.Start(t), testhost.Start(t)
	t.Setenv("PATH", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
	config := h.Block("the-alias", "ProxyJump jump") + jump.Block("jump")
	ctx, rec := told(t)
	far := open(t, "the-alias", sshOptions(write(t, config)))
	if err := far.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if got := runs(t, far, "id -un"); got != h.User+"\n" {
		t.Errorf("signed in as %q, want %s", got, h.User)
	}
	if len(rec.Events()) > 0 {
		t.Errorf("told %q", rec.Actions())
	}
	far.Close()

	// A file that only the program understands is left out, and that is said.
	file := write(t, "Match exec true\n  User somebody\n")
	o := options(t, h)
	o.ConfigFile = file
	if err := open(t, h.Target(), o).Connect(ctx); err != nil {
		t.Error(err)
	}
	if events := rec.Events(); len(events) != 1 || events[0].Action != "ssh_config" || !strings.Contains(events[0].Message, file) {
		t.Errorf("told %v", events)
	}
	err := connect(t, open(t, "x", sshOptions("/nonexistent/config")))
	fails(t, err, host.ErrConfig, "x", "/nonexistent/config")
}
