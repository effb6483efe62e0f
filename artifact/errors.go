package artifact

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The kinds of refusal, for errors.Is. A missing file is [io/fs.ErrNotExist], one that may not
// be read is [io/fs.ErrPermission].
var (
	// ErrDirectory: the path is a directory; name the executable in it.
	ErrDirectory = errors.New("is a directory")
	// ErrNotRegular: a pipe, device or socket; write its content to a file first.
	ErrNotRegular = errors.New("is not a regular file")
	// ErrEmpty: the file has no bytes; build it again.
	ErrEmpty = errors.New("is empty")
	// ErrFormat: no host can start this file, or it is damaged; build it for the host.
	ErrFormat = errors.New("is not an executable")
	// ErrChanged: the file is no longer the one that was opened; open it again.
	ErrChanged = errors.New("changed since it was opened")
	// ErrPlatform: a sound executable, but not for this host; build it for the host's platform.
	ErrPlatform = errors.New("does not fit the host")
)

// Error says why a file is not taken.
type Error struct {
	Path string
	Err  error  // of one of the kinds above, or what the system said
	Hint string // a way out, as a command where there is one; may be empty
}

func (e *Error) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns what happened, without the path.
func (e *Error) Unwrap() error { return e.Err }

// MismatchError says why a sound executable cannot run on a host. It is of kind [ErrPlatform].
type MismatchError struct {
	Path   string
	Needs  Needs
	Host   Platform
	Reason string // a sentence: "worker is built for linux/arm64, the host is linux/amd64"
	Hint   string // what to build instead, as a command where there is one
}

func (e *MismatchError) Error() string { return e.Reason }

// Unwrap returns [ErrPlatform].
func (e *MismatchError) Unwrap() error { return ErrPlatform }

// kindError is a sentence of its own that errors.Is finds under a kind.
type kindError struct {
	kind error
	text string
}

func (e *kindError) Error() string { return e.text }
func (e *kindError) Unwrap() error { return e.kind }

// refusal is an Error of a kind that does not know its path yet: located adds it, and puts it
// where the hint says FILE.
func refusal(kind error, hint, format string, args ...any) error {
	return &Error{Err: &kindError{kind, fmt.Sprintf(format, args...)}, Hint: hint}
}

var plainWord = regexp.MustCompile(`^[\w./,:@%+=-]+$`)

// shellWord returns s as one word of a POSIX shell, so that a hint can be pasted.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
