package davit_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/build"
	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/stream"
)

// tree writes a tree of files, and returns where it is.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func builder(t testing.TB, r build.Recipe) *build.Builder {
	t.Helper()
	r.Name = "worker"
	b, err := build.New(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// actions returns what of kinds narration and output was told, by action or, of output, as it is.
func actions(events []narrate.Event) (all []string) {
	for _, e := range events {
		switch e.Kind {
		case narrate.Narration:
			all = append(all, e.Action)
		case narrate.Output:
			all = append(all, e.Message)
		}
	}
	return all
}

func TestInstallBuildsForTheHost(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	ctx, rec := told(t)
	dir := tree(t, map[string]string{"worker.sh": "#!/bin/sh\necho at work\n"})
	b := builder(t, build.Recipe{Dir: dir, Command: &build.Command{Run: `echo compiling for $DAVIT_OS; echo a warning; cp worker.sh "$DAVIT_OUTPUT"`}})
	r, err := davit.Install(ctx, dial(t, h), davit.InstallOptions{Build: b})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"start", "install_start", "connecting", "probe", "building", "compiling for linux", "a warning", "build_complete", "probe",
		"create_dir", "copying", "chmod", "verify", "activate", "install_complete",
	}
	got := actions(rec.Events())
	if !slices.Equal(got, want) {
		t.Errorf("told %q\nwant %q", got, want)
	}
	if r.Build == nil || r.Build.Tool != "command" || r.Build.Cached || r.Size != 23 || r.Daemon != "worker" {
		t.Errorf("receipt: %+v, build %+v", r, r.Build)
	}
	if got := h.Run(".local/bin/worker"); strings.TrimSpace(got) != "at work" {
		t.Errorf("it says %q", got)
	}
}

func TestABuildIsMadeOnceForEachPlatform(t *testing.T) {
	t.Parallel()
	here, there := testhost.Start(t), testhost.Start(t, testhost.WithMachine("aarch64"))
	ctx, rec := told(t)
	dir := tree(t, nil)
	b := builder(t, build.Recipe{Dir: dir, Command: &build.Command{
		Run: `echo $DAVIT_ARCH >>runs; printf '#!/bin/sh\necho %s\n' $DAVIT_ARCH >"$DAVIT_OUTPUT"`,
	}})
	var hosts []host.Host
	for i := range 10 {
		h := here
		if i%2 == 1 {
			h = there
		}
		hosts = append(hosts, dial(t, h))
	}
	// Of those that are one machine all but one may find the others at work there.
	results := fleet.Run(ctx, hosts, fleet.Options{}, func(ctx context.Context, h host.Host) (davit.Receipt, error) {
		r, err := davit.Install(ctx, h, davit.InstallOptions{Build: b})
		for errors.Is(err, davit.ErrLocked) {
			r, err = davit.Install(ctx, h, davit.InstallOptions{Build: b})
		}
		return r, err
	})
	if err := fleet.Err(results); err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Value.Build == nil || r.Value.Build.Tool != "command" {
			t.Errorf("%s: no word of the build in %+v", r.Host, r.Value)
		}
	}
	runs, err := os.ReadFile(filepath.Join(dir, "runs"))
	if got := strings.Fields(string(runs)); err != nil || len(got) != 2 || got[0] == got[1] {
		t.Errorf("the command ran for %q, %v", got, err)
	}
	if n := count(rec.Events(), "building"); n != 2 {
		t.Errorf("%d builds were told", n)
	}
	for h, arch := range map[*testhost.Host]string{here: "amd64", there: "arm64"} {
		if got := strings.TrimSpace(h.Run(".local/bin/worker")); got != arch {
			t.Errorf("%s has the executable for %s", h.Target(), got)
		}
	}
}

func count(events []narrate.Event, action string) (n int) {
	for _, e := range events {
		if e.Action == action {
			n++
		}
	}
	return n
}

func TestABuildThatFailsTouchesNoHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		run   string
		code  int
		words []string
	}{
		"it fails":                 {`echo 'main.c:3:1: error: no such thing' >&2; exit 2`, davit.ExitFailed, []string{"build: the command failed (exit status 2): main.c:3:1: error: no such thing"}},
		"it says nothing":          {`exit 3`, davit.ExitFailed, []string{"exit status 3", "said nothing"}},
		"it makes nothing":         {`:`, davit.ExitFailed, []string{"did not make", "$DAVIT_OUTPUT"}},
		"it makes an empty file":   {`: >"$DAVIT_OUTPUT"`, davit.ExitFailed, []string{"is empty"}},
		"it makes what is no file": {`mkdir "$DAVIT_OUTPUT"`, davit.ExitFailed, []string{"is a directory"}},
		"it makes text":            {`echo hello >"$DAVIT_OUTPUT"`, davit.ExitFailed, []string{"is text without a #! line"}},
		"it is for another host":   {`cp other "$DAVIT_OUTPUT"`, davit.ExitHost, []string{"is built for linux/arm64, the host is linux/amd64", "$DAVIT_ARCH"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t), t}
			dir := tree(t, nil)
			buildFor(t, filepath.Join(dir, "other"), "arm64")
			b := builder(t, build.Recipe{Dir: dir, Command: &build.Command{Run: c.run}})
			ctx, rec := told(t)
			_, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Build: b})
			explained(t, err, c.code, append(c.words, "nothing was touched on "+s.Target())...)
			if n := count(rec.Events(), "connecting"); n != 1 {
				t.Errorf("connected %d times", n)
			}
			s.assertQuiet()
			if made := s.Run("ls -A"); made != "" {
				t.Errorf("on the host there is %q", made)
			}
		})
	}
}

// TestABuildThatDoesNotEndIsCutAtTheLimit has builds that do not end in whatever way: at the limit the
// caller is answered, and no process is left of them.
func TestABuildThatDoesNotEndIsCutAtTheLimit(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("SKIPPED, NOT TESTED: ", err)
	}
	for name, run := range map[string]string{
		"it sleeps":           `sleep 3600`,
		"it ignores TERM":     `trap '' TERM; while :; do sleep 1; done`,
		"it prints for ever":  `yes`,
		"it forks":            `for i in 1 2 3 4 5; do (trap '' TERM; sleep 3600) & done; wait`,
		"it leaves a child":   `sleep 3600 & sleep 3600 >/dev/null 2>&1 & echo $!`,
		"it waits for answer": `cat; sleep 3600`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t), t}
			dir := tree(t, nil)
			b := builder(t, build.Recipe{Dir: dir, Command: &build.Command{Run: `echo $$ >pid; ` + run}})
			rec := &narrate.Recorder{}
			ctx := narrate.WithNarrator(t.Context(), narrate.New(quiet{rec}))
			_, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Build: b, Timeout: 8 * time.Second})
			if name == "it leaves a child" { // the command itself has ended, and made nothing
				explained(t, err, davit.ExitFailed, "did not make")
				return
			}
			explained(t, err, davit.ExitDeadline, "install daemon timed out after 8 seconds (build)", "nothing was touched on "+s.Target(), "--timeout")
			if deadline.Abandoned() > 0 && count(rec.Events(), "abandoned") > 0 {
				t.Error("the build was left behind")
			}
			pid, err := os.ReadFile(filepath.Join(dir, "pid"))
			if err != nil {
				t.Fatal(err)
			}
			if left := group(strings.TrimSpace(string(pid))); len(left) > 0 {
				t.Errorf("of the build there is left: %q", left)
			}
			s.assertQuiet()
		})
	}
}

// quiet is a sink that takes no output.
type quiet struct{ *narrate.Recorder }

func (q quiet) Emit(e narrate.Event) error {
	if e.Kind == narrate.Output {
		return nil
	}
	return q.Recorder.Emit(e)
}

// group returns what of the members of a process group has not ended.
func group(pgid string) (left []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// PID (NAME) STATE PPID PGRP …
		fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
		if len(fields) > 2 && fields[2] == pgid && fields[0] != "Z" && fields[0] != "X" {
			left = append(left, string(stat))
		}
	}
	return left
}

func TestABuildGoesOnForOthersWhenOneIsInterrupted(t *testing.T) {
	t.Parallel()
	one, two := testhost.Start(t), testhost.Start(t)
	dir := tree(t, nil)
	b := builder(t, build.Recipe{Dir: dir, Command: &build.Command{
		Run: `: >begun; until [ -e go ]; do sleep 0.02; done; printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`,
	}})
	ctx, rec := told(t)
	ended := make(chan error, 1)
	first, interrupt := context.WithCancelCause(ctx)
	go func() {
		_, err := davit.Install(first, dial(t, one), davit.InstallOptions{Build: b})
		ended <- err
	}()
	testhost.Eventually(t, "the build has begun", func() bool { _, err := os.Stat(filepath.Join(dir, "begun")); return err == nil })
	done := make(chan error, 1)
	go func() {
		_, err := davit.Install(ctx, dial(t, two), davit.InstallOptions{Build: b})
		done <- err
	}()
	testhost.Eventually(t, "the other waits", func() bool { return count(rec.Events(), "build_wait") == 1 })
	interrupt(davit.ErrInterrupted)
	explained(t, <-ended, davit.ExitInterrupted, "build", "nothing was touched")
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTheJobOfABuildHasItsLines(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	log := stream.NewMemory(100)
	ctx := narrate.WithNarrator(t.Context(), narrate.New())
	b := builder(t, build.Recipe{Dir: tree(t, nil), Command: &build.Command{Run: `echo compiling; printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`}})
	job := &narrate.Recorder{}
	ctx = narrate.WithSink(narrate.WithSink(narrate.WithJob(ctx, "job-1"), log.Sink()), narrate.JobsOnly(job))
	if _, err := davit.Install(ctx, dial(t, h), davit.InstallOptions{Build: b}); err != nil {
		t.Fatal(err)
	}
	got := actions(job.Events())
	i := slices.Index(got, "building")
	if i < 0 || !slices.Equal(got[i:i+3], []string{"building", "compiling", "build_complete"}) {
		t.Errorf("the job heard %q", got)
	}
	for _, e := range job.Events() {
		if e.Job != "job-1" || e.Host != h.Target() {
			t.Errorf("event without its context: %+v", e)
		}
	}
}

func TestTheSourceIsBuiltForRootOnce(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	s := site{testhost.Start(t, testhost.Ordinary, testhost.WithSSHD("MaxSessions 1")), t}
	testhost.Need(t, "sudo")
	allow(t, s.Host, "ALL")
	b := builder(t, build.Recipe{Dir: tree(t, nil), Command: &build.Command{Run: `printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`}})
	asked, dir := 0, t.TempDir()
	name := "davit-test-" + strings.ToLower(rand.Text()[:8])
	t.Cleanup(func() { os.Remove("/usr/local/bin/" + name) })
	o := davit.InstallOptions{Build: b, Name: name, Scope: davit.System, Dir: dir, Password: func(context.Context, string) (string, error) {
		asked++
		return "right horse", nil
	}}
	ctx, _ := told(t)
	r, err := davit.Install(ctx, dial(t, s.Host), o)
	if err != nil || r.Link != "/usr/local/bin/"+name {
		t.Errorf("%+v, %v", r, err)
	}
	if asked != 1 {
		t.Errorf("the password was asked for %d times", asked)
	}
}
