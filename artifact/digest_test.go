package artifact_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/davit-sh/davit/artifact"
)

const scriptText = "#!/bin/sh\necho hello\n"

func TestDigestIsTheSHA256OfTheContent(t *testing.T) {
	t.Parallel()
	text := scriptText + strings.Repeat("x", 1<<20)
	f := open(t, write(t, t.TempDir(), "worker", text))
	sum := sha256.Sum256([]byte(text))
	want := hex.EncodeToString(sum[:])
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got, err := f.Digest(t.Context()); got != want || err != nil {
				t.Errorf("Digest = %s, %v; want %s", got, err, want)
			}
		})
	}
	all.Wait()
}

func TestAChangedFileIsNoticed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"longer": func(path string) error { return os.WriteFile(path, []byte(scriptText+"exit\n"), 0o755) },
		"touched": func(path string) error {
			return os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))
		},
		"replaced": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			other := path + ".new"
			if err := os.WriteFile(other, []byte(scriptText), 0o755); err != nil {
				return err
			}
			if err := os.Chtimes(other, info.ModTime(), info.ModTime()); err != nil {
				return err
			}
			return os.Rename(other, path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, t.TempDir(), "worker", scriptText)
			before, after := open(t, path), open(t, path)
			if _, err := before.Digest(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := before.Changed(); err != nil {
				t.Errorf("before the change: %v", err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			refused(t, before.Changed(), artifact.ErrChanged, "changed since it was opened", "let the build finish")
			_, err := before.Digest(t.Context())
			refused(t, err, artifact.ErrChanged, "changed", "")
			_, err = after.Digest(t.Context())
			refused(t, err, artifact.ErrChanged, "changed", "")
			_, err = before.Reader()
			refused(t, err, artifact.ErrChanged, "changed", "")
		})
	}
}

func TestAFileThatIsGoneIsNoticed(t *testing.T) {
	t.Parallel()
	path := write(t, t.TempDir(), "worker", scriptText)
	f := open(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused(t, f.Changed(), fs.ErrNotExist, "no such file", "")
	_, err := f.Reader()
	refused(t, err, fs.ErrNotExist, "no such file", "")
	_, err = f.Digest(t.Context())
	refused(t, err, fs.ErrNotExist, "no such file", "")
}

// whenRead is a context that calls a function when it is asked whether it has ended for the
// n-th time; Digest asks before each read.
type whenRead struct {
	context.Context
	n    int
	then func()
}

func (w *whenRead) Err() error {
	if w.n--; w.n == 0 {
		w.then()
	}
	return w.Context.Err()
}

func TestAFileThatChangesWhileItIsReadHasNoDigest(t *testing.T) {
	t.Parallel()
	path := write(t, t.TempDir(), "worker", scriptText+strings.Repeat("x", 1<<20))
	f := open(t, path)
	ctx := &whenRead{Context: t.Context(), n: 2, then: func() {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = io.WriteString(file, "more")
		}
		if err := errors.Join(err, file.Close()); err != nil {
			t.Error(err)
		}
	}}
	digest, err := f.Digest(ctx)
	refused(t, err, artifact.ErrChanged, "changed", "")
	if digest != "" || ctx.n > 0 {
		t.Errorf("digest %q, %d reads before the change", digest, ctx.n)
	}
}

func TestDigestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	why := errors.New("interrupted")
	f := open(t, write(t, t.TempDir(), "worker", scriptText+strings.Repeat("x", 1<<20)))
	ctx, cancel := context.WithCancelCause(t.Context())
	digest, err := f.Digest(&whenRead{Context: ctx, n: 2, then: func() { cancel(why) }})
	if digest != "" || !errors.Is(err, why) {
		t.Errorf("Digest = %q, %v; want the cause", digest, err)
	}
	if digest, err := f.Digest(t.Context()); len(digest) != 64 || err != nil {
		t.Errorf("the next try: %q, %v", digest, err)
	}
}

func TestReaderGivesTheContent(t *testing.T) {
	t.Parallel()
	f := open(t, write(t, t.TempDir(), "worker", scriptText))
	r, err := f.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		got, err := io.ReadAll(r)
		if string(got) != scriptText || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileIsNamedByItsPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "worker-1.2", scriptText)
	link := filepath.Join(dir, "worker")
	if err := os.Symlink("worker-1.2", link); err != nil {
		t.Fatal(err)
	}
	if name := open(t, link).Name(); name != "worker" {
		t.Errorf("name %s, want that of the link", name)
	}
}
