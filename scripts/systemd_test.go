package scripts

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/service"
)

// driver is a script that runs lines of sh, each of which may call what the files before it define, and
// tells what came of it. A line that holds up the next ones is not for it.
const driver = `
while read -r line; do
	why='' file='' state='' pid=''
	eval "$line"
	later rc $?
	later why "$why"
	later file "$file"
	later state "$state"
	later pid "$pid"
	tell over
done
end hung up
`

// daemon is a daemon on a real host, and a script there that has the functions of its kind of service.
type daemon struct {
	t     *testing.T
	host  *testhost.Host
	place service.Place
	kind  service.Kind
	talk  *host.Talk
	ctx   context.Context
}

// answer is what came of a line.
type answer struct {
	ok                    bool
	why, file, state, pid string
	lines                 []string // that it told by itself
	port                  string   // who listens there
}

// newDaemon lets program, a script of sh, be the current release of a daemon on the host.
func newDaemon(t *testing.T, h *testhost.Host, kind service.Kind, p service.Place, program string) *daemon {
	t.Helper()
	p.Name = cmp.Or(p.Name, "worker")
	root := "/opt/davit"
	if !p.System {
		p.User, p.Home = h.User, h.Home
		root = h.Home + "/.local/share/davit"
	}
	p.Base = cmp.Or(p.Base, root+"/"+p.Name)
	d := &daemon{t: t, host: h, place: p, kind: kind}
	d.write("releases/0123/"+p.Name, []byte("#!/bin/sh\n"+program), "755")
	d.host.Run("ln -sfn releases/0123 " + host.Quote(p.Base+"/current"))
	d.connect()
	return d
}

// connect starts the script.
func (d *daemon) connect() {
	d.t.Helper()
	conn, err := ssh.New(d.host.Target(), ssh.Options{
		ConfigFile: os.DevNull, Identities: []string{d.host.IdentityFile}, KnownHostsFiles: []string{d.host.KnownHosts},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(d.t.Context(), 3*time.Minute)
	d.t.Cleanup(cancel)
	d.ctx = narrate.WithNarrator(ctx, narrate.New(&narrate.Recorder{}))
	d.talk, err = host.Start(d.ctx, conn, host.Script{
		Name: "driver",
		Vars: append(Place{System: d.place.System, Dir: path.Dir(d.place.Base)}.vars(),
			host.Var{Name: "name", Value: d.place.Name}, host.Var{Name: "sha256"}, host.Var{Name: "wanted"}),
		Body: prelude + probe + kinds + port + driver,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { d.talk.Close() })
}

// write writes a file below the daemon's directory.
func (d *daemon) write(name string, content []byte, mode string) {
	d.t.Helper()
	file := d.place.Base + "/" + name
	d.host.Run(fmt.Sprintf("mkdir -p %s && rm -f %[2]s && echo %[3]s | base64 -d >%[2]s && chmod %[4]s %[2]s",
		host.Quote(path.Dir(file)), host.Quote(file), base64.StdEncoding.EncodeToString(content), mode))
}

// define puts what the service manager is to read where the life of a daemon has it.
func (d *daemon) define(s service.Spec) {
	d.t.Helper()
	definition, err := service.Define(d.kind, s, d.place)
	if err != nil {
		d.t.Fatal(err)
	}
	d.write("service/unit", Unit(definition), "644")
	d.write("service/env", definition.Env, "600")
	d.write("service/kind", []byte(d.kind+"\n"), "644")
	d.host.Run("chmod 0700 " + host.Quote(d.place.Base+"/service"))
}

// try runs a line of sh in the script. KIND in it is the kind's name.
func (d *daemon) try(line string) answer {
	d.t.Helper()
	if err := d.talk.Say(d.ctx, strings.ReplaceAll(line, "KIND", string(d.kind))); err != nil {
		d.t.Fatal(err)
	}
	var a answer
	for {
		w, err := d.talk.Hear(d.ctx)
		if err != nil {
			d.t.Fatalf("%s: %v", line, err)
		}
		switch w.First {
		case "rc":
			a.ok = w.Rest == "0"
		case "why":
			a.why = w.Rest
		case "file":
			a.file = w.Rest
		case "state":
			a.state = w.Rest
		case "pid":
			a.pid = w.Rest
		case "over":
			return a
		case "port":
			a.port = w.Rest
		case "line":
			a.lines = append(a.lines, w.Rest)
		default:
			d.t.Fatalf("%s: it said %v", line, w)
		}
	}
}

// must is try for what has to go well.
func (d *daemon) must(line string) answer {
	d.t.Helper()
	a := d.try(line)
	if !a.ok {
		d.t.Fatalf("%s: %q", line, a.why)
	}
	return a
}

// run puts the daemon's service in force and starts it.
func (d *daemon) run(s service.Spec) {
	d.t.Helper()
	d.define(s)
	d.must(`KIND_put "$svc"`)
	d.must("KIND_start")
}

// becomes waits until the daemon's state is as wanted.
func (d *daemon) becomes(what string, wanted func(answer) bool) answer {
	d.t.Helper()
	var a answer
	testhost.Eventually(d.t, what, func() bool {
		a = d.must("KIND_look")
		return wanted(a)
	})
	return a
}

func (d *daemon) becomesState(state string) answer {
	d.t.Helper()
	return d.becomes("it is "+state, func(a answer) bool { return a.state == state })
}

// log returns the last lines of the log.
func (d *daemon) log(lines int) []string {
	d.t.Helper()
	return d.must(fmt.Sprintf(`KIND_log %d | while IFS= read -r line; do tell line "$line"; done`, lines)).lines
}

// serves is a daemon that says so, and then runs until it is ended.
const serves = `echo serving; echo "to stderr" >&2; exec sleep 1000`

// TestSystemd is the life of a daemon on a host with systemd, in both scopes.
func TestSystemd(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	t.Run("user", func(t *testing.T) {
		me := m.Login("me")
		d := newDaemon(t, me, service.Systemd, service.Place{}, serves)
		before := me.Run("find . | sort")
		d.must("systemd_fits")
		if a := d.try("systemd_ready"); a.ok || !strings.Contains(a.why, "sudo loginctl enable-linger me") {
			t.Errorf("lingering that may not be: %+v", a)
		}
		m.Run("loginctl enable-linger me")
		d.must("systemd_ready")
		testSystemd(t, d, "/home/me/.config/systemd/user/worker.service")
		me.Run("rm -r .local/share/davit/worker/service")
		if diff := gocmp.Diff(before, me.Run("find . | sort")); diff != "" {
			t.Errorf("it left something behind: %s", diff)
		}
	})
	t.Run("system", func(t *testing.T) {
		d := newDaemon(t, m.Root(), service.Systemd, service.Place{System: true}, serves)
		before := m.Run("find /etc | sort")
		d.must("systemd_fits")
		d.must("systemd_ready")
		testSystemd(t, d, "/etc/systemd/system/worker.service")
		if diff := gocmp.Diff(before, m.Run("find /etc | sort")); diff != "" {
			t.Errorf("it left something behind: %s", diff)
		}
	})
}

func testSystemd(t *testing.T, d *daemon, file string) {
	t.Helper()
	d.define(service.Spec{Secrets: []string{"TOKEN=hunter2"}})
	if a := d.must("systemd_look"); a.state != "stopped" || a.pid != "" || a.why != "" {
		t.Errorf("before there is anything: %+v", a)
	}
	d.must("systemd_stop 5")
	if a := d.must("systemd_file"); a.file != file {
		t.Errorf("the unit is %q", a.file)
	}
	d.must(`systemd_put "$svc"`)
	if a := d.must("systemd_look"); a.state != "stopped" {
		t.Errorf("before it is started: %+v", a)
	}
	d.must("systemd_start")
	a := d.must("systemd_look")
	if a.state != "running" || a.pid == "" || a.why != "" {
		t.Errorf("when it is started: %+v", a)
	}
	testhost.Eventually(t, "it has said all", func() bool { return len(d.log(9)) == 2 })
	if got := d.log(9); !slices.Contains(got, "serving") || !slices.Contains(got, "to stderr") {
		t.Errorf("the log has %q", got)
	}
	if got := d.log(1); len(got) != 1 {
		t.Errorf("the last line of the log is %q", got)
	}
	if env := d.host.Run("tr '\\0' '\\n' </proc/" + a.pid + "/environ"); !strings.Contains(env, "TOKEN=hunter2\n") ||
		!strings.Contains(env, "HOME="+d.host.Home+"\n") {
		t.Errorf("its environment is %s", env)
	}
	d.must("systemd_start")
	if again := d.must("systemd_look"); again.pid != a.pid {
		t.Errorf("it was started twice: %+v", again)
	}
	d.must(`systemd_put "$svc"`)
	d.must("systemd_stop 5")
	if a := d.must("systemd_look"); a.state != "stopped" || a.pid != "" {
		t.Errorf("when it was stopped: %+v", a)
	}
	d.must("systemd_drop")
	if a := d.must("systemd_look"); a.state != "stopped" || a.why != "" {
		t.Errorf("when it is gone: %+v", a)
	}
	d.must("systemd_drop")
}

// TestADaemonThatFailsIsSaidToHaveFailed has daemons that end in all sorts of ways.
func TestADaemonThatFailsIsSaidToHaveFailed(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	d := newDaemon(t, m.Root(), service.Systemd, service.Place{System: true}, `echo "about to $1"; eval "$1"`)
	for name, c := range map[string]struct {
		spec  service.Spec
		state string
		why   string
	}{
		"ends well":    {service.Spec{}, "stopped", "it ended with status 0"},
		"fails":        {service.Spec{Restart: service.Never, Args: []string{"exit 3"}}, "failed", "it ended with status 3"},
		"is killed":    {service.Spec{Restart: service.Never, Args: []string{"kill -9 $$"}}, "failed", "it was ended by signal KILL"},
		"has no place": {service.Spec{Restart: service.Never, WorkingDir: "/nowhere"}, "failed", "it ended with status 200: its working directory cannot be entered"},
		"has no user":  {service.Spec{Restart: service.Never, User: "nobody-knows"}, "failed", "it ended with status 217: there is no such user"},
		"is started again": {
			service.Spec{Lines: []string{"RestartSec=60"}, Args: []string{"exit 1"}},
			"failed", "it ended with status 1, and is started again in 1min",
		},
		"crashes in a loop": {
			service.Spec{Lines: []string{"RestartSec=0"}, Args: []string{"exit 1"}},
			"failed", "it ended with status 1, 6 times, and is not started any more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := *d
			d.t = t
			d.define(c.spec)
			d.must(`systemd_put "$svc"`)
			d.try("systemd_start") // which may say so at once
			a := d.becomes("it is "+c.state, func(a answer) bool {
				return a.state == c.state && !strings.HasSuffix(a.why, "again in 0")
			})
			if a.why != c.why {
				t.Errorf("it is said that %q, want %q", a.why, c.why)
			}
			if len(c.spec.Args) > 0 {
				testhost.Eventually(t, "its last words are in the log", func() bool {
					return slices.Contains(d.log(5), "about to "+c.spec.Args[0])
				})
			}
			d.must("systemd_stop 5")
		})
	}
	// However often it crashed: who starts it means it.
	d.run(service.Spec{Args: []string{"exec sleep 1000"}})
	if a := d.must("systemd_look"); a.state != "running" {
		t.Errorf("after all that: %+v", a)
	}
}

func TestADaemonThatDoesNotWantToEndIsKilledWithAllItStarted(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	d := newDaemon(t, m.Root(), service.Systemd, service.Place{System: true},
		`trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 0.1; done' stubborn & while :; do sleep 0.1; done`)
	d.run(service.Spec{Stop: time.Hour})
	testhost.Eventually(t, "its child runs", func() bool { return len(m.Root().Processes("stubborn")) > 0 })
	d.must("systemd_stop 1")
	if left := m.Root().Processes("stubborn"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if a := d.must("systemd_look"); a.state == "running" {
		t.Errorf("it is %+v", a)
	}
}

func TestAUnitThatIsNotOursIsSeen(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	for name, want := range map[string]string{
		"cron": "/lib/systemd/system/cron.service", "masked": "/etc/systemd/system/masked.service",
		"theirs": "/etc/systemd/system/theirs.service",
	} {
		m.Run("ln -sf /dev/null /etc/systemd/system/masked.service; echo '[Service]' >/etc/systemd/system/theirs.service")
		d := newDaemon(t, m.Root(), service.Systemd, service.Place{System: true, Name: name}, serves)
		if a := d.try(`systemd_file; ! is_ours "$file"`); !a.ok || a.file != want && a.file != "/usr"+want {
			t.Errorf("%s: %+v", name, a)
		}
		d.must("systemd_drop")
		m.Run("test -e " + want + " || test -L " + want)
	}
}

func TestLingeringEndsWithTheLastDaemonThatNeedsIt(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd, testhost.WithSudo)
	me := m.Login("me")
	first := newDaemon(t, me, service.Systemd, service.Place{Name: "first"}, serves)
	second := newDaemon(t, me, service.Systemd, service.Place{Name: "second"}, serves)
	for _, d := range []*daemon{first, second} {
		// In the place of a polkit that lets everybody.
		d.must(`loginctl() { shift; sudo -n loginctl "$@" me; }`)
		d.must("systemd_ready")
		d.run(service.Spec{})
	}
	m.Reboot()
	for _, d := range []*daemon{first, second} {
		d.connect()
		d.must(`loginctl() { shift; sudo -n loginctl "$@" me; }`)
		if a := d.must("systemd_look"); a.state != "running" {
			t.Errorf("after the host was booted: %+v", a)
		}
	}
	for _, d := range []*daemon{first, second} {
		m.Run("test -e /var/lib/systemd/linger/me")
		d.must("systemd_stop 5")
		d.must("systemd_drop")
		d.host.Run("rm -r " + d.place.Base)
	}
	m.Run("test ! -e /var/lib/systemd/linger/me")
	if left := me.Run("ls -A .local/share/davit; ls -d .config || :"); left != "" {
		t.Errorf("left: %s", left)
	}
}

func TestAUserWithoutAManagerIsTold(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	d := newDaemon(t, m.Login("me"), service.Systemd, service.Place{}, serves)
	m.Run("systemctl stop user@$(id -u me)")
	a := d.try("systemd_fits")
	t.Log(a.why)
	if a.ok || !strings.HasPrefix(a.why, "me has no systemd manager of its own on this host: ") || !strings.Contains(a.why, "--service process") {
		t.Errorf("%+v", a)
	}
}

func TestAJournalThatMayNotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	m.Run(`printf '[Journal]\nStorage=volatile\n' >/etc/systemd/journald.conf
rm -rf /var/log/journal && systemctl restart systemd-journald`)
	d := newDaemon(t, m.Login("me"), service.Systemd, service.Place{}, serves)
	d.run(service.Spec{})
	for _, line := range []string{"systemd_log 5", `systemd_follow 5 ""`} {
		if a := d.try(line); a.ok || a.why != "me may not read the journal: add it to the group systemd-journal" {
			t.Errorf("%s: %+v", line, a)
		}
	}
}

func TestWhatIsPendingIsDoneBeforeTheStart(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	for name, h := range map[string]*testhost.Host{"user": m.Login("me"), "system": m.Root()} {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t, h, service.Systemd, service.Place{System: name == "system"}, "exit 1")
			d.write("releases/4567/worker", []byte("#!/bin/sh\n"+serves), "755")
			d.write("pending", []byte(fmt.Sprintf(
				"ln -sfn releases/4567 %[1]s/current; rm %[1]s/pending; [ ! -w /etc/passwd ] || touch /etc/was-root; exit 7\n",
				d.place.Base)), "600")
			spec := service.Spec{Restart: service.Never}
			if d.place.System {
				spec.User = "me"
			}
			d.run(spec)
			if a := d.must("systemd_look"); a.state != "running" {
				t.Errorf("it is %+v", a)
			}
			h.Run("test ! -e " + d.place.Base + "/pending")
		})
	}
	m.Run("test -e /etc/was-root")
}

func TestALogIsFollowed(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	d := newDaemon(t, m.Login("me"), service.Systemd, service.Place{},
		`i=0; while i=$((i+1)); do echo "line $i"; sleep 0.2; done`)
	d.run(service.Spec{})
	d.becomesState("running")
	testhost.Eventually(t, "it has said something", func() bool { return len(d.log(9)) > 1 })
	for _, since := range []string{"", "1000000000", "@1000000000", "2001-02-03 04:05:06 UTC"} {
		a := d.must(fmt.Sprintf(`systemd_follow 2 %s | for i in 1 2 3 4 5; do read -r line; tell line "$line"; done`, host.Quote(since)))
		var first int
		if n, _ := fmt.Sscanf(a.lines[0], "line %d", &first); n != 1 {
			t.Fatalf("since %q: %q", since, a.lines)
		}
		for i, line := range a.lines {
			if line != fmt.Sprintf("line %d", first+i) {
				t.Errorf("since %q: %q", since, a.lines)
			}
		}
	}
}

// tells is a daemon that writes what it was given where the test finds it.
const tells = `{ printf '%s\0' "$@"; } >/tmp/args.new; env -0 >/tmp/env; mv /tmp/args.new /tmp/args; exec sleep 1000`

func TestADaemonGetsExactlyWhatItIsGiven(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	me := m.Login("me")
	for name, base := range map[string]string{
		"plain path": "", "odd path": me.Home + `/it's 100% "$HOME" [a-z]*? \n wörk/worker`,
	} {
		d := newDaemon(t, me, service.Systemd, service.Place{Base: base}, tells)
		exactly(t, d, name, regexpOfText)
	}
}

// regexpOfText is any text that a description can hold: all that has a meaning somewhere comes often.
const regexpOfText = `([ -~]|[ "'$%\\;#&|<>(){}*?~!` + "`" + `\[\]]|\n|\t|[äß→🛠]|%[a-zA-Z%]|\$[A-Z{]|\\[a-z0-9]){0,12}`

// exactly runs the daemon with arguments and an environment of all sorts, and compares.
func exactly(t *testing.T, d *daemon, name, text string) {
	t.Helper()
	value := rapid.StringMatching(text)
	for round := range 4 {
		args := []string{"", ";", "$HOME", "${HOME}", "%h", "-", "@x", " a ", "\\", `"`, "'", "\n", "#", "end\\"}
		env := map[string]string{"EMPTY": "", "MULTI": "a\nb\n", "SPACES": "  x  ", "END": `\`, "TICK": "`id`", "QUOTES": `"'`}
		for i := range 40 {
			args = append(args, value.Example(round*100+i))
			env[fmt.Sprintf("V%d", i)] = value.Example(round*100 + 50 + i)
		}
		spec := service.Spec{Args: args}
		for _, name := range slices.Sorted(maps.Keys(env)) {
			spec.Env = append(spec.Env, name+"="+env[name])
		}
		d.host.Run("rm -f /tmp/args /tmp/env")
		d.run(spec)
		testhost.Eventually(t, "the daemon has told", func() bool {
			_, err := d.host.Try("test -e /tmp/args")
			return err == nil
		})
		want := strings.Join(args, "\x00") + "\x00"
		if diff := gocmp.Diff(want, d.host.Run("cat /tmp/args")); diff != "" {
			t.Errorf("%s: the arguments are others: %s", name, diff)
		}
		got := strings.Split(d.host.Run("cat /tmp/env"), "\x00")
		for _, entry := range spec.Env {
			if !slices.Contains(got, entry) {
				key, _, _ := strings.Cut(entry, "=")
				i := slices.IndexFunc(got, func(e string) bool { return strings.HasPrefix(e, key+"=") })
				t.Errorf("%s: not in the environment: %q (%q)", name, entry, append(got, "")[max(i, 0)])
			}
		}
		d.must("KIND_stop 5")
	}
}
