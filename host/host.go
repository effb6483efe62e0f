// Package host is a machine that runs scripts and receives files: the [Host] interface, and the
// conversation with a script that both of its implementations, host/ssh and host/local, carry.
//
// Package hosttest tests that a Host keeps what it promises.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Host is a machine. It is safe for use by several goroutines at once. It connects when it is
// first used, once, and stays connected until Close.
type Host interface {
	// Name is what narration and errors call the host: "me@gpu-1", "local".
	Name() string

	// Connect connects, unless that was done. The whole of it, name look-up to sign-in, ends
	// with ctx, and then the error wraps the cause of ctx; any other error is an [*Error].
	Connect(ctx context.Context) error

	// Exec gives command to the user's login shell and returns without waiting for an answer.
	// It connects if need be. ctx bounds the call, not the process. The caller closes the process.
	Exec(ctx context.Context, command string) (Process, error)

	// Dial opens a TCP connection from the host to an address, as the host sees it:
	// "127.0.0.1:8080". ctx bounds the call. Deadlines of the connection may not be supported:
	// close it instead.
	Dial(ctx context.Context, network, address string) (net.Conn, error)

	// Close ends the connection and with it everything that was started through it. It never
	// waits for the network.
	Close() error
}

// Measured is a Host that knows how far away it is. Callers ask with [As].
type Measured interface {
	// RoundTrip returns how long a byte needs to the host and an answer to come back, at most; 0 if
	// that is not known, as before Connect.
	RoundTrip() time.Duration
}

// Gated is a Host that shares the beginning of the way to it with others.
type Gated interface {
	// Gate names what a connection comes to first: a jump host, a proxy command, or the server itself;
	// "" if that is not known. Hosts with the same gate had better not all connect at once. What ctx
	// bounds is to find that out.
	Gate(ctx context.Context) string
}

// Renewable is a Host that can be connected to anew, beside the connection that it has, or had.
type Renewable interface {
	// Renew returns the same host, not connected. Its caller closes it.
	Renew() (Host, error)
}

// As returns h as a T, such as [Measured], or the first of those that h wraps: a Host that wraps another
// says which in a method Unwrap() Host.
func As[T any](h Host) (T, bool) {
	for {
		if t, ok := h.(T); ok {
			return t, true
		}
		w, ok := h.(interface{ Unwrap() Host })
		if !ok {
			var none T
			return none, false
		}
		h = w.Unwrap()
	}
}

// Process is a command that runs on a host. What one goroutine writes another may read.
type Process interface {
	// Write writes to the command's standard input. It waits while the command does not read.
	io.Writer
	// CloseWrite ends the command's standard input.
	CloseWrite() error
	// Stdout and Stderr must both be read to their end, or the command may wait for ever.
	Stdout() io.Reader
	Stderr() io.Reader
	// Wait returns when the command has ended: nil, an [*ExitError], or [ErrLost] if the
	// connection broke before. Call it after both outputs have ended.
	Wait() error
	// Close gives the process up: its input and outputs end, blocked calls return. It does not
	// wait, and does not promise that the command has ended on the host: a script has guards
	// of its own for that.
	Close() error
}

// ExitError says how a command failed.
type ExitError struct {
	Code   int    // exit status; 0 if a signal ended it, or nothing was said
	Signal string // without "SIG": "KILL"; "" if none
}

func (e *ExitError) Error() string {
	switch {
	case e.Signal != "":
		return "ended by signal " + e.Signal
	case e.Code == 0:
		return "ended without a status"
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// The kinds of trouble with a host, for errors.Is.
var (
	// ErrConfig: the host's name or the configuration for it cannot be used; correct it.
	ErrConfig = errors.New("bad host configuration")
	// ErrUnreachable: nothing answers at the address; check the name, the port and the network.
	ErrUnreachable = errors.New("unreachable")
	// ErrNotSSH: something answers that is not an SSH server; check the port.
	ErrNotSSH = errors.New("not an SSH server")
	// ErrHostKeyUnknown: the host's key is not known here; compare it and accept it.
	ErrHostKeyUnknown = errors.New("unknown host key")
	// ErrHostKeyChanged: the host shows another key than before; do not go on.
	ErrHostKeyChanged = errors.New("host key changed")
	// ErrAuth: the host let none of our keys in; add one.
	ErrAuth = errors.New("authentication failed")
	// ErrLost: the connection broke after it was made; try again.
	ErrLost = errors.New("connection lost")
	// ErrShell: the host let us in but did not run our script; check the login shell.
	ErrShell = errors.New("no usable shell")
)

// Error says what went wrong between here and a host. errors.Is finds both the kind and the
// cause.
type Error struct {
	Host string
	Kind error  // one of the kinds above
	Err  error  // the cause, a sentence: "dial tcp 10.0.0.1:22: connection refused"
	Hint string // a way out, as a command where there is one; may be empty
}

// Error is the cause in words; whoever wraps it names the host.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Kind.Error()
	}
	return e.Err.Error()
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
