package openssh_test

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
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/narrate"
)

// patience is how long a call may take before the test fails for it. Only a failing test pays.
const patience = 30 * time.Second

// told returns a context that ends with patience, and what is told in it.
func told(t *testing.T) (context.Context, *narrate.Recorder) {
	t.Helper()
	rec := &narrate.Recorder{}
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the host hangs"))
	t.Cleanup(cancel)
	return narrate.WithNarrator(ctx, narrate.New(rec)), rec
}

// write writes a file in a folder of its own and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// runs fails the test unless the host runs a command, and returns what it says.
func runs(t *testing.T, h host.Host, command string) string {
	t.Helper()
	ctx, _ := told(t)
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

// fails fails the test unless err is of the kind, names the host and says all of words.
func fails(t *testing.T, err, kind error, name string, words ...string) *host.Error {
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

// connect connects to h and returns the error.
func connect(t *testing.T, h *openssh.Host) error {
	t.Helper()
	ctx, _ := told(t)
	return h.Connect(ctx)
}
