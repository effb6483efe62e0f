package davit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/build"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
)

// The kinds of failure that are the operation's own, for errors.Is. Those of reaching a host are
// in package host, those of the executable in package artifact.
var (
	// ErrUsage: the options cannot be used; correct them. Nothing was touched.
	ErrUsage = errors.New("wrong usage")
	// ErrLocked: another operation works on the same daemon; wait for it.
	ErrLocked = errors.New("locked")
	// ErrSpace: the disk is full, or would be; make room.
	ErrSpace = errors.New("not enough space")
	// ErrPermission: the host's user may not write there, or may not become root.
	ErrPermission = errors.New("permission denied")
	// ErrInTheWay: something that is not Davit's stands where the link should; move it away.
	ErrInTheWay = errors.New("something is in the way")
	// ErrCorrupt: what arrived is not what was sent; try again.
	ErrCorrupt = errors.New("arrived damaged")
	// ErrHostLacks: the host lacks a tool that cannot be done without.
	ErrHostLacks = errors.New("host lacks a tool")
	// ErrNotInstalled: there is no such daemon on the host; install it.
	ErrNotInstalled = errors.New("not installed")
	// ErrRunning: the daemon runs, and must not for this; stop it.
	ErrRunning = errors.New("it is running")
	// ErrNoRelease: there is no such release on the host to go back to.
	ErrNoRelease = errors.New("no such release")
	// ErrService: the host cannot keep the daemon running in the way that is wanted.
	ErrService = errors.New("no such service")
	// ErrHook: what was to be run before or after a change failed.
	ErrHook = errors.New("hook failed")
	// ErrUnhealthy: the daemon does not serve.
	ErrUnhealthy = health.ErrUnhealthy
	// ErrPortTaken: another process listens where the daemon should; end it, or have the daemon listen elsewhere.
	ErrPortTaken = errors.New("port taken")
	// ErrRestored: a change was not good, and what was before is in place again.
	ErrRestored = errors.New("what was before was restored")
	// ErrRefused: the host's side of the operation failed in another way.
	ErrRefused = errors.New("failed on the host")
)

// Error is how every operation fails.
type Error struct {
	Operation string // "install"
	Daemon    string
	Host      string // "" before any host was involved
	Step      string // "" before the first step
	Err       error
	State     string // what state the host is in, a sentence
	Hint      string // what to do next, as a command where there is one
}

// Error reads as a path of short operations:
//
//	install worker on gpu-1: transfer: connection lost after 12 MiB
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation)
	if e.Daemon != "" {
		b.WriteString(" " + e.Daemon)
	}
	if e.Host != "" {
		b.WriteString(" on " + e.Host)
	}
	if e.Step != "" {
		b.WriteString(": " + e.Step)
	}
	return fmt.Sprintf("%s: %v", b.String(), e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The exit codes of the command line, which scripts may match on.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2   // wrong usage, or a file that cannot be used
	ExitDeadline    = 3   // the time limit ended
	ExitConnect     = 4   // unreachable, authentication, host key
	ExitHost        = 5   // the host cannot take it: platform, libc, space, permission, shell, locked
	ExitUnhealthy   = 6   // unhealthy, what was before was restored
	ExitPartly      = 7   // some hosts failed and others did not
	ExitInterrupted = 130 // by the user
)

// ErrInterrupted is the cause of a context that the user ended.
var ErrInterrupted = errors.New("interrupted")

// ExitCode returns the exit code that stands for err.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	_, building := errors.AsType[*build.Error](err)
	if e, ok := errors.AsType[*artifact.Error](err); ok && !building && !errors.Is(e, artifact.ErrChanged) {
		return ExitUsage // a file that cannot be used is a wrong argument
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Step == "connect" && errors.Is(err, host.ErrLost) {
		return ExitConnect
	}
	for _, class := range exitClasses {
		for _, kind := range class.kinds {
			if errors.Is(err, kind) {
				return class.code
			}
		}
	}
	return ExitFailed
}

// exitClasses are looked through in order: what ended the operation comes before what that broke.
var exitClasses = []struct {
	code  int
	kinds []error
}{
	{ExitInterrupted, []error{ErrInterrupted}},
	{ExitDeadline, []error{context.DeadlineExceeded}},
	{ExitUsage, []error{ErrUsage, host.ErrConfig, build.ErrRecipe}},
	{ExitUnhealthy, []error{ErrRestored}},
	{ExitConnect, []error{
		host.ErrUnreachable, host.ErrNotSSH, host.ErrAuth, host.ErrHostKeyUnknown, host.ErrHostKeyChanged,
	}},
	{ExitHost, []error{
		artifact.ErrPlatform, ErrLocked, ErrSpace, ErrPermission, ErrInTheWay, ErrHostLacks, ErrService, host.ErrShell,
	}},
}

// Hint returns what err advises to do next, or "".
func Hint(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Hint != "" {
		return e.Hint
	}
	if e, ok := errors.AsType[*build.Error](err); ok && e.Hint != "" {
		return e.Hint
	}
	if e, ok := errors.AsType[*host.Error](err); ok && e.Hint != "" {
		return e.Hint
	}
	if e, ok := errors.AsType[*artifact.MismatchError](err); ok {
		return e.Hint
	}
	if e, ok := errors.AsType[*artifact.Error](err); ok {
		return e.Hint
	}
	return ""
}

// UnhealthyError says that a daemon did not serve after a change, and what became of that.
type UnhealthyError struct {
	Err      error    // why it does not serve
	Log      []string // its last lines, as far as they could be read
	Restored bool     // the host has put back what was before
}

func (e *UnhealthyError) Error() string { return e.Err.Error() }

// Unwrap returns the cause, and [ErrRestored] if that is so.
func (e *UnhealthyError) Unwrap() []error {
	if e.Restored {
		return []error{e.Err, ErrRestored}
	}
	return []error{e.Err}
}
