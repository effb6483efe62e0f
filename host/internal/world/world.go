// Package world is what the tests of the ways to a host have in common.
package world

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// Patience is how long a call may take before the test fails for it. Only a failing test pays.
const Patience = 30 * time.Second

// Told returns a context that ends with Patience, and what is told in it.
func Told(t *testing.T) (context.Context, *narrate.Recorder) {
	t.Helper()
	rec := &narrate.Recorder{}
	ctx, cancel := context.WithTimeoutCause(t.Context(), Patience, errors.New("the host hangs"))
	t.Cleanup(cancel)
	return narrate.WithNarrator(ctx, narrate.New(rec)), rec
}

// Write writes a file in a folder of its own and returns its path.
func Write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Read returns what is in the file.
func Read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Runs fails the test unless the host runs a command, and returns what it says.
func Runs(t *testing.T, h host.Host, command string) string {
	t.Helper()
	ctx, _ := Told(t)
	p, err := h.Exec(ctx, command)
	if err != nil {
		t.Fatalf("exec: %v", err)
	}
	defer p.Close()
	go io.Copy(io.Discard, p.Stderr())
	out, err := io.ReadAll(p.Stdout())
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("wait: %v", err)
	}
	return string(out)
}

// Fails fails the test unless err is of the kind, names the host and says all of words.
func Fails(t *testing.T, err, kind error, name string, words ...string) *host.Error {
	t.Helper()
	e, ok := errors.AsType[*host.Error](err)
	if !ok || !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	if e.Host != name {
		t.Errorf("the error is about %q, want %q", e.Host, name)
	}
	for _, word := range words {
		if !strings.Contains(err.Error()+"\n"+e.Hint, word) {
			t.Errorf("got %q, hint %q; want %q in it", err, e.Hint, word)
		}
	}
	return e
}

// Connect connects to h and returns the error.
func Connect(t *testing.T, h host.Host) error {
	t.Helper()
	ctx, _ := Told(t)
	return h.Connect(ctx)
}
