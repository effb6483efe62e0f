package davit_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/service"
)

// clear lets no unit of the daemon's name be there, wherever it was.
func (l *life) clear(paths ...string) {
	l.Helper()
	l.systemctl("disable --now worker")
	l.systemctl("disable --runtime worker")
	l.seen.Run("rm -f " + l.units() + "/worker.service " + strings.Join(paths, " "))
	l.systemctl("daemon-reload")
}

func TestAnothersUnitIsPutBackAsItWas(t *testing.T) {
	t.Parallel()
	eachSystemd(t, func(l *life) {
		packages := "$HOME/.local/share/systemd/user"
		if l.scope == davit.System {
			packages = "/lib/systemd/system"
		}
		for name, c := range map[string]struct {
			dir     string
			then    string // of systemctl
			enabled string
		}{
			"runs only":            {l.units(), "", "disabled"},
			"is enabled":           {l.units(), "enable worker", "enabled"},
			"until the next start": {l.units(), "enable --runtime worker", "enabled-runtime"},
			"the package's":        {packages, "enable worker", "enabled"},
			"a link":               {"$HOME/elsewhere", `link "$HOME/elsewhere/worker.service"; systemctl ` + l.manager() + "start worker", "linked"},
		} {
			l.anothers(c.dir)
			if c.then != "" {
				l.systemctl(c.then)
			}
			before := l.theirs()
			if !strings.Contains(before, "\n"+c.enabled+"\n") || !strings.Contains(before, "\nactive\n") {
				l.Fatalf("%s: before it was\n%s", name, before)
			}
			run := l.unhealthy()
			run.Adopt = true
			_, err := l.install(sleeper(l, "one"), run)
			explained(l, err, davit.ExitUnhealthy, "unhealthy", "not installed")
			if after := l.theirs(); after != before {
				l.Errorf("%s: it is\n%s\nand was\n%s", name, after, before)
			}
			l.clear(c.dir + "/worker.service")
		}
	})
}

// manager is the option of systemctl that names the scope.
func (l *life) manager() string {
	if l.scope == davit.User {
		return "--user "
	}
	return ""
}

// theirs tells how a unit of the daemon's name is.
func (l *life) theirs() string {
	l.Helper()
	shown := l.systemctl("show -P FragmentPath worker") + "\n" + l.systemctl("is-enabled worker") + "\n" + l.systemctl("is-active worker")
	return shown + "\n" + l.seen.Run("cd "+l.units()+" && { readlink worker.service || cat worker.service || :; } 2>/dev/null; ls -l */worker.service 2>/dev/null | sed 's/.* //'")
}

func TestAMaskedServiceIsRefused(t *testing.T) {
	t.Parallel()
	eachSystemd(t, func(l *life) {
		l.systemctl("mask worker")
		for _, adopt := range []bool{false, true} {
			run := l.running()
			run.Adopt = adopt
			_, err := l.install(sleeper(l, "one"), run)
			explained(l, err, davit.ExitHost, "worker is masked on this host", "systemctl "+l.manager()+"unmask worker", "nothing was touched")
			if !errors.Is(err, davit.ErrService) {
				l.Errorf("%v is of another kind", err)
			}
		}
		if to := l.seen.Run("readlink " + l.units() + "/worker.service"); to != "/dev/null\n" {
			l.Errorf("it is a link to %q now", to)
		}
		l.systemctl("unmask worker")
		l.nothingLeft()
	})
}

func TestNothingIsLeftOfAChangeThatIsRefusedBeforeItBegins(t *testing.T) {
	t.Parallel()
	eachSystemd(t, func(l *life) {
		one := sleeper(l, "one")
		l.must(l.install(one, nil))
		l.seen.Run("mkdir -p " + l.units())
		unit := l.seen.See(strings.TrimSpace(l.seen.Run("echo " + l.units() + "/worker.service")))
		before := l.seen.Run("ls -A " + l.base())
		ctx, _ := told(l)
		ctx = when(ctx, "probe", func() { // just after it was looked at
			if err := os.WriteFile(unit, []byte("[Service]\nExecStart=/bin/true\n"), 0o644); err != nil {
				t.Error(err)
			}
		})
		_, err := davit.Start(ctx, l, davit.StartOptions{Target: l.target(), Run: *l.running()})
		explained(l, err, davit.ExitHost, "worker.service is there and is not Davit's")
		if got := l.seen.Run("ls -A " + l.base()); got != before {
			l.Errorf("there is %q, and was %q", got, before)
		}
	})
}

func TestAPlainDaemonWhoseFilesWereRemovedIsUninstalled(t *testing.T) {
	t.Parallel()
	l := plainLife(t)
	one := sleeper(l, "one")
	l.must(l.install(one, l.running()))
	l.seen.Run("rm -r " + l.base() + "/service")
	l.is(davit.StateRunning, id(l, one))
	ctx, _ := told(l)
	_, err := davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target()})
	explained(l, err, davit.ExitFailed, "it is running", "nothing was touched")
	l.must(davit.Uninstall(ctx, l, davit.UninstallOptions{Target: l.target(), Stop: true}))
	l.nothingLeft()
	testhost.Eventually(l, "none of its processes is left", func() bool { return len(l.seen.Processes("worker")) == 0 })
}

// What runs in a container is seen from the machine that it is on, and has the same path.
func TestADaemonOfAnotherFileSystemIsLeftAlone(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	hosts := hostsOf(t, service.Process)
	here := newLife(t, keeper{service.Process, davit.System}, hosts(t, davit.System))
	there := newLife(t, here.keeper, hosts(t, davit.System))
	one := sleeper(t, "one")
	there.must(there.install(one, there.running()))
	pid := there.is(davit.StateRunning, id(t, one)).PID
	here.must(here.install(one, nil))
	ctx, _ := told(t)
	here.must(davit.Uninstall(ctx, here, davit.UninstallOptions{Target: here.target(), Stop: true}))
	there.stays(id(t, one), pid)
}
