// Package fleet does one operation on many hosts side by side.
package fleet

import (
	"context"
	"errors"

	"github.com/davit-sh/davit/host"
)

// DefaultParallel is how many hosts are worked on at once.
const DefaultParallel = 32

// What became of a host besides success and a failure of its own, for errors.Is.
var (
	// ErrNotBegun: the run was over before the host's turn came; nothing was done there.
	ErrNotBegun = errors.New("not begun")
	// ErrStopped: so many other hosts failed, or a canary did, that the run was stopped.
	ErrStopped = errors.New("stopped")
	// ErrReverted: the operation succeeded on the host, the run was stopped, and the host was put back.
	ErrReverted = errors.New("put back")
	// ErrUnchanged is what a [RevertFunc] returns for a host that it has nothing to put back on: that
	// keeps its result.
	ErrUnchanged = errors.New("nothing to put back")
)

// Options says how a fleet is worked on. The zero value works on [DefaultParallel] hosts at once,
// whatever becomes of them.
type Options struct {
	// Parallel is how many hosts are worked on at once; DefaultParallel if it is less than 1. As soon
	// as one is done the next is begun.
	Parallel int

	// Canary is how many hosts, in the order given, come first; the others are begun when all of
	// these have succeeded. Once a canary has failed no further host is begun.
	Canary int

	// MaxFailures is how many hosts may fail: once more have, no further host is begun. Those
	// that are being worked on are not disturbed.
	MaxFailures Limit
}

// Func is an operation on a host. Its context names the host in what it tells.
type Func[T any] func(ctx context.Context, h host.Host) (T, error)

// RevertFunc puts back a host on which an operation succeeded; done is what that returned.
type RevertFunc[T any] func(ctx context.Context, h host.Host, done T) error

// Result is what an operation came to on one host.
type Result[T any] struct {
	Host    string  // its name
	Value   T       // what the operation returned, of use even if it failed
	Err     error   // nil if the host is as was asked for
	Seconds float64 // how long the operation took; 0 if it was not begun

	Reverted  bool  // the operation succeeded, and then the host was put back; Err wraps [ErrReverted]
	RevertErr error // why it could not be put back; Err wraps it
}

// Run calls f for each host and returns when all calls have returned: one result a host, in the
// order of hosts.
//
// The results of hosts that were not begun wrap [ErrNotBegun], and the cause of ctx if that has
// ended, or else [ErrStopped] with the reason in words. What fails after ctx has ended stops
// nothing. After a panic of f no further host is begun, and the panic goes on in the caller's
// goroutine when all others have returned. Run closes no host.
//
// Of the hosts that share a gate, see [host.Gated], at most [MaxConnecting] connect at once. Waiting for
// that is waiting for one's turn: the operation has not begun.
func Run[T any](ctx context.Context, hosts []host.Host, o Options, f Func[T]) []Result[T] {
	return RunOrRevert(ctx, hosts, o, f, nil)
}

// RunOrRevert is [Run], and if that is stopped by MaxFailures or a canary, puts back the hosts on
// which f succeeded. When all calls of f have returned it calls revert for these, the one that was
// done last first, side by side as f was. A host that f has closed is closed still. A nil revert
// puts nothing back.
//
// An interrupted run puts nothing back: whoever interrupts it may want to look first. If ctx ends
// while hosts are put back no further one is, and their results say so.
func RunOrRevert[T any](ctx context.Context, hosts []host.Host, o Options, f Func[T], revert RevertFunc[T]) []Result[T] {
	r := newRun(ctx, hosts, o, f, revert)
	defer r.stop(nil)
	r.forth()
	r.panics.goOn()
	r.back()
	r.panics.goOn()
	return r.results
}
