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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// dial returns h as Davit sees it, but for how near it is: it gets what a far host would get.
func dial(t testing.TB, h *testhost.Host) host.Host {
	t.Helper()
	conn, err := ssh.New(h.Target(), options(h))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return struct{ host.Host }{conn}
}

// near is a host in the same room.
type near struct{ host.Host }

func (near) RoundTrip() time.Duration { return 100 * time.Microsecond }

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

// spot is where a daemon is on a host.
type spot struct{ base, link string }

// spot is that of the daemon "worker" of an ordinary install.
func (s site) spot() spot {
	home := s.See(s.Home)
	return spot{filepath.Join(home, ".local/share/davit/worker"), filepath.Join(home, ".local/bin/worker")}
}

// left returns the files there that no install may leave behind.
func (p spot) left() (left []string) {
	bin, name := filepath.Split(p.link)
	for _, pattern := range []string{p.base + "/incoming-*", p.base + "/releases/.*", p.base + "/lock", p.base + "/takeover", bin + "." + name + "-*"} {
		found, _ := filepath.Glob(pattern)
		left = append(left, found...)
	}
	return append(left, p.runnable()...)
}

// partial returns what is kept there of a broken transfer for the next try.
func (p spot) partial() []string {
	kept, _ := filepath.Glob(p.base + "/partial/*")
	return kept
}

// runnable returns what is wrong with what is kept for the next try: it is one file at most, and can
// never be started.
func (p spot) runnable() []string {
	kept := p.partial()
	if len(kept) == 0 {
		return nil
	}
	info, err := os.Lstat(kept[0])
	if len(kept) == 1 && (err != nil || info.Mode().IsRegular() && info.Mode().Perm()&0o111 == 0) {
		return nil
	}
	return kept
}

// current returns the release that is current, "" if none is. It fails the test if that is not whole.
func (p spot) current(t testing.TB) string {
	t.Helper()
	target, err := os.Readlink(filepath.Join(p.base, "current"))
	if err != nil {
		return ""
	}
	release := strings.TrimPrefix(target, "releases/")
	if _, err := os.Stat(p.link); err != nil {
		t.Errorf("release %s is current, but %v", release, err)
	} else if id(t, p.link) != release {
		t.Errorf("release %s is altered", release)
	}
	return release
}

// assertWhole fails the test unless the host runs one of the releases, whole, or, for "", none,
// and nothing of ours but that remains there. What arrived of a broken transfer may.
func (s site) assertWhole(releases ...string) {
	s.t.Helper()
	s.assertQuiet()
	if left := s.spot().left(); len(left) > 0 {
		s.t.Errorf("left behind: %v", left)
	}
	if current := s.spot().current(s.t); !slices.Contains(releases, current) {
		s.t.Errorf("current is %q, want one of %q", current, releases)
	}
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
