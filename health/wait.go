package health

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/davit-sh/davit/narrate"
)

// firstWait is the time between the first look and the second.
const firstWait = 100 * time.Millisecond

// Wait looks until the daemon is healthy, and tells each attempt. It returns an [*Error] when the check's
// Timeout is over, which is [ErrUnhealthy]; when ctx has ended, which wraps the cause of that; and at once
// when asking again does not help: [host.ErrLost], [ErrCannotAsk].
func (p *Prober) Wait(ctx context.Context) (attempts int, err error) {
	w := &wait{p: p, begin: time.Now(), pauses: p.pauses()}
	if e := w.run(ctx); e != nil {
		e.Attempts, e.After = w.attempts, time.Since(w.begin)
		return w.attempts, e
	}
	return w.attempts, nil
}

// pauses returns the times between two looks.
func (p *Prober) pauses() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.RandomizationFactor, b.Multiplier = 0, 2 // each host has a daemon of its own: there is no crowd to spread
	b.InitialInterval, b.MaxInterval = min(firstWait, p.check.Interval), p.check.Interval
	return b
}

// wait is one wait for a daemon.
type wait struct {
	p        *Prober
	begin    time.Time
	pauses   backoff.BackOff
	attempts int
	last     *Error // what came of the last look that was not cut short
}

// run returns nil when the daemon is healthy.
func (w *wait) run(ctx context.Context) *Error {
	limited, cancel := context.WithTimeoutCause(ctx, w.p.check.Timeout, errOver)
	defer cancel()
	for {
		w.attempts++
		w.tellAttempt(ctx)
		e := w.p.look(limited)
		switch {
		case e == nil:
			w.tellSuccess(ctx)
			return nil
		case limited.Err() != nil && e.Kind != ErrCannotAsk:
			return w.ended(ctx, e)
		case e.Kind != ErrUnhealthy:
			return e
		}
		pause := w.pause()
		if pause == 0 {
			return e
		}
		w.tellRetry(ctx, e, pause)
		w.last = e
		select {
		case <-time.After(pause):
		case <-limited.Done():
			return w.ended(ctx, e)
		}
	}
}

// ended returns the error of a wait whose time is over, or whose ctx has ended, after the look that led to e.
// What came of a look that was cut short says less than what came of the one before.
func (w *wait) ended(ctx context.Context, e *Error) *Error {
	if e.Err != nil && ctx.Err() == nil && e.Err != errOver {
		return e // the host was lost
	}
	last := e
	if e.Kind != ErrUnhealthy && w.last != nil {
		last = w.last
	}
	ended := &Error{Target: last.Target, Reason: last.Reason, Kind: ErrUnhealthy}
	if ctx.Err() != nil {
		ended.Kind, ended.Err = nil, context.Cause(ctx)
	}
	return ended
}

// pause returns the time until the next look, 0 if there is none for it. Towards the end they come closer
// together, so that a daemon is seen that serves in the last moment.
func (w *wait) pause() time.Duration {
	left := w.p.check.Timeout - time.Since(w.begin)
	if left <= firstWait {
		return 0
	}
	if next := w.pauses.NextBackOff(); next < left {
		return next
	}
	return max(left/2, firstWait)
}

func (w *wait) tellAttempt(ctx context.Context) {
	target, message := fit(ctx, w.p.check.String()), fmt.Sprintf("🩺 Attempt %d", w.attempts)
	if w.attempts == 1 {
		message = fmt.Sprintf("🩺 Waiting for the daemon to serve: %s (timeout: %v)", target, w.p.check.Timeout)
	}
	narrate.Emit(ctx, narrate.Event{
		Action: "health_attempt", Message: message,
		Attrs: map[string]any{"attempt": w.attempts, "target": target},
	})
}

// tellRetry tells a reason once, not with each attempt that has the same.
func (w *wait) tellRetry(ctx context.Context, e *Error, pause time.Duration) {
	reason := e.Reason
	if w.last != nil && w.last.Reason == e.Reason {
		reason = "the same"
	}
	narrate.Emit(ctx, narrate.Event{
		Action: "health_retry", Message: fmt.Sprintf("⏳ Not yet: %s; again in %v", reason, short(pause)),
		Attrs: map[string]any{"attempt": w.attempts, "target": e.Target, "reason": e.Reason, "wait_seconds": pause.Seconds()},
	})
}

func (w *wait) tellSuccess(ctx context.Context) {
	took := time.Since(w.begin)
	narrate.Emit(ctx, narrate.Event{
		Action: "health_success", Message: fmt.Sprintf("💚 Healthy after %s in %v", times(w.attempts), short(took)),
		Attrs: map[string]any{"attempts": w.attempts, "target": fit(ctx, w.p.check.String()), "seconds": took.Seconds()},
	})
}
