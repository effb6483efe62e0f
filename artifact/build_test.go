package artifact_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/internal/testhost"
)

// goProgram builds the least Go program with these additions to the environment and returns
// its path.
func goProgram(t *testing.T, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "go.mod", "module hello\n\ngo 1.26.0\n")
	write(t, dir, "main.go", "package main\n\nfunc main() {}\n")
	out := filepath.Join(dir, "hello")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0"), env...)
	run(t, cmd)
	return out
}

// cProgram compiles C source with gcc and returns the path of what came out.
func cProgram(t *testing.T, source string, flags ...string) string {
	t.Helper()
	gcc := testhost.Need(t, "gcc")
	dir := t.TempDir()
	out := filepath.Join(dir, "hello")
	run(t, exec.Command(gcc, append([]string{"-o", out, write(t, dir, "hello.c", source)}, flags...)...))
	return out
}

func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// write makes a file and returns its path.
func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *artifact.File {
	t.Helper()
	f, err := artifact.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// refused fails unless err is an *artifact.Error of the kind, with these words in it.
func refused(t *testing.T, err, kind error, what, hint string) {
	t.Helper()
	e, ok := errors.AsType[*artifact.Error](err)
	if !ok || !errors.Is(err, kind) {
		t.Fatalf("error %v (%T), want an *artifact.Error of kind %v", err, err, kind)
	}
	if e.Path == "" || e.Error() != e.Path+": "+e.Err.Error() {
		t.Errorf("error %q of path %q does not begin with the path", e, e.Path)
	}
	if !strings.Contains(err.Error(), what) {
		t.Errorf("error %q does not say %q", err, what)
	}
	if !strings.Contains(e.Hint, hint) || strings.Contains(e.Hint, "FILE") {
		t.Errorf("hint %q does not say %q", e.Hint, hint)
	}
}
