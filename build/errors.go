package build

import (
	"errors"
	"fmt"
)

// The kinds of failure, for errors.Is. A file that is made and cannot be used is of the kinds of
// package artifact as well.
var (
	// ErrRecipe: the recipe cannot be used with this source; correct it. Nothing was run.
	ErrRecipe = errors.New("cannot be built as described")
	// ErrTool: a compiler, or what it needs for the platform, is not here; install it.
	ErrTool = errors.New("a tool is missing")
	// ErrFailed: the build ran and failed; its own lines say why.
	ErrFailed = errors.New("build failed")
	// ErrOutput: the build succeeded and did not make what it should.
	ErrOutput = errors.New("build made no usable file")
)

// Error says why there is no executable.
type Error struct {
	Kind error
	Err  error
	Hint string // a way out, as a command where there is one; may be empty
	// Output is the end of what a build that failed has printed, line by line, secrets masked.
	Output []string
}

// Error is one line; what a compiler said of it is in Output, but for the first line of that.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

func refuse(kind error, hint, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...), Hint: hint}
}
