package cli

import (
	"context"
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// Streams are what a command reads and writes, and what it knows of them. It looks at nothing of
// the process beyond these.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer

	InTerminal, OutTerminal, ErrTerminal bool

	// SameTerminal says that what Out and Err show mixes on one screen.
	SameTerminal bool

	// Size returns the columns and lines of Err's terminal. Nil is 80 by 24.
	Size func() (width, height int)

	// Secret reads a line from In without showing it. Its error wraps the cause of a ctx that
	// ends meanwhile; In shows again what is typed by then. Nil when that cannot be done.
	Secret func(ctx context.Context) (string, error)

	// Env returns an environment variable. Nil is an empty environment.
	Env func(name string) string
}

// Standard returns the process's own streams.
func Standard() Streams {
	s := Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  isTerminal(os.Stdin),
		OutTerminal: isTerminal(os.Stdout),
		ErrTerminal: isTerminal(os.Stderr),
		Size:        func() (int, int) { return sizeOf(os.Stderr) },
		Secret:      func(ctx context.Context) (string, error) { return readSecret(ctx, os.Stdin) },
		Env:         os.Getenv,
	}
	s.SameTerminal = s.OutTerminal && s.ErrTerminal && sameFile(os.Stdout, os.Stderr)
	return s
}

func (s Streams) env(name string) string {
	if s.Env == nil {
		return ""
	}
	return s.Env(name)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

func sizeOf(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return defaultWidth, defaultHeight
	}
	return width, height
}

// sameFile reports whether two terminals are one. A process on Windows has only one console.
func sameFile(a, b *os.File) bool {
	if runtime.GOOS == "windows" {
		return true
	}
	infoA, errA := a.Stat()
	infoB, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// readSecret reads a line that is not shown. A read of a terminal cannot be called off: when ctx
// ends it is left behind, with the terminal as it was before.
func readSecret(ctx context.Context, f *os.File) (string, error) {
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		return string(a.line), a.err
	case <-ctx.Done():
		term.Restore(fd, before)
		return "", context.Cause(ctx)
	}
}
