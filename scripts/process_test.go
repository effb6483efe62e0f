package scripts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

// plainHost is a host for plain daemons, who are in its crontabs.
func plainHost(t *testing.T, options ...testhost.Option) *testhost.Host {
	t.Helper()
	testhost.Need(t, "crontab")
	return testhost.Start(t, options...)
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
	o := p.talk()
	o.yes("do", "put", "new")
	o.talk.Close()
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
		Body: prelude + probe + readScript(p.t, "service.sh") + birth + tend + readScript(p.t, "process.sh") + `cd "$base"` + obey,
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
	p.none("DAVIT_SUPERVISOR=")
	p.none(p.base + "/")
}

// none fails the test if there are processes that mention marker.
func (p *plain) none(marker string) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); len(p.h.Processes(marker)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("these run still: %v", p.h.Processes(marker))
		}
	}
}

// supervisors returns how many there are. Parts of one, such as its logger, are below it.
func (p *plain) supervisors() (n int) {
	all := map[int]testhost.Proc{}
	for _, proc := range p.h.Processes(p.service("supervise")) {
		all[proc.PID] = proc
	}
	for _, proc := range all {
		if _, part := all[proc.PPID]; !part {
			n++
		}
	}
	return n
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
			p := newPlain(t, plainHost(t, options...), `cat /proc/$$/cmdline >DIR/args; cat /proc/$$/environ >DIR/env; pwd >DIR/pwd
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

// someShells are hosts whose /bin/sh differs.
var someShells = map[string][]testhost.Option{"dash": nil, "bash": {bashSh}, "busybox": {testhost.BusyboxSh}}

func TestADaemonThatFailsIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, options := range someShells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A child that it leaves holds its output.
			p := newPlain(t, plainHost(t, options...), `(trap "" TERM; exec sleep 300) & echo started >>DIR/starts; exit 7`, service.Spec{})
			o := p.talk()
			o.yes("do", "start")
			o.is("failed", "status 7, 5 times in 60 s")
			p.wait("starts", strings.Repeat("started\n", 5))
			o.yes("do", "stop", "1")
			o.is("stopped", "")
			o.talk.Close()
			p.gone()
			o = p.talk()
			o.yes("do", "start") // it counts anew
			p.wait("starts", strings.Repeat("started\n", 10))
			o.yes("do", "stop", "1")
		})
	}
}

func TestWhatEndsADaemonDecidesWhetherItIsStartedAgain(t *testing.T) {
	t.Parallel()
	h := plainHost(t)
	for _, c := range []struct{ restart, end, state, why string }{
		{service.OnFailure, "exit 0", "stopped", "status 0"},
		{service.OnFailure, "kill -TERM $$", "stopped", "signal TERM"},
		{service.OnFailure, "kill -SEGV $$", "failed", "signal SEGV, 5 times in 60 s"},
		{service.Always, "exit 0", "failed", "status 0, 5 times in 60 s"},
		{service.Never, "exit 3", "failed", "status 3"},
		{service.Never, "exit 127", "failed", "status 127"},
	} {
		t.Run(c.restart+" "+c.end, func(t *testing.T) {
			h.Run("rm -rf .local")
			p := newPlain(t, h, c.end, service.Spec{Restart: c.restart})
			o := p.talk()
			o.yes("do", "start")
			o.is(c.state, c.why)
			o.yes("do", "stop", "20")
		})
	}
}

func TestAPlainDaemonThatIgnoresTERMIsKilled(t *testing.T) {
	t.Parallel()
	p := newPlain(t, plainHost(t), `trap "" TERM; echo up >DIR/up; while :; do sleep 0.1; done`, service.Spec{})
	o := p.talk()
	o.yes("do", "start")
	p.wait("up", "up\n")
	if why := o.yes("do", "stop", "1"); !strings.Contains(why, "was killed") {
		t.Errorf("why is %q", why)
	}
	o.is("stopped", "was killed")
	o.talk.Close()
	p.gone()
}

func TestNothingThatADaemonLeavesEscapes(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"within the session":           `(trap "" TERM; echo up >DIR/up; while :; do sleep 0.1; done) &`,
		"out of the session":           `setsid sh -c "echo up >DIR/up; exec sleep 300" >/dev/null 2>&1 &`,
		"out of it, and ignoring TERM": `setsid sh -c "trap : TERM; echo up >DIR/up; while :; do sleep 1; done" &`,
		"it runs on, and its child":    `env -i /bin/sh -c "trap : TERM; echo up >DIR/up; while :; do /bin/sleep 1; done" & wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain(t, plainHost(t), script+"\nexit 0", service.Spec{})
			o := p.talk()
			o.yes("do", "start")
			p.wait("up", "up\n")
			if !strings.Contains(name, "runs on") {
				o.is("stopped", "status 0")
			}
			o.yes("do", "stop", "1")
			o.is("stopped", "")
			o.talk.Close()
			p.gone()
			if p.h.User != "root" {
				p.none("")
			}
		})
	}
}

func TestANumberThatIsAnothersIsNeverSignalled(t *testing.T) {
	t.Parallel()
	h := plainHost(t)
	p := newPlain(t, h, loop, service.Spec{})
	h.Run("setsid sleep 4711 </dev/null >/dev/null 2>&1 &")
	var stranger int
	there := func() bool {
		all := h.Processes("4711")
		if len(all) == 1 {
			stranger = all[0].PID
		}
		return len(all) == 1
	}
	testhost.Eventually(t, "a stranger sleeps", there)
	h.Run(fmt.Sprintf(`cd %s && boot=$(cat /proc/sys/kernel/random/boot_id).$(cut -d")" -f2- /proc/1/stat | cut -d" " -f21) &&
		echo "%d 12345 $boot" >supervisor && cp supervisor daemon && ln -s "%d 12345 $boot" lock.7`, host.Quote(p.service("run")), stranger, stranger))
	o := p.talk()
	o.is("failed", "its supervisor was killed")
	o.yes("do", "stop", "1")
	o.is("stopped", "")
	if !there() {
		t.Fatal("the stranger was ended")
	}
	o.yes("do", "start")
	if pid := o.is("running", ""); pid == stranger {
		t.Error("it is taken for the stranger")
	}
	o.yes("do", "stop", "20")
	if !there() {
		t.Error("the stranger was ended")
	}
}

func TestAHostThatWasStartedAgainIsSaid(t *testing.T) {
	t.Parallel()
	p := newPlain(t, plainHost(t), loop, service.Spec{})
	o := p.talk()
	o.yes("do", "start")
	o.is("running", "")
	o.yes("do", "stop", "20")
	// As a power cut leaves it, though the number is in use.
	p.h.Run("cd " + host.Quote(p.service("run")) + ` && rm ended && echo "1 $(cut -d")" -f2- /proc/1/stat | cut -d" " -f21) another.14" | tee supervisor >daemon`)
	o.is("failed", "the host was started again since")
	o.yes("do", "stop", "1")
	o.yes("do", "start")
	o.is("running", "")
	o.yes("do", "stop", "20")
}

func TestADaemonOutlivesItsSupervisorAndIsEndedAllTheSame(t *testing.T) {
	t.Parallel()
	p := newPlain(t, plainHost(t), `(while :; do sleep 0.1; done) & echo $$ >DIR/pid`+loop, service.Spec{})
	for _, then := range []string{"stop", "start", "killed too"} {
		o := p.talk()
		o.yes("do", "start")
		pid := o.is("running", "")
		p.wait("pid", fmt.Sprintln(pid))
		p.h.Run("read -r pid _ <" + host.Quote(p.service("run/supervisor")) + "; kill -KILL $pid")
		if still := o.is("running", "its supervisor was killed"); still != pid {
			t.Errorf("it is process %d, not %d", still, pid)
		}
		switch then {
		case "killed too":
			p.h.Run("kill -KILL " + strconv.Itoa(pid))
			o.is("failed", "its supervisor was killed")
		case "start":
			o.yes("do", "start")
			if next := o.is("running", ""); next == pid {
				t.Error("what has no supervisor was left running")
			}
		}
		o.yes("do", "stop", "20")
		o.is("stopped", "")
		o.talk.Close()
		p.gone()
	}
}

func TestADaemonWhoseFilesWereRemovedByHandIsFoundAndEnded(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dash", "busybox", "root"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain(t, plainHost(t, plainHosts[name]...), `trap "echo bye >DIR/bye; exit" TERM; echo up >DIR/up; while :; do sleep 0.1; done`, service.Spec{})
			o := p.talk()
			o.yes("do", "start")
			p.wait("up", "up\n")
			p.h.Run("rm -r " + host.Quote(p.base+"/service"))
			o.is("running", "")
			if why := o.yes("do", "stop", "20"); why != "" {
				t.Errorf("why is %q", why)
			}
			if bye := p.file("bye"); bye != "bye\n" {
				t.Errorf("it said %q", bye)
			}
			o.yes("do", "drop")
			o.is("stopped", "")
			o.talk.Close()
			p.gone()
		})
	}
}

func TestThereIsOneSupervisor(t *testing.T) {
	t.Parallel()
	for name, options := range someShells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain(t, plainHost(t, options...), `echo started >>DIR/starts`+loop, service.Spec{})
			for round := range 5 {
				one, two := p.talk(), p.talk()
				p.h.Run("for i in 1 2 3 4 5 6; do /bin/sh " + host.Quote(p.service("supervise")) + " </dev/null >/dev/null 2>&1 & done")
				for _, o := range []*order{one, two} {
					if err := o.talk.Say(o.ctx, "do", "start"); err != nil {
						t.Fatal(err)
					}
				}
				for _, o := range []*order{one, two} {
					if w := o.hear(); w.First != "yes" {
						t.Errorf("start: %s %s", w.First, w.Rest)
					}
				}
				p.wait("starts", strings.Repeat("started\n", round+1))
				testhost.Eventually(t, "there is one supervisor", func() bool { return p.supervisors() == 1 })
				one.yes("do", "stop", "20")
				one.talk.Close()
				two.talk.Close()
				p.gone()
				if got := p.file("starts"); got != strings.Repeat("started\n", round+1) {
					t.Fatalf("in round %d it was started: %q", round, got)
				}
			}
		})
	}
}

func TestTheSupervisorHoldsNoLock(t *testing.T) {
	t.Parallel()
	p := newPlain(t, plainHost(t), loop, service.Spec{})
	o, next := p.talk(), p.talk()
	o.yes("hold")
	o.yes("do", "start")
	if next.ask("hold").First != "no" {
		t.Error("two hold the lock")
	}
	o.talk.Close()
	testhost.Eventually(t, "the lock is free", func() bool { return next.ask("hold").First == "yes" })
	next.yes("do", "stop", "20")
}

func TestWhatATransactionLeftPendingIsSettledBeforeTheDaemonStarts(t *testing.T) {
	t.Parallel()
	p := newPlain(t, plainHost(t), `cat DIR/pending >DIR/seen; trap "exit 1" TERM`+loop, service.Spec{})
	p.h.Run("echo 'echo settled >~/pending; rm \"$base/pending\"; exit 5' >" + host.Quote(p.base+"/pending"))
	o := p.talk()
	o.yes("do", "start")
	p.wait("seen", "settled\n")
	o.yes("do", "stop", "20")
}

var logs = []string{"log.4", "log.3", "log.2", "log.1", "log"}

func TestNothingOfALogIsLost(t *testing.T) {
	t.Parallel()
	for name, options := range someShells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain(t, plainHost(t, options...), `seq 1 4000000; echo over >DIR/over`+loop, service.Spec{})
			o := p.talk()
			o.yes("do", "start")
			p.wait("over", "over\n")
			want := sha256.New()
			for i := range 4000000 {
				want.Write(strconv.AppendInt(nil, int64(i+1), 10))
				want.Write([]byte("\n"))
			}
			testhost.Eventually(t, "all of it is in the log", func() bool {
				got := sha256.New()
				for _, name := range logs {
					text, _ := os.ReadFile(p.h.See(p.service(name)))
					got.Write(text)
				}
				return bytes.Equal(got.Sum(nil), want.Sum(nil))
			})
			if err := o.talk.Say(o.ctx, "log", "3"); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"3999998", "3999999", "4000000", ""} {
				if w := o.hear(); w.Rest != want {
					t.Errorf("the log has %q, want %q", w.Rest, want)
				}
			}
			o.yes("do", "stop", "20")
		})
	}
}

func TestALogThatNeverEndsHasABound(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]testhost.Option{"dash": nil, "busybox": {testhost.BusyboxSh}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain(t, plainHost(t, options...), `dd if=/dev/zero bs=65536 count=16384; echo over >DIR/over`+loop, service.Spec{})
			o := p.talk()
			o.yes("do", "start")
			size := func() (sum int64) {
				for _, name := range logs {
					if info, err := os.Stat(p.h.See(p.service(name))); err == nil {
						sum += info.Size()
					}
				}
				return sum
			}
			most := int64(0)
			for end := time.Now().Add(2 * time.Minute); p.file("over") == "" && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				most = max(most, size())
			}
			p.wait("over", "over\n")
			if most = max(most, size()); most > 50<<20 || most < 30<<20 {
				t.Errorf("of a log of 1 GiB it kept %d bytes", most)
			}
			o.yes("do", "stop", "20")
		})
	}
}

func TestAFullDiskDoesNotHoldUpTheDaemon(t *testing.T) {
	t.Parallel()
	p := newPlain(t, plainHost(t, testhost.HomeOnTmpfs("size=4m")), `dd if=/dev/zero bs=65536 count=500; exec sleep 4711`, service.Spec{})
	o := p.talk()
	o.yes("do", "start")
	testhost.Eventually(t, "it has written all", func() bool { return len(p.h.Processes("4711")) == 1 })
	o.is("running", "")
	p.h.Run("rm " + host.Quote(p.service("log")))
	o.yes("do", "stop", "20")
}

func TestALogIsFollowedAcrossItsFiles(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]testhost.Option{"gnu": nil, "busybox": {testhost.BusyboxSh}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain(t, plainHost(t, options...), `echo one; echo two; until [ -e DIR/go ]; do sleep 0.05; done
				dd if=/dev/zero bs=65536 count=160 2>/dev/null | tr "\\000" x | fold -w 4000; echo; echo after; echo over >DIR/over`+loop, service.Spec{})
			o := p.talk()
			o.yes("do", "start")
			testhost.Eventually(t, "it has said two lines", func() bool { return strings.HasSuffix(p.logs(), "two\n") })
			o.yes("follow", "1")
			if w := o.hear(); w.Rest != "two" {
				t.Errorf("first it says %q", w.Rest)
			}
			p.h.Run(": >go")
			for w := o.hear(); w.Rest != "after"; w = o.hear() {
				if strings.Trim(w.Rest, "x") != "" {
					t.Fatalf("it says %q", w.Rest)
				}
			}
			if _, err := os.Stat(p.h.See(p.service("log.1"))); err != nil {
				t.Errorf("no file was put aside: %v", err)
			}
			other := p.talk()
			if w := other.ask("do", "follow", "5", "yesterday"); w.First != "no" || !strings.Contains(w.Rest, "no times") {
				t.Errorf("since yesterday: %v", w)
			}
			other.yes("do", "stop", "20")
		})
	}
}

func TestAPlainProcessStartsWithTheHost(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]string{"others' lines": "# mine\n\n0 4 * * *\techo '50%' \\% über # davit\n  \n\n", "none": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := plainHost(t, testhost.WithHome("it's 100% \"home\""))
			if others != "" {
				h.Run("printf %s " + host.Quote(others) + " >tab && crontab tab")
			}
			p := newPlain(t, h, `printf "%s\n" "$PATH" >"$HOME/path"; echo started >>"$HOME/starts"`+loop, service.Spec{})
			o := p.talk()
			if why := o.yes("do", "put", "new"); why != "" { // a second time
				t.Errorf("put says %q", why)
			}
			tab := h.Run("crontab -l")
			line, found := strings.CutPrefix(tab, others)
			if !found || strings.Count(line, "\n") != 1 {
				t.Fatalf("of %q was made %q", others, tab)
			}
			// As cron has it when the host was started.
			command, _ := strings.CutPrefix(strings.ReplaceAll(strings.TrimSpace(line), `\%`, "%"), "@reboot ")
			h.Run("cd /; HOME=" + host.Quote(h.Home) + "; export HOME; env -i HOME=\"$HOME\" LOGNAME=x PATH=/usr/bin:/bin SHELL=/bin/sh /bin/sh -c " +
				host.Quote(command) + " </dev/null >/dev/null 2>&1 &")
			p.wait("starts", "started\n")
			o.is("running", "")
			if got, want := p.file("path"), h.Run(`printf '%s\n' "$PATH"`); got != want {
				t.Errorf("its PATH is %q, not %q", got, want)
			}
			o.yes("do", "stop", "20")
			o.yes("do", "drop")
			o.yes("do", "drop")
			if left, err := h.Try("crontab -l"); left != others || (err == nil) != (others != "") {
				t.Errorf("what is left of %q is %q, %v", others, left, err)
			}
		})
	}
}

func TestAPlainProcessSaysThatItDoesNotStartWithTheHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		option testhost.Option
		why    string
	}{
		"no crontab": {testhost.WithPath(append([]string{"setsid"}, testhost.BaseTools...)...), "there is no crontab"},
		"one that refuses": {
			testhost.WithMounts(`mkdir "$dir/refusing"; printf '#!/bin/sh\necho you may not >&2; exit 1\n' >"$dir/refusing/crontab"
				chmod 0755 "$dir/refusing/crontab"; mount --bind "$dir/refusing/crontab" "$(command -v crontab)"`), "crontab: you may not",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain(t, plainHost(t, c.option), loop, service.Spec{})
			o := p.talk()
			if why := o.yes("do", "put", "new"); why != "it does not start again with the host: "+c.why {
				t.Errorf("put says %q", why)
			}
			o.yes("do", "drop")
		})
	}
}

func TestAPlainProcessHasItsUserAndLimits(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]testhost.Option{
		"dash": nil, "bash": {bashSh}, "by su": {testhost.WithPath(append([]string{"setsid", "su"}, testhost.BaseTools...)...)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain(t, plainHost(t, append(options, testhost.Root)...), `{ cat /proc/$$/limits; cat /proc/$$/status; } >DIR/out/is; echo "$HOME $USER $A"
				pwd; echo over >DIR/out/over`+loop, service.Spec{
				User: "nobody", WorkingDir: "/usr", Secrets: []string{"A=it's"},
				Limits: map[string]string{"nofile": "100:123", "core": "1M", "nproc": "400:456", "as": "1G"},
			})
			p.h.Run("mkdir out && chmod 0777 out && chmod 0755 . 'a dir'")
			o := p.talk()
			o.yes("do", "start")
			p.wait("out/over", "over\n")
			is := p.file("out/is")
			for _, want := range []string{`open files +100 +123 `, `core file size +1048576 +1048576 `, `processes +400 +456 `, `address space +1073741824 `, `Uid:\s65534\s65534\s65534`, `Gid:\s65534`} {
				if !regexp.MustCompile(want).MatchString(is) {
					t.Errorf("no %s in %s", want, is)
				}
			}
			testhost.Eventually(t, "it has said where it runs", func() bool { return p.logs() == "/nonexistent nobody it's\n/usr\n" })
			o.yes("do", "stop", "20")
			o.is("stopped", "")
			p.spec.Limits = map[string]string{"nofile": "4611686018427387904"}
			p.put()
			o.yes("do", "start")
			o.is("failed", "the limit nofile cannot be set")
			p.spec.Limits, p.spec.WorkingDir = nil, "/nowhere"
			p.put()
			o.yes("do", "stop", "20")
			o.yes("do", "start")
			o.is("failed", "it cannot run in /nowhere")
			o.yes("do", "stop", "20")
		})
	}
}

func TestAPlainProcessThatCannotChangeItsUserSaysSo(t *testing.T) {
	t.Parallel()
	p := newPlain(t, plainHost(t, testhost.BusyboxSh, testhost.Root), loop, service.Spec{User: "nobody"})
	o := p.talk()
	o.yes("do", "start")
	o.is("failed", "it cannot run as nobody")
	o.yes("do", "stop", "20")
}
