package build

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A kept file is the SHA-256 of an executable, and the executable. The go command looks at no more of a file than
// its build ID: one that was cut short or altered would be taken for what it was.

// seed puts the executable of a kept file at output, and returns it opened; nil if there is none that is whole.
func seed(output, kept string) *os.File {
	if kept == "" {
		return nil
	}
	f, err := copyKept(output, kept)
	if err != nil {
		os.Remove(output)
		return nil
	}
	now := time.Now()
	os.Chtimes(filepath.Dir(kept), now, now) // it is of use: see dropOld
	return f
}

func copyKept(output, kept string) (*os.File, error) {
	from, err := os.Open(kept)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(from, want); err != nil {
		return nil, err
	}
	to, err := os.OpenFile(output, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(to, sum), from)
	if err == nil && !bytes.Equal(sum.Sum(nil), want) {
		err = errors.New("it is not whole")
	}
	if err == nil {
		return to, nil
	}
	to.Close()
	return nil, err
}

// keep keeps the executable at output. It is no more than a saving of time: a failure is none of the build's.
func keep(output, kept string) {
	if kept == "" || os.MkdirAll(filepath.Dir(kept), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(kept), ".new-")
	if err != nil {
		return
	}
	defer os.Remove(f.Name()) // of no effect once it is renamed
	err = writeKept(f, output)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), kept)
	}
	if err == nil {
		dropOld(filepath.Dir(filepath.Dir(kept)), keptFor)
	}
}

func writeKept(f *os.File, output string) error {
	from, err := os.Open(output)
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := f.Seek(sha256.Size, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, sum), from); err != nil {
		return err
	}
	_, err = f.WriteAt(sum.Sum(nil), 0)
	return err
}

// keptFor is how long executables are kept of a program that is not built any more.
const keptFor = 30 * 24 * time.Hour

// dropOld removes the directories that were of no use for that long.
func dropOld(dir string, than time.Duration) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > than {
			os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

// copyFile copies an executable.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
