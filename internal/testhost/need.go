package testhost

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long anything here is waited for. It is generous because only a failing test
// pays for it.
const patience = 30 * time.Second

// Need returns the path of the program tool, which is looked for in PATH and where
// administrators' tools live. Without it the test is skipped, or fails if CI=true: a test
// that silently runs nowhere is no test.
func Need(t testing.TB, tool string) string {
	t.Helper()
	if path, err := exec.LookPath(tool); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, tool)); err == nil {
			return path
		}
	}
	lacking(t, tool+" is not installed")
	return ""
}

// NeedRoot skips the test, or fails it if CI=true, unless it runs as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		lacking(t, "not running as root")
	}
}

func lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("testhost: %s, and in CI nothing is skipped", what)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s", what)
}

// Eventually waits until done reports true, and fails the test with what if that takes more
// than 30 seconds.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	if !poll(done) {
		t.Fatalf("testhost: not within %v: %s", patience, what)
	}
}

// poll reports whether done became true in time.
func poll(done func() bool) bool {
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
