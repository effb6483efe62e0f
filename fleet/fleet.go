// Package fleet does one operation on many hosts side by side.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// DefaultParallel is how many hosts are worked on at once.
const DefaultParallel = 32

// ErrNotBegun says that an operation was over before a host's turn came; nothing was done there.
var ErrNotBegun = errors.New("not begun")

// Result is what an operation came to on one host.
type Result[T any] struct {
	Host  string // its name
	Value T      // what the operation returned, of use even if it failed
	Err   error
}

// Run calls f for each host, for at most parallel of them at once (DefaultParallel if that is
// less than 1), and returns when all calls have: one result a host, in the order of hosts. The
// context that f gets names the host in what it tells. Once ctx has ended no further host is
// begun, and the results of those left wrap [ErrNotBegun] and the cause. A panic of f goes on in
// the caller's goroutine when all others have returned. Run closes no host.
func Run[T any](ctx context.Context, hosts []host.Host, parallel int, f func(context.Context, host.Host) (T, error)) []Result[T] {
	if parallel < 1 {
		parallel = DefaultParallel
	}
	results := make([]Result[T], len(hosts))
	turns := make(chan struct{}, parallel)
	var all sync.WaitGroup
	var panicked panics
	for i, h := range hosts {
		results[i].Host = h.Name()
		if !turn(ctx, turns) {
			results[i].Err = fmt.Errorf("%w: %w", ErrNotBegun, context.Cause(ctx))
			continue
		}
		all.Go(func() {
			defer func() { <-turns }()
			defer panicked.keep()
			results[i].Value, results[i].Err = f(narrate.WithHost(ctx, h.Name()), h)
		})
	}
	all.Wait()
	panicked.goOn()
	return results
}

// turn waits for a free place and reports whether there is still something to do with it.
func turn(ctx context.Context, turns chan<- struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// panics holds the first panic of several goroutines.
type panics struct {
	once  sync.Once
	value any
}

func (p *panics) keep() {
	if r := recover(); r != nil {
		p.once.Do(func() { p.value = r })
	}
}

func (p *panics) goOn() {
	if p.value != nil {
		panic(p.value)
	}
}

// ExitCode returns the exit code that stands for all results: that of an interruption if there
// was one; the one they have in common; [davit.ExitPartly] if only some failed; and
// [davit.ExitFailed] if all failed, but not alike.
func ExitCode[T any](results []Result[T]) int {
	codes := map[int]bool{}
	for _, r := range results {
		codes[davit.ExitCode(r.Err)] = true
	}
	switch {
	case codes[davit.ExitInterrupted]:
		return davit.ExitInterrupted
	case codes[davit.ExitDone] && len(codes) > 1:
		return davit.ExitPartly
	case len(codes) > 1:
		return davit.ExitFailed
	}
	for code := range codes {
		return code
	}
	return davit.ExitDone
}

// Err returns nil if every host succeeded, the error of the one that failed, or one that says in
// a line what all those that failed say.
func Err[T any](results []Result[T]) error {
	var failed failures
	for _, r := range results {
		if r.Err != nil {
			failed = append(failed, named(r.Host, r.Err))
		}
	}
	switch len(failed) {
	case 0:
		return nil
	case 1:
		return failed[0]
	}
	return failed
}

// named returns err, with the host's name before it unless an operation's error says it already.
func named(host string, err error) error {
	if e, ok := errors.AsType[*davit.Error](err); ok && e.Host != "" {
		return err
	}
	return fmt.Errorf("%s: %w", host, err)
}

// failures are errors that are read one after the other.
type failures []error

func (f failures) Error() string {
	text := f[0].Error()
	for _, err := range f[1:] {
		text += "; " + err.Error()
	}
	return text
}

// Unwrap returns them all.
func (f failures) Unwrap() []error { return f }
