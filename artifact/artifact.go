// Package artifact knows executables: what a file is, which hosts can run it, and the SHA-256
// that names its release. It reads headers, never trusts them, and never runs the file.
package artifact

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
)

// File is an executable on this machine, as it was when it was opened. It holds no descriptor
// and needs no closing. Its methods may be called from several goroutines.
type File struct {
	Path  string
	Size  int64 // bytes
	Kind  Kind
	Needs Needs

	info   fs.FileInfo
	turn   chan struct{} // held while digest is computed or read
	digest string        // "" until computed
}

// Open reads the headers of the executable at path, and no more than it needs of them. The file
// need not be executable here. Every error is an [*Error].
func Open(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, located(path, err)
	}
	return f, nil
}

func open(path string) (*File, error) {
	// Opening a pipe would wait for its writer: look first.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := refuseIrregular(path, info.Mode()); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	kind, needs, err := inspect(file, info.Size())
	if err != nil {
		return nil, err
	}
	return &File{
		Path: path, Size: info.Size(), Kind: kind, Needs: needs,
		info: info, turn: make(chan struct{}, 1),
	}, nil
}

func refuseIrregular(path string, mode fs.FileMode) error {
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return refusal(ErrDirectory, "name the executable itself; a source folder is built first: go build -o "+
			shellWord(filepath.Base(filepath.Clean(path)))+" "+shellWord(path), "is a directory")
	}
	what := "a device"
	switch mode.Type() {
	case fs.ModeNamedPipe:
		what = "a named pipe"
	case fs.ModeSocket:
		what = "a socket"
	}
	return refusal(ErrNotRegular, "write the executable to a file and name that", "is %s, not a regular file", what)
}

// located returns err as an *Error about path.
func located(path string, err error) error {
	word := shellWord(path)
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Path: path, Err: e.Err, Hint: strings.ReplaceAll(e.Hint, "FILE", word)}
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = "check the path, or build it first: go build -o " + word + " ."
	case errors.Is(err, fs.ErrPermission):
		hint = "chmod u+r " + word
	}
	return &Error{Path: path, Err: err, Hint: hint}
}

// Name is the last element of the path.
func (f *File) Name() string { return filepath.Base(f.Path) }

// Reader opens the content. The caller closes it. It fails with [ErrChanged] if the file is no
// longer the one that [Open] saw; what is written to the file while it is being read is the
// receiver's to notice, by size and digest.
func (f *File) Reader() (io.ReadSeekCloser, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, located(f.Path, err)
	}
	info, err := file.Stat()
	if err == nil {
		err = f.compare(info)
	}
	if err != nil {
		file.Close()
		return nil, located(f.Path, err)
	}
	return file, nil
}

// Changed returns nil while the path still holds the file that [Open] saw: the same file, size
// and modification time. Otherwise the error is of kind [ErrChanged], or says why it is gone.
func (f *File) Changed() error {
	info, err := os.Stat(f.Path)
	if err == nil {
		err = f.compare(info)
	}
	if err != nil {
		return located(f.Path, err)
	}
	return nil
}

func (f *File) compare(now fs.FileInfo) error {
	if now.Size() == f.info.Size() && now.ModTime().Equal(f.info.ModTime()) && os.SameFile(now, f.info) {
		return nil
	}
	return refusal(ErrChanged, "let the build finish, then try again", "changed since it was opened")
}

// Digest returns the SHA-256 of the content, in lowercase hex. It reads the file once and
// remembers; every call fails with [ErrChanged] if the file is no longer the one that [Open]
// saw. A context that ends gives its cause.
func (f *File) Digest(ctx context.Context) (string, error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if f.digest == "" {
		sum, err := f.sum(ctx)
		if err != nil {
			return "", err
		}
		f.digest = sum
	}
	if err := f.Changed(); err != nil {
		f.digest = "" // it may have been read half old and half new
		return "", err
	}
	return f.digest, nil
}

func (f *File) sum(ctx context.Context) (string, error) {
	r, err := f.Reader()
	if err != nil {
		return "", err
	}
	defer r.Close()
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, whileAlive{ctx, r}, make([]byte, 256<<10)); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", located(f.Path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// whileAlive reads until the context ends.
type whileAlive struct {
	ctx context.Context
	r   io.Reader
}

func (w whileAlive) Read(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.r.Read(p)
}
