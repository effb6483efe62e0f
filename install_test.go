package davit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

func asError(err error, e **davit.Error) bool { return errors.As(err, e) }

func TestInstallUpgradeRepeatAndGoBack(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]testhost.Option{"ordinary": testhost.Ordinary, "root": testhost.Root} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, login), t}
			one, two := program(t, "one", 1<<20), program(t, "two", 1<<20)

			first := s.install(one)
			if first.Outcome != davit.Installed || first.Sent == 0 || first.Previous != "" || first.Link != s.Home+"/.local/bin/worker" {
				t.Errorf("first install: %+v", first)
			}
			if got := s.Run("~/.local/bin/worker"); got != "one\n" {
				t.Errorf("it says %q", got)
			}
			second := s.install(two)
			if second.Outcome != davit.Installed || second.Previous != id(t, one) {
				t.Errorf("upgrade: %+v", second)
			}
			if got := s.Run("~/.local/bin/worker; ~/.local/share/davit/worker/previous/worker"); got != "two\none\n" {
				t.Errorf("they say %q", got)
			}
			if again := s.install(two); again.Outcome != davit.UpToDate || again.Sent != 0 {
				t.Errorf("the same again: %+v", again)
			}
			if back := s.install(one); back.Outcome != davit.Restored || back.Sent != 0 || back.Previous != id(t, two) {
				t.Errorf("back to the first: %+v", back)
			}
			if got := s.Run("~/.local/bin/worker; ls -l ~/.local/bin/worker"); !strings.HasPrefix(got, "one\n") ||
				!strings.Contains(got, "../share/davit/worker/current/worker") {
				t.Errorf("it says %q", got)
			}
			s.assertWhole(id(t, one))
			if log := s.Run("cat ~/.local/share/davit/worker/log.jsonl"); strings.Count(log, `"outcome":"installed"}`) != 3 ||
				strings.Count(log, `"outcome":"unchanged"}`) != 1 {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestEveryStepIsTold(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	ctx, rec := told(t)
	o := davit.InstallOptions{Binary: program(t, "hello", 1<<20), Name: "worker"}
	if _, err := davit.Install(ctx, dial(t, s.Host), o); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"start", "install_start", "connecting", "probe", "create_dir", "copying", "chmod", "verify", "activate", "install_complete",
	}
	if got := rec.Actions(); !slices.Equal(got, want) {
		t.Errorf("actions %q, want %q", got, want)
	}
	events := rec.Events()
	if events[0].Message != "⏱️  Install daemon (timeout: 300s)" {
		t.Errorf("the start says %q", events[0].Message)
	}
	for _, e := range events {
		if e.Host != s.Target() || e.Actor != "install" || e.Job != "" {
			t.Errorf("event without its context: %+v", e)
		}
	}
	i := slices.IndexFunc(events, func(e narrate.Event) bool {
		return e.Kind == narrate.Progress && e.Attrs["done"] == e.Attrs["total"]
	})
	if i < 0 {
		t.Error("the end of the transfer was not told as progress")
	}
}

func TestOnlyTheNewestReleasesStay(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	for _, what := range strings.Fields("a b c d e f g") {
		path := program(t, what, 100)
		s.install(path)
		s.Run("sleep 0.01") // the newest is told by its time
	}
	left, err := os.ReadDir(filepath.Join(s.Home, ".local/share/davit/worker/releases"))
	if err != nil || len(left) != 5 {
		t.Errorf("%d releases are left, want 5 (%v)", len(left), err)
	}
	path := program(t, "h", 100)
	ctx, _ := told(t)
	if _, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: path, Name: "worker", Keep: 3}); err != nil {
		t.Fatal(err)
	}
	left, err = os.ReadDir(filepath.Join(s.Home, ".local/share/davit/worker/releases"))
	if err != nil || len(left) != 3 {
		t.Errorf("%d releases are left, want the 3 that were asked for (%v)", len(left), err)
	}
	s.assertWhole(id(t, path))
}

func TestARunningDaemonIsNeverWrittenTo(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	sleep, err := os.ReadFile(testhost.Need(t, "sleep"))
	if err != nil {
		t.Fatal(err)
	}
	one := filepath.Join(t.TempDir(), "worker")
	if err := os.WriteFile(one, sleep, 0o755); err != nil {
		t.Fatal(err)
	}
	s.install(one)
	s.Run("nohup ~/.local/bin/worker 1000 >/dev/null 2>&1 </dev/null &")
	two := filepath.Join(t.TempDir(), "worker")
	if err := os.WriteFile(two, append(sleep, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	s.install(two)
	if n := len(s.Processes("worker")); n != 1 {
		t.Errorf("%d daemons run, want the one that ran", n)
	}
	s.assertWhole(id(t, two))
}

func TestPlanShowsTheScriptsAndConnectsNowhere(t *testing.T) {
	t.Parallel()
	plan, err := davit.InstallOptions{Binary: program(t, "x", 100), Scope: davit.System}.Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Lines) == 0 || len(plan.Scripts) != 2 || plan.Scripts[0].Name != "elevate" || !strings.Contains(plan.Scripts[1].Text, "digest()") {
		t.Errorf("plan: %+v", plan)
	}
}

func TestADamagedReleaseIsSentAgain(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	one := program(t, "one", 1<<10)
	s.install(one)
	s.Run("echo rot >>.local/share/davit/worker/current/worker")
	if again := s.install(one); again.Outcome != davit.Installed || again.Sent == 0 {
		t.Errorf("%+v", again)
	}
	s.assertWhole(id(t, one))
}

func TestTheLockOfADeadHolderHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tools []string
		lock  string
	}{
		"with flock":                      {[]string{"sha256sum", "flock"}, `echo "2026-01-01T00:00:00Z 1 1 x me@gone" >lock`},
		"without flock":                   {[]string{"sha256sum"}, `ln -s "2026-01-01T00:00:00Z 4194305 1 x me@gone" lock`},
		"another process with its number": {[]string{"sha256sum"}, `ln -s "2026-01-01T00:00:00Z 1 99999999999 x me@gone" lock`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, testhost.WithPath(append(c.tools, testhost.BaseTools...)...)), t}
			one := program(t, "one", 1<<10)
			s.Run("mkdir -p .local/share/davit/worker/incoming-dead/release; cd .local/share/davit/worker; " + c.lock)
			s.install(one)
			s.assertWhole(id(t, one))
		})
	}
}

func TestCheckLooksAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	one := program(t, "one", 1<<10)
	s.install(one)
	before := s.Run("find . | sort")
	ctx, rec := told(t)
	report, err := davit.Check(ctx, dial(t, s.Host), davit.CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []davit.InstalledDaemon{{Name: "worker", Release: id(t, one)}}
	if !slices.Equal(report.Installed, want) || report.Home != s.Home || report.User != s.User || report.Tools["sha256sum"] == "" || report.Free <= 0 {
		t.Errorf("%+v", report)
	}
	if after := s.Run("find . | sort"); after != before {
		t.Errorf("something was touched: %s", after)
	}
	if got := rec.Actions(); !slices.Equal(got, []string{"start", "connecting", "probe"}) {
		t.Errorf("actions %q", got)
	}
	s.assertQuiet()
}
