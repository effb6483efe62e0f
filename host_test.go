package davit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// dial returns h as Davit sees it.
func dial(t testing.TB, h *testhost.Host) host.Host {
	t.Helper()
	conn, err := ssh.New(h.Target(), options(h))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func options(h *testhost.Host) ssh.Options {
	return ssh.Options{ConfigFile: os.DevNull, Identities: []string{h.IdentityFile}, KnownHostsFiles: []string{h.KnownHosts}}
}

// told returns a context that tells to a recorder only.
func told(t testing.TB) (context.Context, *narrate.Recorder) {
	rec := &narrate.Recorder{}
	t.Cleanup(func() {
		for _, e := range rec.Events() {
			if t.Failed() && e.Kind != narrate.Progress {
				t.Log(narrate.Line(e))
			}
		}
	})
	return narrate.WithNarrator(t.Context(), narrate.New(rec)), rec
}

// program writes an executable of about size bytes that says what and cannot be compressed.
func program(t testing.TB, what string, size int) string {
	t.Helper()
	noise := make([]byte, size/2)
	rand.Read(noise)
	path := filepath.Join(t.TempDir(), "worker")
	text := fmt.Sprintf("#!/bin/sh\necho %s\nexit\n%x\n", host.Quote(what), noise)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func id(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:12]
}

// site is what an install has to do with on a host.
type site struct {
	*testhost.Host
	t testing.TB
}

// assertWhole fails the test unless the host runs one of the releases, whole, or, for "", none,
// and nothing of ours but that remains there.
func (s site) assertWhole(releases ...string) {
	s.t.Helper()
	s.assertQuiet()
	home := s.See(s.Home)
	base := filepath.Join(home, ".local/share/davit/worker")
	for _, pattern := range []string{"incoming-*", "lock"} {
		if left, _ := filepath.Glob(filepath.Join(base, pattern)); len(left) > 0 {
			s.t.Errorf("left behind: %v", left)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(home, ".local/bin/.*")); len(left) > 0 {
		s.t.Errorf("left behind: %v", left)
	}
	current, err := os.Readlink(filepath.Join(base, "current"))
	if err != nil {
		current = ""
	}
	current = strings.TrimPrefix(current, "releases/")
	for _, want := range releases {
		if want != current {
			continue
		}
		if want != "" && id(s.t, filepath.Join(home, ".local/bin/worker")) != want {
			s.t.Errorf("release %s is altered", want)
		}
		return
	}
	s.t.Errorf("current is %q, want one of %q", current, releases)
}

// assertQuiet fails the test unless nothing runs on the host any more, but for the daemon.
func (s site) assertQuiet() {
	s.t.Helper()
	testhost.Eventually(s.t, "no process of ours is left", func() bool {
		for _, p := range s.Processes("") {
			if len(p.Args) == 0 || !strings.HasSuffix(p.Args[0], "/worker") {
				return false
			}
		}
		return true
	})
}

// install installs the executable at path as "worker" and fails the test if that does.
func (s site) install(path string) davit.Receipt {
	s.t.Helper()
	ctx, _ := told(s.t)
	r, err := davit.Install(ctx, dial(s.t, s.Host), davit.InstallOptions{Binary: path, Name: "worker"})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// explained fails the test unless err says all that a failed operation owes its user, and words.
func explained(t testing.TB, err error, code int, words ...string) {
	t.Helper()
	if got := davit.ExitCode(err); got != code {
		t.Errorf("exit code %d, want %d: %v", got, code, err)
	}
	var e *davit.Error
	if !asError(err, &e) {
		t.Fatalf("%v is not an *Error", err)
	}
	if e.Operation == "" || e.Host == "" || e.State == "" {
		t.Errorf("the error does not say which operation, where, or in what state the host is: %+v", e)
	}
	text := err.Error() + " | " + e.State + " | " + e.Hint
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in: %s", w, text)
		}
	}
	if bytes.ContainsAny([]byte(text), "\n\x00") {
		t.Errorf("more than a line: %q", text)
	}
}

// soon bounds what should never take long; nothing is measured with it.
const soon = 30 * time.Second

// buildFor builds a small program for another architecture.
func buildFor(t testing.TB, path, arch string) {
	t.Helper()
	src := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(src, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, src)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// answer is a user who answers every question for a password alike.
func answer(password string) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) { return password, nil }
}
