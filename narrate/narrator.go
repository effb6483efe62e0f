package narrate

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Sink takes events. It must be safe for concurrent use. An error says that the event was lost;
// it never fails the work that is told.
type Sink interface {
	Emit(Event) error
}

// SinkFunc is a function that is a [Sink].
type SinkFunc func(Event) error

// Emit calls f.
func (f SinkFunc) Emit(e Event) error { return f(e) }

// Prompt marks a sink whose Emit never waits for anything outside the process. It is called
// directly; any other sink is watched, so that it cannot hold up the work.
type Prompt interface {
	Sink
	Prompt()
}

// Batch is a sink that takes several events at once for less than one by one. It is called with
// events that come close together, such as the lines of a captured command.
type Batch interface {
	Sink
	// EmitAll takes the events in order. It must not keep the slice. It returns how many it took;
	// an error says that the one after those was lost, and further ones were not tried.
	EmitAll(events []Event) (taken int, err error)
}

// JobsOnly returns a sink that offers s only events that carry a job ID.
func JobsOnly(s Sink) Sink {
	if p, ok := s.(Prompt); ok {
		return promptJobsOnly{jobsOnly{p}}
	}
	return jobsOnly{s}
}

type jobsOnly struct{ sink Sink }

func (j jobsOnly) Emit(e Event) error {
	if e.Job == "" {
		return nil
	}
	return j.sink.Emit(e)
}

type promptJobsOnly struct{ jobsOnly }

func (promptJobsOnly) Prompt() {}

// Narrator tells events to its sinks, in order.
type Narrator struct{ lanes []*lane }

// New returns a narrator with the given sinks. One without sinks tells nobody.
func New(sinks ...Sink) *Narrator {
	n := &Narrator{}
	for _, s := range sinks {
		n.lanes = append(n.lanes, newLane(s))
	}
	return n
}

// Lost returns how many events its sinks did not take.
func (n *Narrator) Lost() int {
	lost := 0
	for _, l := range n.lanes {
		l.mu.Lock()
		lost += l.lost
		l.mu.Unlock()
	}
	return lost
}

// stdout is where a context without a narrator tells to.
var stdout = sync.OnceValue(func() *Narrator { return New(NewText(os.Stdout, TextOptions{})) })

// Emit tells e to every sink of ctx. What e leaves empty of job, attempt, correlation, host,
// step, actor, traceparent, time and level comes from ctx and the clock. Secrets are masked.
func Emit(ctx context.Context, e Event) {
	s := scopeOf(ctx)
	s.emit(e, aMoment)
}

func (s *scope) emit(e Event, wait patience) {
	fill(&e.Job, s.job)
	fill(&e.Correlation, s.correlation)
	fill(&e.Host, s.host)
	fill(&e.Step, s.step)
	fill(&e.Actor, s.actor)
	fill(&e.Traceparent, s.traceparent)
	fill(&e.Level, Info)
	fill(&e.Kind, Narration)
	if e.Attempt == 0 {
		e.Attempt = s.attempt
	}
	if e.Attempt == 0 && e.Job != "" {
		e.Attempt = 1
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	e.Message = masked(e.Message, s.secrets)
	e.Attrs = maskedAttrs(e.Attrs, s.secrets)
	n := s.narrator
	if n == nil {
		n = stdout()
	}
	for _, l := range n.lanes {
		l.offer(e, wait)
	}
	for _, l := range s.lanes {
		l.offer(e, wait)
	}
}

func fill[S ~string](to *S, from S) {
	if *to == "" {
		*to = from
	}
}

// Sayf tells a step in words. The action is one of the words that watchers match on.
func Sayf(ctx context.Context, action, format string, args ...any) {
	Emit(ctx, Event{Action: action, Message: fmt.Sprintf(format, args...)})
}

// Warnf is [Sayf] for what should be looked at.
func Warnf(ctx context.Context, action, format string, args ...any) {
	Emit(ctx, Event{Action: action, Level: Warn, Message: fmt.Sprintf(format, args...)})
}

// Errorf is [Sayf] for what went wrong. It tells; it does not make an error.
func Errorf(ctx context.Context, action, format string, args ...any) {
	Emit(ctx, Event{Action: action, Level: Error, Message: fmt.Sprintf(format, args...)})
}

// Outputf tells one captured line of the stream "stdout" or "stderr".
func Outputf(ctx context.Context, stream, format string, args ...any) {
	Emit(ctx, Event{Kind: Output, Message: fmt.Sprintf(format, args...), Attrs: map[string]any{"stream": stream}})
}

// ChangeState tells a change of state.
func ChangeState(ctx context.Context, from, to string) {
	Emit(ctx, Event{Kind: State, Action: "state", Message: from + " → " + to, Attrs: map[string]any{"from": from, "to": to}})
}

// The final states of a job, as they stand in an end event.
const (
	Succeeded = "succeeded"
	Failed    = "failed"
	Cancelled = "cancelled"
	TimedOut  = "timed_out"
)

// Finish tells the last event of a job: its final state, the error that led to it (or nil) and
// the receipts of the hosts (any value that encoding/json can write, or nil).
func Finish(ctx context.Context, state string, err error, receipts any) {
	attrs := map[string]any{"state": state}
	level, message := Info, state
	if err != nil {
		attrs["error"] = err.Error()
		level, message = Error, state+": "+err.Error()
	}
	if receipts != nil {
		attrs["receipts"] = receipts
	}
	Emit(ctx, Event{Kind: End, Action: "end", Level: level, Message: message, Attrs: attrs})
}

// StallBound is the longest that a sink which does not return holds up the work. A sink that
// has stalled is not waited for again until it has caught up.
const StallBound = 250 * time.Millisecond

const (
	// stalledQueue is how many events wait for a stalled sink before further ones are lost.
	stalledQueue = 1024
	// burst is how many events wait for a sink that has not stalled before the teller waits, too.
	burst = 64
	// atOnce is about how many bytes a [Batch] is given in one call. It is little: the sink has
	// StallBound for a call, and what it writes to may be slow.
	atOnce = 2 << 10
)

// patience says how long a teller waits for a sink that has not stalled.
type patience int

const (
	aMoment   patience = iota // until the sink has taken the event, StallBound at most
	allAlong                  // until it has taken it, as long as it goes on taking events
	ifPressed                 // not at all, or allAlong if a burst waits already; an event follows
)

// lane leads from a context to one sink that may stall. Events pass it in order.
type lane struct {
	sink   Sink
	prompt bool
	batch  Batch // the sink, if it is one

	mu      sync.Mutex
	queue   []Event   // what was offered since feed looked last
	spare   []Event   // the empty queue that takes its place then
	waiting int       // events that the sink was not called with yet
	offered uint64    // events that came into the queue so far
	given   uint64    // events that the sink was called with, and returned
	moved   time.Time // when it returned last
	waiters []waiter
	running bool // a goroutine is feeding the sink
	stalled bool // the sink missed its bound and has not caught up
	lost    int
	said    bool // that events were lost
}

// waiter waits until so many events have been given.
type waiter struct {
	given uint64
	done  chan struct{} // closed then
}

func newLane(s Sink) *lane {
	_, prompt := s.(Prompt)
	batch, _ := s.(Batch)
	return &lane{sink: s, prompt: prompt, batch: batch}
}

// offer gives e to the sink and waits as it is told to.
func (l *lane) offer(e Event, wait patience) {
	if l.prompt {
		l.note(call(l.sink, e))
		return
	}
	l.mu.Lock()
	if l.stalled && l.waiting >= stalledQueue {
		l.mu.Unlock()
		l.note(fmt.Errorf("stalled for longer than %v", StallBound))
		return
	}
	l.queue = append(l.queue, e)
	l.waiting++
	l.offered++
	if !l.running {
		l.running = true
		go l.feed()
	}
	if l.stalled || wait == ifPressed && l.waiting < burst {
		l.mu.Unlock()
		return
	}
	done := make(chan struct{})
	l.waiters = append(l.waiters, waiter{l.offered, done})
	l.mu.Unlock()
	l.await(done, wait != aMoment)
}

// await waits for done: until StallBound is over or, with patience, until the sink has not moved
// for so long.
func (l *lane) await(done <-chan struct{}, patient bool) {
	timer := time.NewTimer(StallBound)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return
		case <-timer.C:
		}
		left := l.judge()
		if left <= 0 || !patient {
			return
		}
		timer.Reset(left)
	}
}

// judge returns how long the sink may take yet until it has stalled. It has also stalled if too
// many events wait, as those of many tellers may for one that is only slow.
func (l *lane) judge() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := StallBound - time.Since(l.moved)
	if left <= 0 || l.waiting >= stalledQueue {
		l.stalled, left = l.running, 0
	}
	return left
}

// feed gives the queued events to the sink and ends when there are none.
func (l *lane) feed() {
	l.mu.Lock()
	for len(l.queue) > 0 {
		events := l.queue
		l.queue = l.spare
		for rest := events; len(rest) > 0; {
			n := l.next(rest)
			l.waiting -= n
			l.mu.Unlock()
			done := l.give(rest[:n])
			l.mu.Lock()
			l.waiting += n - done
			l.went(done)
			rest = rest[done:]
		}
		clear(events)
		l.spare = events[:0]
	}
	if cap(l.queue)+cap(l.spare) > 4*burst { // the sink had stalled
		l.queue, l.spare = nil, nil
	}
	l.running, l.stalled = false, false
	l.mu.Unlock()
}

// next returns how many of the events the sink is called with next.
func (l *lane) next(events []Event) int {
	if l.batch == nil {
		return 1
	}
	for i, size := 0, 0; i < len(events); i++ {
		if size += len(events[i].Message); size > atOnce {
			return max(i, 1)
		}
	}
	return len(events)
}

// give calls the sink with the events and returns how many of them are done with: taken or lost.
func (l *lane) give(events []Event) int {
	if len(events) == 1 {
		l.note(call(l.sink, events[0]))
		return 1
	}
	taken, err := callAll(l.batch, events)
	if err == nil {
		return len(events)
	}
	l.note(err)
	return min(max(taken, 0)+1, len(events))
}

// went notes that the sink has returned from a call with n events.
func (l *lane) went(n int) {
	l.given += uint64(n)
	l.moved = time.Now()
	for len(l.waiters) > 0 && l.waiters[0].given <= l.given {
		close(l.waiters[0].done)
		l.waiters = slices.Delete(l.waiters, 0, 1)
	}
}

// callAll is EmitAll, with a panic of the sink as its error.
func callAll(b Batch, events []Event) (taken int, err error) {
	defer func() {
		if r := recover(); r != nil {
			taken, err = 0, fmt.Errorf("panic: %v", r)
		}
	}()
	return b.EmitAll(events)
}

// call is Emit, with a panic of the sink as its error.
func call(s Sink, e Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return s.Emit(e)
}

// note counts what was lost and says so on stderr once.
func (l *lane) note(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	l.lost++
	first := !l.said
	l.said = true
	l.mu.Unlock()
	lostEvents.Add(1)
	if first {
		fmt.Fprintf(os.Stderr, "davit: events are being lost: a sink (%T) did not take one: %v\n", l.sink, err)
	}
}

var lostEvents atomic.Int64

// Lost returns how many events sinks of this process did not take so far.
func Lost() int64 { return lostEvents.Load() }
