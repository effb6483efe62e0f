package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/narrate"
)

// byCommand returns a builder that runs a command.
func byCommand(t testing.TB, run string) *Builder {
	t.Helper()
	return builder(t, Recipe{Dir: tree(t, map[string]string{"README": ""}), Command: &Command{Run: run}})
}

// answer is what a caller of Build got.
type answer struct {
	Output
	err error
}

// ask calls Build and returns where the answer will be.
func ask(ctx context.Context, b *Builder, p artifact.Platform) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		o, err := b.Build(ctx, p)
		got <- answer{o, err}
	}()
	return got
}

// begun waits until a file is there, and returns the numbers in it.
func begun(t testing.TB, b *Builder, file string) []int {
	t.Helper()
	path := filepath.Join(b.recipe.Dir, file)
	eventually(func() bool { return exists(path) })
	var pids []int
	for _, word := range strings.Fields(read(t, path)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// checkGone fails unless all these processes have ended, and the whole group of the first.
func checkGone(t testing.TB, pids []int) {
	t.Helper()
	if len(pids) == 0 {
		t.Error("no process was told")
	}
	for _, pid := range pids {
		if stat, running := process(strconv.Itoa(pid)); running {
			t.Errorf("process %d runs: %s", pid, stat)
		}
	}
	all, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("SKIPPED, NOT TESTED: there is no /proc")
	}
	for _, e := range all {
		stat, running := process(e.Name())
		if fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:]); running && len(fields) > 2 && fields[2] == strconv.Itoa(pids[0]) {
			t.Errorf("of the group a process runs: %s", stat)
		}
	}
}

// process returns what /proc says of a process, and whether it runs; one that nobody has waited for does not.
func process(pid string) (stat string, running bool) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "", false
	}
	stat = string(b)
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	return stat, len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

// hang is a command that says which processes it has, and goes on for ever.
const hang = `sleep 1000 & echo $$ $! >pids.new; mv pids.new pids; wait`

func TestOneBuildForAllHostsOfAPlatform(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, run string }{
		{"which all get", `echo run >>count; sleep 0.2; printf '#!/bin/sh\n# %s\n' $DAVIT_ARCH >"$DAVIT_OUTPUT"`},
		{"the error of which all get", `echo run >>count; sleep 0.2; echo error: no; exit 1`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := byCommand(t, tc.run)
			ctx, rec := told(t)
			var answers [2][5]answer
			var all sync.WaitGroup
			for i, arch := range []string{"amd64", "arm64"} {
				for j := range answers[i] {
					all.Go(func() {
						o, err := b.Build(ctx, platform(arch))
						answers[i][j] = answer{o, err}
					})
				}
			}
			all.Wait()
			if got := read(t, filepath.Join(b.recipe.Dir, "count")); got != "run\nrun\n" {
				t.Errorf("it was run: %q", got)
			}
			waited := 0
			for _, action := range rec.Actions() {
				if action == "build_wait" {
					waited++
				}
			}
			if waited > 8 {
				t.Errorf("%d of 10 waited for another", waited)
			}
			for i := range answers {
				for _, a := range answers[i] {
					if a != answers[i][0] || (a.File == nil) == (a.err == nil) {
						t.Errorf("got %+v, another got %+v", a, answers[i][0])
					}
				}
			}
		})
	}
}

func TestWhoeverWaitsIsTold(t *testing.T) {
	t.Parallel()
	b := byCommand(t, `: >begun; while [ ! -e on ]; do sleep 0.01; done; printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`)
	first := ask(quiet(t), b, here)
	begun(t, b, "begun")
	ctx, rec := told(t)
	second := ask(ctx, b, here)
	eventually(func() bool { return len(rec.Events()) > 0 })
	write(t, filepath.Join(b.recipe.Dir, "on"), "")
	if a, z := <-first, <-second; a != z || a.err != nil {
		t.Errorf("got %v and %v", a, z)
	}
	if got := rec.Events(); len(got) != 1 || got[0].Action != "build_wait" || !strings.Contains(got[0].Message, here.String()) {
		t.Errorf("told %v", got)
	}
}

func TestASinkThatStallsKeepsNobodyElse(t *testing.T) {
	t.Parallel()
	b := byCommand(t, `: >begun; while [ ! -e on ]; do sleep 0.01; done; printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`)
	first := ask(quiet(t), b, here)
	begun(t, b, "begun")
	told, release := make(chan struct{}), make(chan struct{})
	stalled := narrate.SinkFunc(func(narrate.Event) error { close(told); <-release; return nil })
	second := ask(narrate.WithNarrator(t.Context(), narrate.New(prompt{stalled})), b, here)
	<-told
	write(t, filepath.Join(b.recipe.Dir, "on"), "")
	a := <-first
	close(release)
	if z := <-second; a != z || a.err != nil {
		t.Errorf("got %v and %v", a, z)
	}
}

// prompt is a sink that is called where the event happens.
type prompt struct{ narrate.SinkFunc }

func (prompt) Prompt() {}

func TestABuildGoesOnAsLongAsSomebodyWaits(t *testing.T) {
	t.Parallel()
	b := byCommand(t, `: >begun; while [ ! -e on ]; do sleep 0.01; done; printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`)
	why := errors.New("the first has had enough")
	ctx, cancel := context.WithCancelCause(quiet(t))
	first := ask(ctx, b, here)
	begun(t, b, "begun")
	ctx, rec := told(t)
	second := ask(ctx, b, here)
	eventually(func() bool { return len(rec.Events()) > 0 })
	cancel(why)
	if a := <-first; !errors.Is(a.err, why) {
		t.Errorf("the first got %v", a)
	}
	write(t, filepath.Join(b.recipe.Dir, "on"), "")
	if a := <-second; a.err != nil {
		t.Errorf("the second got %v", a.err)
	}
}

func TestTheLastOneToLeaveEndsTheBuild(t *testing.T) {
	t.Parallel()
	b := byCommand(t, `echo run >>count; [ -e on ] || { `+hang+`; }; printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`)
	why := errors.New("nobody wants it")
	ctx, cancel := context.WithCancelCause(quiet(t))
	first, second := ask(ctx, b, here), ask(ctx, b, here)
	pids := begun(t, b, "pids")
	eventually(func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.runs[platformKey(here)].waiters == 2
	})
	cancel(why)
	a, z := <-first, <-second
	if !errors.Is(a.err, why) || !errors.Is(z.err, why) {
		t.Errorf("got %v and %v", a.err, z.err)
	}
	checkGone(t, pids)
	// What was ended is not what the next one gets.
	write(t, filepath.Join(b.recipe.Dir, "on"), "")
	build(t, b, here)
	if got := read(t, filepath.Join(b.recipe.Dir, "count")); got != "run\nrun\n" {
		t.Errorf("it was run: %q", got)
	}
}

func TestTheNextBuildWaitsForTheEndOfTheOneBefore(t *testing.T) {
	t.Parallel()
	// The first is told to end, and takes its time.
	b := byCommand(t, `mkdir busy || exit; trap 'sleep 0.5; rmdir busy; exit' TERM; [ -e begun ] || { : >begun; while :; do sleep 0.01; done; }
rmdir busy; printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`)
	ctx, cancel := context.WithCancel(quiet(t))
	first := ask(ctx, b, here)
	begun(t, b, "begun")
	cancel()
	eventually(func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.runs[platformKey(here)].left
	})
	build(t, b, here)
	if a := <-first; !errors.Is(a.err, context.Canceled) {
		t.Errorf("the first got %v", a.err)
	}
}

func TestNothingIsBegunForAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	why := errors.New("too late")
	ctx, cancel := context.WithCancelCause(quiet(t))
	cancel(why)
	b := byCommand(t, ": >begun")
	if _, err := b.Build(ctx, here); !errors.Is(err, why) || exists(filepath.Join(b.recipe.Dir, "begun")) {
		t.Errorf("error %v", err)
	}
}

func TestABuildIsCutAtTheLimit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, run string }{
		{"if it hangs", hang},
		{"if it prints for ever", `echo $$ >pids; while :; do echo and on; done`},
		{"if it prints a line without an end", `echo $$ >pids; while :; do printf 'and on '; done`},
		{"if it ignores TERM", `trap '' TERM; ` + hang},
		{"if what it started ignores TERM", `sh -c 'trap "" TERM; echo $$ >>pids; while :; do sleep 1; done' & sh -c 'trap "" TERM; exec sleep 1000' & echo $$ $! >>pids; wait`},
		{"if it forks again and again", `echo $$ >pids; f() { while :; do sleep 1000 & sleep 0.05; done; }; f & f & wait`},
		{"if it has many children", `sleep 1000 & echo $! >pids; for i in 1 2 3; do sleep 1000 & done; sleep 1000`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := byCommand(t, tc.run)
			left := make(chan error, 1)
			_, err := deadline.Value(quiet(t), deadline.Limit{Label: "Install daemon", After: 3 * time.Second}, func(ctx context.Context) (Output, error) {
				ctx = narrate.WithStep(ctx, "build")
				deadline.Enter(ctx, "build")
				o, err := b.Build(ctx, here)
				left <- err
				return o, err
			})
			if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "install daemon timed out after 3 seconds (build") {
				t.Errorf("error %v", err)
			}
			if err := <-left; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Build returned %v", err)
			}
			checkGone(t, begun(t, b, "pids"))
		})
	}
}

func TestCloseRemovesWhatWasMade(t *testing.T) {
	t.Parallel()
	b := byCommand(t, `printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`)
	o := build(t, b, here)
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if exists(o.File.Path) || exists(b.dir) {
		t.Error("it is there")
	}
	for _, p := range []artifact.Platform{here, {OS: "linux", Arch: "riscv64"}} {
		_, err := b.Build(quiet(t), p)
		refused(t, err, ErrFailed, "the builder was closed", "")
	}
}

func TestCloseEndsWhatIsBeingBuilt(t *testing.T) {
	t.Parallel()
	b := byCommand(t, `trap '' TERM; `+hang)
	got := ask(quiet(t), b, here)
	pids := begun(t, b, "pids")
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	checkGone(t, pids)
	if exists(b.dir) {
		t.Error("its directory is there")
	}
	refused(t, (<-got).err, ErrFailed, "build worker: the builder was closed", "")
}

func TestCloseEndsABuildThatHasNotBegun(t *testing.T) {
	t.Parallel()
	b := byCommand(t, `trap '' TERM; echo run >>count; `+hang)
	ctx, cancel := context.WithCancel(quiet(t))
	first := ask(ctx, b, here)
	begun(t, b, "pids")
	cancel()
	eventually(func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.runs[platformKey(here)].left
	})
	ctx, rec := told(t)
	second := ask(ctx, b, here)
	eventually(func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return !b.runs[platformKey(here)].left
	})
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	refused(t, (<-second).err, ErrFailed, "build worker: the builder was closed", "")
	if a := <-first; !errors.Is(a.err, context.Canceled) {
		t.Errorf("the first got %v", a.err)
	}
	if got := read(t, filepath.Join(b.recipe.Dir, "count")); got != "run\n" || len(rec.Events()) > 0 {
		t.Errorf("it was run: %q; told %v", got, rec.Events())
	}
}

func TestABuildThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, run := range []string{`: >"$DAVIT_OUTPUT.tmp"; exit 1`, `: >"$DAVIT_OUTPUT"`} {
		b := byCommand(t, run)
		if _, err := b.Build(quiet(t), here); err == nil {
			t.Error("it succeeded")
		}
		if left, err := os.ReadDir(b.dir); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}

func TestAHostOfNoPlatform(t *testing.T) {
	t.Parallel()
	b := byCommand(t, "true")
	for _, p := range []artifact.Platform{{}, {OS: "linux"}, {Arch: "amd64"}} {
		_, err := b.Build(quiet(t), p)
		refused(t, err, ErrRecipe, "the host does not say for which platform to build", "--binary")
	}
}

func TestTheTimeThatProcessesHaveToEnd(t *testing.T) {
	t.Parallel()
	limited := func(after time.Duration) (grace time.Duration) {
		if err := deadline.Run(quiet(t), deadline.Limit{Label: "Test", After: after}, func(ctx context.Context) error {
			grace = graceOf(ctx)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return grace
	}
	within := func(name string, got, least, most time.Duration) {
		if got < least || got > most {
			t.Errorf("%s: %v, want %v to %v", name, got, least, most)
		}
	}
	within("without a limit", graceOf(t.Context()), narrate.DefaultGrace, narrate.DefaultGrace)
	within("a long limit", limited(5*time.Minute), narrate.DefaultGrace, narrate.DefaultGrace)
	within("a limit of 20 seconds", limited(20*time.Second), 450*time.Millisecond, 510*time.Millisecond)
	within("a limit of 2 seconds", limited(2*time.Second), time.Millisecond, 135*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	within("a deadline that is no limit", graceOf(ctx), narrate.DefaultGrace, narrate.DefaultGrace)
	if got := graceFrom(withGrace(t.Context(), time.Second)); got != time.Second || graceFrom(t.Context()) != 0 {
		t.Errorf("carried: %v", got)
	}
}
