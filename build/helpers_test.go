package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/narrate"
)

// TestMain gives the tests a cache of executables and a folder for temporary files of their own, in which nothing
// may be left; the go command keeps its cache.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		goCache, err := exec.Command("go", "env", "GOCACHE").Output()
		if err != nil {
			fmt.Println("go env GOCACHE:", err)
			return 1
		}
		dir, err := os.MkdirTemp("", "davit-test-build-")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer os.RemoveAll(dir)
		for name, value := range map[string]string{
			"GOCACHE": strings.TrimSpace(string(goCache)), "GOFLAGS": "", "GOWORK": "off", "CC": "",
			"XDG_CACHE_HOME": filepath.Join(dir, "cache"), "TMPDIR": dir, "CARGO_TARGET_DIR": "", "CARGO_BUILD_TARGET_DIR": "",
		} {
			if value == "" {
				os.Unsetenv(name)
			} else {
				os.Setenv(name, value)
			}
		}
		code := m.Run()
		if left, _ := filepath.Glob(filepath.Join(dir, "davit-build-*")); len(left) > 0 {
			fmt.Println("left behind:", left)
			return max(code, 1)
		}
		return code
	}())
}

// here is this machine, as far as a build has to know it.
var here = artifact.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}

func platform(arch string) artifact.Platform {
	return artifact.Platform{OS: "linux", Arch: arch, LongBit: "64", Libc: "glibc"}
}

// tree writes a tree of files, and returns where it is: a folder with a space in its name.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a source")
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// What another test starts meanwhile would hold the file open for writing, and it could not be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// told returns a context that tells to the recorder.
func told(t testing.TB) (context.Context, *narrate.Recorder) {
	var rec narrate.Recorder
	return narrate.WithNarrator(t.Context(), narrate.New(&rec)), &rec
}

func quiet(t testing.TB) context.Context {
	ctx, _ := told(t)
	return ctx
}

// printed returns the lines of captured output.
func printed(rec *narrate.Recorder) (lines []string) {
	for _, e := range rec.Events() {
		if e.Kind == narrate.Output {
			lines = append(lines, e.Message)
		}
	}
	return lines
}

func builder(t testing.TB, r Recipe) *Builder {
	t.Helper()
	if r.Name == "" {
		r.Name = "worker"
	}
	b, err := New(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func build(t testing.TB, b *Builder, p artifact.Platform) Output {
	t.Helper()
	o, err := b.Build(quiet(t), p)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			t.Log(strings.Join(e.Output, "\n"))
		}
		t.Fatal(err)
	}
	return o
}

// refused fails unless err is an *Error of the kind on one line, with these words in it and in its hint.
func refused(t testing.TB, err, kind error, what, hint string) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, kind) {
		t.Fatalf("error %v (%T), want an *Error of kind %q", err, err, kind)
	}
	if !strings.Contains(e.Error(), what) || strings.Contains(e.Error(), "\n") {
		t.Errorf("error %q does not say %q, on one line", e, what)
	}
	if !strings.Contains(e.Hint, hint) || hint == "" && e.Hint != "" {
		t.Errorf("hint %q does not say %q", e.Hint, hint)
	}
	return e
}

// says returns what an executable prints here.
func says(t testing.TB, o Output) string {
	t.Helper()
	out, err := exec.Command(o.File.Path).CombinedOutput()
	for errors.Is(err, syscall.ETXTBSY) { // for the same reason as in write
		out, err = exec.Command(o.File.Path).CombinedOutput()
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eventually waits for something; a test that waits in vain fails by its time limit.
func eventually(done func() bool) {
	for !done() {
		time.Sleep(2 * time.Millisecond)
	}
}
