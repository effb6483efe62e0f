package davit_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/build"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
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
