package scripts

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/service"
)

// TestOpenRC is the life of a daemon on a host with OpenRC.
func TestOpenRC(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.OpenRC)
	user := newDaemon(t, m.Login("me"), service.OpenRC, service.Place{Name: "other"}, serves)
	if a := user.try("openrc_fits"); a.ok || !strings.Contains(a.why, "--scope system") {
		t.Errorf("a user's: %+v", a)
	}
	before := m.Run("find /etc /run/openrc | sort")
	d := newDaemon(t, m.Root(), service.OpenRC, service.Place{System: true}, serves)
	d.must("openrc_fits")
	d.must("openrc_ready")
	d.define(service.Spec{User: "me", Secrets: []string{"TOKEN=hunter2"}, Limits: map[string]string{"nofile": "64:128"}})
	if a := d.must("openrc_look"); a.state != "stopped" || a.pid != "" || a.why != "" {
		t.Errorf("before there is anything: %+v", a)
	}
	d.must("openrc_stop 5")
	if a := d.must("openrc_file"); a.file != "/etc/init.d/worker" {
		t.Errorf("the script is %q", a.file)
	}
	d.must(`openrc_put "$svc"`)
	d.must("openrc_start")
	a := d.must("openrc_look")
	if a.state != "running" || a.pid == "" || a.why != "" {
		t.Errorf("when it is started: %+v", a)
	}
	d.becomes("it is the daemon", func(a answer) bool { return m.Run("cat /proc/"+a.pid+"/comm") == "sleep\n" })
	a = d.must("openrc_look")
	testhost.Eventually(t, "it has said all", func() bool { return len(d.log(9)) == 2 })
	if got := d.log(9); !slices.Equal(got, []string{"serving", "to stderr"}) {
		t.Errorf("the log has %q", got)
	}
	if a := d.try(`openrc_follow 1 "2001-02-03 04:05:06 UTC"`); a.ok || !strings.Contains(a.why, "has no times") {
		t.Errorf("since a time: %+v", a)
	}
	see := m.Run("tr '\\0' '\\n' </proc/" + a.pid + "/environ; grep 'open files' /proc/" + a.pid + "/limits; ps -o user= -p " + a.pid +
		"; ls -l /proc/" + a.pid + "/fd; readlink /proc/" + a.pid + "/cwd")
	for _, want := range []string{"TOKEN=hunter2\n", "64                   128", "\nme\n", "\n/home/me\n"} {
		if !strings.Contains(see, want) {
			t.Errorf("there is no %q: %s", want, see)
		}
	}
	if strings.Contains(see, "/lock") || strings.Contains(see, "pipe:") {
		t.Errorf("it holds what is ours: %s", see)
	}
	d.must("openrc_start")
	if again := d.must("openrc_look"); again.pid != a.pid {
		t.Errorf("it was started twice: %+v", again)
	}
	m.Run("kill -9 " + a.pid)
	d.becomes("it is started again", func(b answer) bool { return b.state == "running" && b.pid != a.pid })

	m.Reboot()
	d.connect()
	d.becomesState("running")
	d.must("openrc_stop 5")
	if a := d.must("openrc_look"); a.state != "stopped" || a.pid != "" {
		t.Errorf("when it was stopped: %+v", a)
	}
	d.must("openrc_drop")
	d.must("openrc_drop")
	if diff := gocmp.Diff(before, m.Run("find /etc /run/openrc | sort")); diff != "" {
		t.Errorf("it left something behind: %s", diff)
	}
}

func TestADaemonOfOpenRCThatFallsTooOftenIsGivenUp(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.OpenRC)
	d := newDaemon(t, m.Root(), service.OpenRC, service.Place{System: true}, `echo "about to $1"; eval "$1"`)
	for _, restart := range []string{service.Never, service.OnFailure} {
		d.define(service.Spec{Restart: restart, Args: []string{"exit 3"}})
		d.must(`openrc_put "$svc"`)
		d.try("openrc_start")
		a := d.becomes("it is given up", func(a answer) bool {
			return a.state == "failed" && !strings.Contains(a.why, "again")
		})
		t.Logf("%s: %+v", restart, a)
		if got := d.log(2); got[0] != "about to exit 3" {
			t.Errorf("%s: its last words are %q", restart, got)
		}
		d.run(service.Spec{Restart: restart, Args: []string{"exec sleep 1000"}})
		if a := d.becomesState("running"); a.pid == "" {
			t.Errorf("%s: after all that: %+v", restart, a)
		}
		d.must("openrc_stop 5")
	}
}

func TestADaemonOfOpenRCThatEndsWellIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.OpenRC)
	d := newDaemon(t, m.Root(), service.OpenRC, service.Place{System: true}, "echo started >>/tmp/starts; exec sleep 5")
	d.run(service.Spec{})
	if a := d.becomes("it has ended", func(a answer) bool { return a.state != "running" }); a.state != "stopped" || a.why != "status 0" {
		t.Errorf("it is %+v", a)
	}
	if starts := m.Run("cat /tmp/starts"); starts != "started\n" {
		t.Errorf("it was started more than once: %q", starts)
	}
	d.must("openrc_start")
	if a := d.must("openrc_look"); a.state != "running" {
		t.Errorf("when it is started again: %+v", a)
	}
	d.must("openrc_stop 5")
}

func TestTheLogOfADaemonOfOpenRCHasABoundWhileItRuns(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.OpenRC)
	d := newDaemon(t, m.Root(), service.OpenRC, service.Place{System: true},
		"yes it has much to say | head -c 60000000; echo over >/tmp/over; exec sleep 1000")
	d.run(service.Spec{User: "me"})
	testhost.Eventually(t, "it has said all", func() bool { _, err := m.Try("test -e /tmp/over"); return err == nil })
	if a := d.must("openrc_look"); a.state != "running" {
		t.Errorf("it is %+v", a)
	}
	var size int
	if _, err := fmt.Sscan(m.Run("cat /opt/davit/worker/service/log* | wc -c"), &size); err != nil || size < 30<<20 || size > 42<<20 {
		t.Errorf("of 60 MB it kept %d bytes, %v", size, err)
	}
	d.must("openrc_stop 5")
}

func TestWhatOpenRCIsToldByHandAgreesWithWhatDavitSees(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.OpenRC)
	d := newDaemon(t, m.Root(), service.OpenRC, service.Place{System: true}, serves)
	is := func(state string, code int) string {
		t.Helper()
		a := d.must("openrc_look")
		if a.state != state {
			t.Errorf("it is %+v, want %s", a, state)
		}
		if said := m.Run("rc-service worker status; echo $?"); !strings.Contains(said, "status: "+state) || !strings.HasSuffix(said, fmt.Sprintf("\n%d\n", code)) {
			t.Errorf("OpenRC says %q, want %s, %d", said, state, code)
		}
		return a.pid
	}
	d.define(service.Spec{Restart: service.Never})
	d.must(`openrc_put "$svc"`)
	is("stopped", 3)
	d.must("openrc_start")
	pid := is("running", 0)
	m.Run("rc-service worker start")
	if again := is("running", 0); again != pid {
		t.Error("it was started twice")
	}
	m.Run("rc-service worker restart")
	if again := is("running", 0); again == pid {
		t.Error("it was not started anew")
	}
	m.Run("rc-service worker stop")
	is("stopped", 3)
	m.Run("rc-service worker start")
	pid = is("running", 0)
	m.Run("kill -9 " + pid)
	d.becomesState("failed")
	is("failed", 32)
	m.Run("rc-service worker restart")
	is("running", 0)
	d.must("openrc_stop 5")
	is("stopped", 3)
	m.Run("rc-service worker start")
	d.must("openrc_stop 5")
	m.Run("test ! -e /run/openrc/started/worker")
}

func TestAnothersScriptOfOpenRCIsStoppedAndStarted(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.OpenRC)
	d := newDaemon(t, m.Root(), service.OpenRC, service.Place{System: true}, serves)
	m.Run(`printf '#!/sbin/openrc-run\ncommand=/bin/sleep command_args=4711 command_background=yes pidfile=/run/theirs.pid\n' >/etc/init.d/worker
		chmod 0755 /etc/init.d/worker; rc-service worker start`)
	for range 2 {
		if a := d.must("openrc_look"); a.state != "running" || len(m.Root().Processes("4711")) == 0 {
			t.Errorf("when it runs: %+v", a)
		}
		d.must("openrc_stop 5")
		if a := d.must("openrc_look"); a.state != "stopped" || len(m.Root().Processes("4711")) > 0 {
			t.Errorf("when it is stopped: %+v", a)
		}
		d.must("openrc_start")
	}
	d.must("openrc_drop")
	m.Run("test -e /etc/init.d/worker")
}

func TestADaemonOfOpenRCThatDoesNotWantToEndIsKilledWithAllItStarted(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.OpenRC)
	d := newDaemon(t, m.Root(), service.OpenRC, service.Place{System: true},
		`trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 0.1; done' stubborn & while :; do sleep 0.1; done`)
	d.run(service.Spec{Stop: time.Hour})
	testhost.Eventually(t, "its child runs", func() bool { return len(m.Root().Processes("stubborn")) > 0 })
	d.must("openrc_stop 1")
	if left := m.Root().Processes("stubborn"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if a := d.must("openrc_look"); a.state == "running" {
		t.Errorf("it is %+v", a)
	}
}

func TestADaemonOfOpenRCGetsExactlyWhatItIsGiven(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.OpenRC)
	for name, base := range map[string]string{"plain path": "", "odd path": `/opt/it's 100% "$HOME" [a-z]*? \n wörk/worker`} {
		d := newDaemon(t, m.Root(), service.OpenRC, service.Place{System: true, Base: base}, tells)
		d.write("pending", []byte(fmt.Sprintf("rm %s; exit 7\n", host.Quote(d.place.Base+"/pending"))), "600")
		exactly(t, d, name, regexpOfText)
		m.Run("test ! -e " + host.Quote(d.place.Base+"/pending"))
		d.must("openrc_drop")
	}
}
