// Package hosttest tests that a [host.Host] keeps what its interface promises. Every host of
// ours passes it; so should a host of yours.
package hosttest

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
)

// patience is when a call that does not return is given up, so that a host that hangs fails the
// test and not the whole run. Nothing is measured with it.
const patience = time.Minute

// Run tests the hosts that newHost returns: each test gets one that is not connected yet, and
// closes it. The host has a POSIX shell and the programs that POSIX names, and reaches the
// loopback address of the tests.
func Run(t *testing.T, newHost func(t *testing.T) host.Host) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the host hangs"))
			defer cancel()
			h := newHost(t)
			defer h.Close()
			test(&suite{T: t, ctx: ctx, host: h})
		})
	}
}

var tests = map[string]func(*suite){
	"a command's output is read":                         output,
	"ten megabytes come back as they went":               roundTrip,
	"stdout and stderr are apart":                        apart,
	"the exit status is told":                            exitStatus,
	"the signal that ended a command is told":            exitSignal,
	"a command sees the end of its input":                endOfInput,
	"writing to a command that has ended fails":          writeAfterEnd,
	"two commands run side by side":                      sideBySide,
	"many commands run on one connection":                many,
	"closing a process unblocks reading":                 closeUnblocksRead,
	"closing a process unblocks writing":                 closeUnblocksWrite,
	"closing a process unblocks waiting":                 closeUnblocksWait,
	"connecting twice, and by many at once, is one":      connectOnce,
	"a context that has ended does nothing":              endedContext,
	"a context ends the call and not the process":        contextOfCall,
	"a connection through the host reaches its loopback": dial,
	"a closed port is unreachable":                       dialRefused,
	"an address that is none is an error":                dialNonsense,
	"closing a connection unblocks reading":              closeUnblocksDial,
	"closing the host ends everything":                   closeHost,
	"a closed host stays closed":                         closedHost,
}

// suite is one test under way.
type suite struct {
	*testing.T
	ctx  context.Context
	host host.Host
}

// sh returns a command that has /bin/sh run script, whatever the login shell. The script has no
// quotes, backslashes, exclamation marks or newlines.
func sh(script string) string { return "exec /bin/sh -c '" + script + "'" }

// must stops the test if err is not nil.
func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) start(script string) host.Process {
	s.Helper()
	p, err := s.host.Exec(s.ctx, sh(script))
	s.must(err)
	s.Cleanup(func() { p.Close() })
	context.AfterFunc(s.ctx, func() { p.Close() })
	return p
}

// finish reads the outputs of p to their end and waits for it.
func (s *suite) finish(p host.Process) (stdout, stderr string, err error) {
	var both sync.WaitGroup
	read := func(to *string, from io.Reader) {
		text, err := io.ReadAll(from)
		if err != nil {
			s.Errorf("read: %v", err)
		}
		*to = string(text)
	}
	both.Go(func() { read(&stdout, p.Stdout()) })
	both.Go(func() { read(&stderr, p.Stderr()) })
	both.Wait()
	return stdout, stderr, p.Wait()
}

// says runs script to its end and checks what it says on stdout.
func (s *suite) says(script, want string) {
	s.Helper()
	p := s.start(script)
	p.CloseWrite()
	out, _, err := s.finish(p)
	if err != nil || out != want {
		s.Errorf("%s: got %q, error %v; want %q", script, out, err, want)
	}
}

// reads waits until the command of p has said want.
func (s *suite) reads(p host.Process, want string) {
	s.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p.Stdout(), got); err != nil || string(got) != want {
		s.Fatalf("read %q, error %v; want %q", got[:n], err, want)
	}
}

// returns reports an error unless call returns, and then with an error.
func (s *suite) returns(doing string, call <-chan error) {
	s.Helper()
	select {
	case err := <-call:
		if err == nil {
			s.Errorf("%s: no error", doing)
		}
	case <-s.ctx.Done():
		s.Errorf("%s: still blocked", doing)
	}
}

// run returns a channel with what f returns.
func run(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func isExit(err error, want host.ExitError) bool {
	exit, ok := errors.AsType[*host.ExitError](err)
	return ok && *exit == want
}

func lines(n int, line string) string { return strings.Repeat(line+"\n", n) }
