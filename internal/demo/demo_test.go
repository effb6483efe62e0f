package demo

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
	"github.com/google/go-cmp/cmp"
)

// source is a folder of the module, seen from this package.
const source = "../.."

// emptyTemp gives the demo a folder for temporary files of its own.
func emptyTemp(t *testing.T) string {
	t.Helper()
	tmp := t.TempDir()
	t.Setenv("GOCACHE", goCache(t)) // which may be below the home
	t.Setenv("TMPDIR", tmp)
	return tmp
}

func goCache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("GOCACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "go-build")
}

// nothingLeft checks that the demo left no file and no process behind.
func nothingLeft(t *testing.T, tmp string) {
	t.Helper()
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		if env, err := os.ReadFile(path); err == nil && strings.Contains(string(env), "HOME="+tmp) {
			t.Errorf("still running: %s", path)
		}
	}
}

func TestTheDemoInstallsUpgradesShowsAndLeavesNothing(t *testing.T) {
	tmp := emptyTemp(t)
	var told narrate.Recorder
	if err := Run(narrate.WithNarrator(t.Context(), narrate.New(&told)), source); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, tmp)
	var output, layout []string
	var receipts []davit.Receipt
	for _, e := range told.Events() {
		switch {
		case e.Kind == narrate.Output:
			output = append(output, e.Message)
		case e.Action == "layout":
			layout = append(layout, strings.Fields(e.Message)[0])
		case e.Attrs["receipt"] != nil:
			receipts = append(receipts, e.Attrs["receipt"].(davit.Receipt))
		}
	}
	if diff := cmp.Diff([]string{"hello 1.0.0", "hello 1.1.0"}, output); diff != "" {
		t.Errorf("what the installed daemon said (-want +got):\n%s", diff)
	}
	if len(receipts) != 2 || receipts[0].Outcome != davit.Installed || receipts[1].Outcome != davit.Installed ||
		receipts[0].Release == receipts[1].Release {
		t.Fatalf("receipts: %+v", receipts)
	}
	releases := []string{receipts[0].Release[:12] + "/", receipts[1].Release[:12] + "/"}
	slices.Sort(releases)
	want := []string{
		"~", ".local/", "bin/", "hello", "share/davit/hello/", "current", "log.jsonl", "previous", "releases/",
		releases[0], "hello", releases[1], "hello", "undo/",
	}
	if diff := cmp.Diff(want, layout); diff != "" {
		t.Errorf("layout (-want +got):\n%s", diff)
	}
}

func TestAnInterruptedDemoLeavesNothing(t *testing.T) {
	for _, at := range []string{"host", "building", "copying", "running", "layout"} {
		t.Run(at, func(t *testing.T) {
			tmp := emptyTemp(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			interrupt := narrate.SinkFunc(func(e narrate.Event) error {
				if e.Action == at {
					cancel(davit.ErrInterrupted)
				}
				return nil
			})
			err := Run(narrate.WithNarrator(ctx, narrate.New(interrupt)), source)
			if !errors.Is(err, davit.ErrInterrupted) {
				t.Errorf("got %v", err)
			}
			nothingLeft(t, tmp)
		})
	}
}

func TestWhatTheDemoLacksIsSaid(t *testing.T) {
	t.Run("its source", func(t *testing.T) {
		hasHint(t, Run(t.Context(), t.TempDir()), "source", "git clone")
	})
	t.Run("the source of another module is none", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/other\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		hasHint(t, Run(t.Context(), dir), "source", "git clone")
	})
	t.Run("Go", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		hasHint(t, Run(t.Context(), source), "no go command", "https://go.dev/dl")
	})
}

func hasHint(t *testing.T, err error, what, hint string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || !strings.Contains(e.Error(), what) || !strings.Contains(e.Hint, hint) {
		t.Errorf("got %#v", err)
	}
}

func TestABuildThatFailsIsTold(t *testing.T) {
	testhost.Need(t, "go")
	b, err := newBuilder(source)
	if err != nil {
		t.Fatal(err)
	}
	var told narrate.Recorder
	ctx := narrate.WithNarrator(t.Context(), narrate.New(&told))
	err = b.build(ctx, filepath.Join(t.TempDir(), "no", "such", "folder", "hello"), "1.0.0 -bad")
	if err == nil || !strings.HasPrefix(err.Error(), "build hello 1.0.0 -bad: go: exit status") {
		t.Errorf("got %v", err)
	}
	if !slices.ContainsFunc(told.Events(), func(e narrate.Event) bool { return e.Kind == narrate.Output }) {
		t.Error("what go said was not told")
	}
}
