// Package deadline gives an operation a hard time limit: it is done or failed when the limit
// ends, whatever hangs.
//
// The limit is split openly. The function's context ends a little before the limit
// ([Reserve]); what remains is for clean-up ([Cleanup]) and the last words. At the limit
// itself the caller has its answer, even when the function ignores its context.
package deadline

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/davit-sh/davit/narrate"
)

// Limit is the time that an operation has, all of it.
type Limit struct {
	Label string        // what is limited, in words: "Install daemon"
	After time.Duration // more than 0
}

// Reserve returns the part at the end of a limit that is kept for clean-up and the last words:
// 5 % of it, at least 250 ms and at most 5 s, never more than half of it.
func Reserve(after time.Duration) time.Duration {
	return min(max(250*time.Millisecond, min(5*time.Second, after/20)), after/2)
}

// Run calls f and returns its error, or an [*Error] when the limit ends first. It narrates the
// start and the timeout. The caller's own earlier limit wins, and the error names that one.
func Run(ctx context.Context, l Limit, f func(context.Context) error) error {
	_, err := Value(ctx, l, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// Value is [Run] for a function with a result. The result of an abandoned function is lost; the
// zero value is returned in its place.
func Value[T any](ctx context.Context, l Limit, f func(context.Context) (T, error)) (T, error) {
	var none T
	if l.After <= 0 {
		return none, fmt.Errorf("%s: the time limit is %v; it must be more than 0", lower(l.Label), l.After)
	}
	narrate.Emit(ctx, narrate.Event{
		Action: "start", Message: fmt.Sprintf("⏱️  %s (timeout: %s)", l.Label, seconds(l.After)),
		Attrs: map[string]any{"timeout_seconds": l.After.Seconds(), "deadline": time.Now().Add(l.After).UTC().Format(time.RFC3339Nano)},
	})
	work, fr, cancel := open(ctx, l)
	defer cancel()

	done := make(chan outcome[T], 1)
	go call(work, f, done)

	select {
	case o := <-done:
		return o.result(work, fr)
	case <-work.Done():
	}
	// The work was told to end. It has until the limit, or, cancelled early, as long as the
	// clean-up of a limit takes.
	grace := time.NewTimer(min(time.Until(fr.hard), Reserve(l.After)))
	defer grace.Stop()
	select {
	case o := <-done:
		return o.result(work, fr)
	case <-grace.C:
	}
	select {
	case o := <-done: // both at once: an answer is better than none
		return o.result(work, fr)
	default:
	}
	fr.abandon()
	go func() { <-done; abandoned.Add(-1) }()
	return none, fr.failure(work, nil)
}

// outcome is what the function came to.
type outcome[T any] struct {
	value    T
	err      error
	panicked any
}

func call[T any](ctx context.Context, f func(context.Context) (T, error), done chan<- outcome[T]) {
	var o outcome[T]
	defer func() {
		if r := recover(); r != nil {
			o.panicked = r
		}
		done <- o
	}()
	o.value, o.err = f(ctx)
}

// result is the function's own answer. A panic goes on in the caller's goroutine, where the
// caller's recover sees it.
func (o outcome[T]) result(work context.Context, fr *frame) (T, error) {
	if o.panicked != nil {
		panic(o.panicked)
	}
	if o.err == nil || work.Err() == nil {
		return o.value, o.err
	}
	return o.value, fr.failure(work, o.err)
}

// frame is one open limit.
type frame struct {
	limit Limit
	outer *frame    // the limit that this one is nested in; nil if there is none
	own   *Error    // this limit's
	work  time.Time // when the function's context ends
	hard  time.Time // when the caller has its answer
	last  context.Context
}

type frameKey struct{}

func frameOf(ctx context.Context) *frame {
	f, _ := ctx.Value(frameKey{}).(*frame)
	return f
}

func open(ctx context.Context, l Limit) (context.Context, *frame, context.CancelFunc) {
	now := time.Now()
	f := &frame{limit: l, hard: now.Add(l.After), last: context.WithoutCancel(ctx)}
	f.work = f.hard.Add(-Reserve(l.After))
	if p := frameOf(ctx); p != nil {
		f.outer = p
		// The outer limit is kept open long enough for it to tell what this one left.
		if outer := p.hard.Add(-p.hard.Sub(p.work) / 4); outer.Before(f.hard) {
			f.hard = outer
		}
	}
	f.own = &Error{Label: l.Label, After: l.After}
	work, cancel := context.WithDeadlineCause(ctx, f.work, f.own)
	f.own.at.until = work
	work = narrate.WithSink(context.WithValue(work, frameKey{}, f), &f.own.at)
	return work, f, cancel
}

// failure is the error of a function whose context has ended: the limit that ended it, or err
// when that says so already or when something else ended it.
func (f *frame) failure(work context.Context, err error) error {
	cause := context.Cause(work)
	limit, timedOut := cause.(*Error)
	if timedOut && limit == f.own {
		f.tell(narrate.Event{
			Action: "timeout", Level: narrate.Error,
			Message: fmt.Sprintf("❌ %s TIMED OUT after %s", limit.Label, seconds(limit.After)),
			Attrs:   map[string]any{"timeout_seconds": limit.After.Seconds(), "error": limit.Error()},
		})
	}
	switch {
	case timedOut && !isOrWraps(err, limit):
		return limit
	case err != nil:
		return err
	}
	return fmt.Errorf("%s: %w", lower(f.limit.Label), cause)
}

// lastWords bounds what the telling at the limit may add to it.
const lastWords = 50 * time.Millisecond

// tell narrates without making the caller wait for a sink that stalls just now.
func (f *frame) tell(e narrate.Event) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		narrate.Emit(f.last, e)
	}()
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-said:
	case <-timer.C:
	}
}

var abandoned atomic.Int64

// Abandoned returns how many functions of this process run on although their limit has ended.
func Abandoned() int64 { return abandoned.Load() }

func (f *frame) abandon() {
	n := abandoned.Add(1)
	f.tell(narrate.Event{
		Action: "abandoned", Level: narrate.Warn,
		Message: fmt.Sprintf("⚠️  %s did not stop when told to and was left behind (%d in this process)", f.limit.Label, n),
		Attrs:   map[string]any{"abandoned": n},
	})
}

// Cleanup returns a context for what must still be done after ctx has ended: it has the values
// of ctx, is not cancelled with it, and ends just before the limit, or after 5 s when that is
// sooner or when there is no limit.
func Cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(5 * time.Second)
	if f := frameOf(ctx); f != nil {
		// Cancelled early, the caller waits for no longer than at the limit.
		reserve := f.hard.Sub(f.work)
		for _, last := range []time.Time{f.hard.Add(-reserve / 8), time.Now().Add(reserve - reserve/8)} {
			if last.Before(end) {
				end = last
			}
		}
	}
	return context.WithDeadline(context.WithoutCancel(ctx), end)
}

// Enter notes for the errors of ctx's limits that the work is in step now. What is told in a step
// says the same; Enter is for the time before anything is told.
func Enter(ctx context.Context, step string) {
	for f := frameOf(ctx); f != nil; f = f.outer {
		_ = f.own.at.Emit(narrate.Event{Step: step}) // which never fails
	}
}

// Remaining returns the time until the caller of ctx's limit has its answer; ok is false when
// ctx has no limit.
func Remaining(ctx context.Context) (left time.Duration, ok bool) {
	f := frameOf(ctx)
	if f == nil {
		return 0, false
	}
	return time.Until(f.hard), true
}

// seconds writes d as watchers match it: "300s", "1.5s".
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

func lower(label string) string {
	if label == "" {
		return "operation"
	}
	return strings.ToLower(label[:1]) + label[1:]
}
