package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// run is an operation on many hosts under way.
type run[T any] struct {
	ctx      context.Context
	hosts    []host.Host
	f        Func[T]
	revert   RevertFunc[T]
	results  []Result[T]
	canaries int           // so many hosts come first
	most     int           // so many may fail
	turns    chan struct{} // one for each host that is worked on
	gates    gates
	panics   panics

	open context.Context         // ends when no further host is to be begun, with the reason as its cause
	stop context.CancelCauseFunc // ends it

	mu        sync.Mutex
	begun     int
	failed    int
	succeeded []int // hosts, in the order in which they were done
}

func newRun[T any](ctx context.Context, hosts []host.Host, o Options, f Func[T], revert RevertFunc[T]) *run[T] {
	if o.Parallel < 1 {
		o.Parallel = DefaultParallel
	}
	r := &run[T]{
		ctx: ctx, hosts: hosts, f: f, revert: revert, results: make([]Result[T], len(hosts)),
		canaries: min(max(o.Canary, 0), len(hosts)), most: o.MaxFailures.of(len(hosts)),
		turns: make(chan struct{}, o.Parallel),
	}
	r.open, r.stop = context.WithCancelCause(ctx)
	for i, h := range hosts {
		r.results[i].Host = h.Name()
	}
	return r
}

// forth does the operation, on the canaries first.
func (r *run[T]) forth() {
	all := make([]int, len(r.hosts))
	for i := range all {
		all[i] = i
	}
	canaries, others := all[:r.canaries], all[r.canaries:]
	first := len(canaries) > 0 && len(others) > 0
	if first {
		narrate.Sayf(r.telling(), "canary", "🐤 First %s, then %d more", r.named(canaries), len(others))
	}
	r.each(r.open, canaries, r.do, r.leaveOut)
	if first && r.open.Err() == nil {
		narrate.Sayf(r.telling(), "canary_done", "✅ Done on %s, going on with %d more", r.named(canaries), len(others))
	}
	r.each(r.open, others, r.do, r.leaveOut)
}

// do does the operation on a host.
func (r *run[T]) do(i int, h host.Host) {
	r.mu.Lock()
	r.begun++
	r.mu.Unlock()
	result, began := &r.results[i], time.Now()
	result.Value, result.Err = r.f(narrate.WithHost(r.ctx, result.Host), h)
	result.Seconds = float64(time.Since(began).Milliseconds()) / 1000
	r.note(i)
}

// note takes account of what the operation came to on a host, and may stop the run.
func (r *run[T]) note(i int) {
	r.mu.Lock()
	why, last := r.count(i), r.begun == len(r.hosts)
	if why != "" {
		r.stop(why)
	}
	r.mu.Unlock()
	if why != "" && !last {
		narrate.Warnf(r.telling(), "fleet_stopped", "🛑 No further host is begun: %v", why)
	}
}

// count counts what the operation came to on a host. It returns why the run is to be stopped, or "".
func (r *run[T]) count(i int) stopError {
	if r.results[i].Err == nil {
		r.succeeded = append(r.succeeded, i)
		return ""
	}
	r.failed++
	switch {
	case r.open.Err() != nil:
		return ""
	case i < r.canaries:
		return stopError(fmt.Sprintf("the canary %s failed", r.results[i].Host))
	case r.failed <= r.most:
		return ""
	case r.most == 0:
		return stopError(fmt.Sprintf("%s failed, and none may", r.results[i].Host))
	}
	return stopError(fmt.Sprintf("%d of %d hosts failed, more than %d are not allowed", r.failed, len(r.hosts), r.most))
}

// leaveOut gives a host that is not begun its result.
func (r *run[T]) leaveOut(i int, why error) {
	r.results[i].Err = fmt.Errorf("%w: %w", ErrNotBegun, why)
}

// back puts back what was done, if the run was stopped.
func (r *run[T]) back() {
	if r.revert == nil || !errors.Is(context.Cause(r.open), ErrStopped) {
		return
	}
	slices.Reverse(r.succeeded)
	r.each(r.ctx, r.succeeded, r.putBack, r.keep)
}

// putBack puts a host back.
func (r *run[T]) putBack(i int, h host.Host) {
	result := &r.results[i]
	why := context.Cause(r.open)
	ctx := narrate.WithHost(r.telling(), result.Host)
	narrate.Sayf(ctx, "reverting", "↩️  Putting %s back: %v", result.Host, why)
	err := r.revert(narrate.WithHost(r.ctx, result.Host), h, result.Value)
	switch {
	case errors.Is(err, ErrUnchanged):
		narrate.Sayf(ctx, "reverted", "✅ There is nothing to put back on %s", result.Host)
		return
	case err != nil:
		r.keep(i, err)
		narrate.Errorf(ctx, "revert_failed", "❌ %s is not put back: %v", result.Host, err)
		return
	}
	result.Reverted, result.Err = true, fmt.Errorf("%w: %w", ErrReverted, why)
	narrate.Sayf(ctx, "reverted", "✅ %s is put back", result.Host)
}

// keep gives a host that could not be put back its result.
func (r *run[T]) keep(i int, why error) {
	r.results[i].RevertErr = why
	r.results[i].Err = fmt.Errorf("done, but the run was stopped, and it is not put back: %w", why)
}

// each calls work for each of these hosts, as many at once as there are turns and gates allow, and
// returns when all calls have. Once open has ended it calls left in place of work.
func (r *run[T]) each(open context.Context, order []int, work func(int, host.Host), left func(int, error)) {
	var all sync.WaitGroup
	for _, i := range order {
		select {
		case r.turns <- struct{}{}:
		case <-open.Done():
			left(i, context.Cause(open))
			continue
		}
		all.Go(func() {
			defer func() { <-r.turns }()
			defer r.panics.keep(func() { r.stop(errPanic) })
			h, leave := r.enter(open, i)
			defer leave()
			if open.Err() != nil {
				left(i, context.Cause(open))
				return
			}
			work(i, h)
		})
	}
	all.Wait()
}

// enter waits until the host may connect; see [gate.enter].
func (r *run[T]) enter(open context.Context, i int) (host.Host, func()) {
	h := r.hosts[i]
	return r.gates.of(narrate.WithHost(open, r.results[i].Host), h).enter(open, h)
}

// telling is the context of what the run itself tells.
func (r *run[T]) telling() context.Context { return narrate.WithActor(r.ctx, "fleet") }

// named lists hosts by name.
func (r *run[T]) named(hosts []int) string {
	var all []string
	for _, i := range hosts {
		all = append(all, r.results[i].Host)
	}
	return list(all)
}

// stopError says why a run was stopped.
type stopError string

func (e stopError) Error() string { return string(e) }

// Is reports true for [ErrStopped].
func (e stopError) Is(target error) bool { return target == ErrStopped }

// errPanic ends a run that nobody gets the results of.
var errPanic = errors.New("panic")

// panics holds the first panic of several goroutines.
type panics struct {
	once  sync.Once
	value any
}

// keep keeps the panic of its caller, if there is one, and calls then.
func (p *panics) keep(then func()) {
	if r := recover(); r != nil {
		p.once.Do(func() { p.value = r })
		then()
	}
}

func (p *panics) goOn() {
	if p.value != nil {
		panic(p.value)
	}
}
