package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/internal/testhost"
)

// examples are the daemons in examples, and the tools that build them.
var examples = map[string][]string{"hello": nil, "rust-hello": {"cargo"}, "c-hello": {"make", "cc"}}

// davitIn runs the real command in a directory, and fails the test if that does.
func davitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "davit", args...)
	cmd.Dir = dir
	// What Rust makes is not to lie about in the source, nor what Davit keeps in the user's cache.
	cmd.Env = append(os.Environ(), "CARGO_TARGET_DIR="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir(), "LANG=C.UTF-8")
	if cache, err := exec.Command("go", "env", "GOCACHE").Output(); err == nil {
		cmd.Env = append(cmd.Env, "GOCACHE="+strings.TrimSpace(string(cache)))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("davit %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestTheExamplesInstallFromSource(t *testing.T) {
	t.Parallel()
	for name, tools := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tool := range tools {
				testhost.Need(t, tool)
			}
			h := testhost.Start(t)
			out := davitIn(t, filepath.Join("..", "..", "examples", name), "install", name, "far", "--ssh-config", configOf(t, h))
			for _, word := range []string{"🔨 Building " + name + " for linux/", "✅ Built " + name, "🎉 Installed " + name} {
				if !strings.Contains(out, word) {
					t.Errorf("%q is not in:\n%s", word, out)
				}
			}
			if said := h.Run(".local/bin/" + name + " --version"); !strings.HasPrefix(said, name+" ") {
				t.Errorf("the daemon says it is %q", said)
			}
		})
	}
}

func TestTheExamplesAreBuiltForAnotherPlatform(t *testing.T) {
	t.Parallel()
	for name, tools := range map[string][]string{"hello": nil, "c-hello": {"make", "aarch64-linux-gnu-gcc"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tool := range tools {
				testhost.Need(t, tool)
			}
			path := filepath.Join(t.TempDir(), name)
			davitIn(t, filepath.Join("..", "..", "examples", name), "build", name, "--for", "linux/arm64", "-o", path)
			file, err := artifact.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := file.Needs.String(); got != "linux/arm64" {
				t.Errorf("it is built for %s", got)
			}
		})
	}
}

// TestADraftInstalls writes a manifest for each example with davit init, and installs what that says.
func TestADraftInstalls(t *testing.T) {
	t.Parallel()
	for name, tools := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tool := range tools {
				testhost.Need(t, tool)
			}
			h := testhost.Start(t)
			dir := filepath.Join(t.TempDir(), name)
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", name))); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, "davit.yaml")); err != nil {
				t.Fatal(err)
			}
			if name == "hello" { // its module is Davit's own
				if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/hello\n\ngo 1.26.0\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			davitIn(t, dir, "init")
			davitIn(t, dir, "install", name, "far", "--ssh-config", configOf(t, h))
			if said := h.Run(".local/bin/" + name + " --version"); !strings.HasPrefix(said, name+" ") {
				t.Errorf("the daemon says it is %q", said)
			}
		})
	}
}
