package scripts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/service"
)

// obey is a conversation that does what it is told with the kind "process".
const obey = `
while read -r word what rest; do
	why=
	case $word in
	do)
		# shellcheck disable=SC2086
		if "process_$what" $rest; then tell yes "$why"; else tell no "$why"; fi
		;;
	look)
		process_look
		tell looks "$state" "${pid:-0}" "$why"
		;;
	log) process_log "$what" | while IFS= read -r line; do tell line "$line"; done; tell over ;;
	follow) process_follow "$what" "" </dev/null | while IFS= read -r line; do tell line "$line"; done & tell yes ;;
	hold) exec 9>>"$base/lock"; flock -n 9 && tell yes || tell no ;;
	esac
done
end hung up
`

func readScript(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// plain is a daemon, named worker, that is kept running on a host without a service manager.
type plain struct {
	t    *testing.T
	h    *testhost.Host
	base string
	spec service.Spec
	root bool
}

// newPlain puts the script on the host as the daemon. DIR in it is a directory for what it has to say.
func newPlain(t *testing.T, h *testhost.Host, script string, spec service.Spec) *plain {
	t.Helper()
	p := &plain{t: t, h: h, base: h.Home + "/.local/share/davit/worker", spec: spec, root: h.User == "root"}
	if p.root {
		p.base = h.Home + "/a dir/worker"
	}
	script = "#!/bin/sh\n" + strings.ReplaceAll(script, "DIR", host.Quote(h.Home)) + "\n"
	h.Run(fmt.Sprintf("base=%s; mkdir -p \"$base/releases/1\" && ln -s releases/1 \"$base/current\" && "+
		"printf %%s %s >\"$base/current/worker\" && chmod 0755 \"$base/current/worker\"", host.Quote(p.base), host.Quote(script)))
	p.put()
	return p
}

// put brings the definition into service/.
func (p *plain) put() {
	p.t.Helper()
	d, err := service.Define(service.Process, p.spec, service.Place{
		Name: "worker", System: p.root, User: p.h.User, Home: p.h.Home, Base: p.base,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.h.Run(fmt.Sprintf("cd %s && mkdir -p service new && echo process >service/kind && printf %%s %s >service/env && "+
		"chmod 0600 service/env && printf %%s %s >new/unit", host.Quote(p.base), host.Quote(string(d.Env)), host.Quote(string(Unit(d)))))
	p.talk().yes("do", "put", "new")
}

// order is a conversation with the host.
type order struct {
	*plain
	ctx  context.Context
	talk *host.Talk
}

// talk starts a conversation, which ends with the test.
func (p *plain) talk() *order {
	p.t.Helper()
	h, err := ssh.New(p.h.Target(), ssh.Options{
		ConfigFile: os.DevNull, Identities: []string{p.h.IdentityFile}, KnownHostsFiles: []string{p.h.KnownHosts},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { h.Close() })
	ctx, cancel := context.WithTimeout(narrate.WithNarrator(p.t.Context(), narrate.New(narrate.SinkFunc(p.heard))), 2*time.Minute)
	p.t.Cleanup(cancel)
	place := Place{System: p.root}
	if p.root {
		place.Dir = filepath.Dir(p.base)
	}
	talk, err := host.Start(ctx, h, host.Script{
		Name: "obey",
		Vars: append(place.vars(), host.Var{Name: "name", Value: "worker"}, host.Var{Name: "sha256"}, host.Var{Name: "wanted"}),
		Body: prelude + probe + readScript(p.t, "service.sh") + readScript(p.t, "process.sh") + `cd "$base"` + obey,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { talk.Close() })
	return &order{p, ctx, talk}
}

// heard shows what the host's side says unasked.
func (p *plain) heard(e narrate.Event) error {
	p.t.Log(narrate.Line(e))
	return nil
}

// ask says words and returns the answer.
func (o *order) ask(words ...string) host.Words {
	o.t.Helper()
	if err := o.talk.Say(o.ctx, words...); err != nil {
		o.t.Fatal(err)
	}
	return o.hear()
}

func (o *order) hear() host.Words {
	o.t.Helper()
	w, err := o.talk.Hear(o.ctx)
	if err != nil {
		o.t.Fatal(err)
	}
	return w
}

// yes has something done, and returns why as it is then.
func (o *order) yes(words ...string) string {
	o.t.Helper()
	w := o.ask(words...)
	if w.First != "yes" {
		o.t.Fatalf("%s: %s %s", words, w.First, w.Rest)
	}
	return w.Rest
}

// look returns how the daemon is.
func (o *order) look() (state string, pid int, why string) {
	o.t.Helper()
	w := o.ask("look")
	fields := strings.SplitN(w.Rest+"  ", " ", 3)
	pid, err := strconv.Atoi(fields[1])
	if w.First != "looks" || err != nil {
		o.t.Fatalf("look: %s %s", w.First, w.Rest)
	}
	return fields[0], pid, strings.TrimSpace(fields[2])
}

// is fails the test if the daemon does not get into the state, for a reason that has why in it.
func (o *order) is(state, why string) (pid int) {
	o.t.Helper()
	var is, because string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if is, pid, because = o.look(); is == state && strings.Contains(because, why) {
			return pid
		}
	}
	o.t.Fatalf("it is %s (%s), not %s (%s)", is, because, state, why)
	return 0
}

// file returns what the daemon left in its host's home, "" if nothing.
func (p *plain) file(name string) string {
	text, _ := os.ReadFile(p.h.See(filepath.Join(p.h.Home, name)))
	return string(text)
}

// wait waits until the daemon left that.
func (p *plain) wait(name, content string) {
	p.t.Helper()
	testhost.Eventually(p.t, name+" is "+content, func() bool { return p.file(name) == content })
}

func (p *plain) service(name string) string { return filepath.Join(p.base, "service", name) }

func (p *plain) logs() string {
	text, _ := os.ReadFile(p.h.See(p.service("log")))
	return string(text)
}

// gone fails the test if a process of the daemon or its supervisor is left.
func (p *plain) gone() {
	p.t.Helper()
	testhost.Eventually(p.t, "nothing of it runs", func() bool {
		return len(p.h.Processes("DAVIT_SUPERVISOR=")) == 0 && len(p.h.Processes(p.base+"/")) == 0
	})
}

// loop is the end of a daemon that runs until it is asked to end.
const loop = "\ntrap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"

// bashSh is a host whose /bin/sh is bash.
func bashSh(c *testhost.Config) {
	testhost.WithMounts(`mount --bind "$(command -v bash)" "$(readlink -f /bin/sh)"`)(c)
}

// plainHosts are kinds of hosts that differ in what runs the supervisor.
var plainHosts = map[string][]testhost.Option{
	"dash":        nil,
	"bash":        {bashSh},
	"busybox":     {testhost.BusyboxSh},
	"root":        {testhost.Root},
	"with perl":   {testhost.WithPath(append([]string{"perl"}, testhost.BaseTools...)...)},
	"with python": {withPython},
}

// withPython is a host that has no other way to make a session than python's. The one in PATH may be a
// script that works for its owner only.
func withPython(c *testhost.Config) {
	testhost.WithPath(testhost.BaseTools...)(c)
	testhost.WithPrepare(func(h *testhost.Host) {
		if err := os.Symlink("/usr/bin/python3", filepath.Join(filepath.Dir(h.Home), "bin", "python3")); err != nil {
			panic(err)
		}
	})(c)
}

func TestAPlainProcessHasAWholeLife(t *testing.T) {
	t.Parallel()
	for name, options := range plainHosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"it's", "", "two  words", "$HOME `x` \\", "über\n世界\n", "-n", "*", "\xff\xfe"}
			env := []string{"ODD=it's \"$HOME\"\n\tüber", "EMPTY=", "BYTES=\xff\xfe", "LC_ALL=C.UTF-8"}
			p := newPlain(t, testhost.Start(t, options...), `cat /proc/$$/cmdline >DIR/args; cat /proc/$$/environ >DIR/env; pwd >DIR/pwd
				echo started >>DIR/starts`+loop, service.Spec{Args: args, Env: env, Secrets: []string{"KEY=s3cret"}, WorkingDir: "/usr"})
			o := p.talk()
			o.yes("do", "fits")
			o.is("stopped", "")
			o.yes("do", "start")
			pid := o.is("running", "")
			p.wait("starts", "started\n")
			if got := strings.Split(p.file("args"), "\x00"); strings.Join(got[2:], "|") != strings.Join(append(args, ""), "|") {
				t.Errorf("the arguments arrived as %q", got)
			}
			got := strings.Split(p.file("env"), "\x00")
			for _, entry := range append(env, "KEY=s3cret") {
				if !slices.Contains(got, entry) {
					t.Errorf("%q is not in the environment %q", entry, got)
				}
			}
			if slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "SSH_") }) {
				t.Errorf("it has the environment of a login: %q", got)
			}
			p.wait("pwd", "/usr\n")
			o.yes("do", "start")
			if again := o.is("running", ""); again != pid {
				t.Errorf("to start it again made %d of process %d", again, pid)
			}
			o.talk.Close()
			p.h.DropConnections()
			o = p.talk()
			if still := o.is("running", ""); still != pid {
				t.Errorf("after the session it is process %d, not %d", still, pid)
			}
			p.h.Run("kill -KILL " + strconv.Itoa(pid))
			p.wait("starts", "started\nstarted\n")
			if pid == o.is("running", "") {
				t.Error("it was killed and has the same process ID")
			}
			if why := o.yes("do", "stop", "20"); why != "" {
				t.Errorf("to stop it: %s", why)
			}
			o.is("stopped", "status 0")
			if log := p.logs(); !strings.Contains(log, "signal KILL") || !strings.Contains(log, "bye\n") {
				t.Errorf("in the log is %q", log)
			}
			o.yes("do", "stop", "20")
			o.yes("do", "start")
			o.is("running", "")
			o.yes("do", "stop", "20")
			o.yes("do", "drop")
			p.gone()
			if left, _ := os.ReadDir(p.h.See(p.service(""))); len(left) != 3 { // env, kind, log
				t.Errorf("after drop there are %v", left)
			}
		})
	}
}
