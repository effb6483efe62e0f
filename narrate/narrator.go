package narrate

import (
	"context"
	"fmt"
	"os"
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
		l.offer(e)
	}
	for _, l := range s.lanes {
		l.offer(e)
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

// stalledQueue is how many events wait for a stalled sink before further ones are lost.
const stalledQueue = 1024

// lane leads from a context to one sink that may stall. Events pass it one at a time, in order.
type lane struct {
	sink   Sink
	prompt bool

	mu      sync.Mutex
	queue   []queued
	running bool // a goroutine is feeding the sink
	stalled bool // the sink missed its bound and has not caught up
	lost    int
	said    bool // that events were lost
}

type queued struct {
	event Event
	done  chan struct{}
}

func newLane(s Sink) *lane {
	_, prompt := s.(Prompt)
	return &lane{sink: s, prompt: prompt}
}

// offer gives e to the sink and waits until it was taken, StallBound at most.
func (l *lane) offer(e Event) {
	if l.prompt {
		l.note(call(l.sink, e))
		return
	}
	l.mu.Lock()
	if l.stalled && len(l.queue) >= stalledQueue {
		l.mu.Unlock()
		l.note(fmt.Errorf("stalled for longer than %v", StallBound))
		return
	}
	q := queued{event: e, done: make(chan struct{})}
	l.queue = append(l.queue, q)
	wait := !l.stalled
	if !l.running {
		l.running = true
		go l.feed()
	}
	l.mu.Unlock()
	if !wait {
		return
	}
	timer := time.NewTimer(StallBound)
	defer timer.Stop()
	select {
	case <-q.done:
	case <-timer.C:
		l.mu.Lock()
		l.stalled = len(l.queue) > 0 || l.running
		l.mu.Unlock()
	}
}

// feed gives the queued events to the sink and ends when there are none.
func (l *lane) feed() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.running, l.stalled = false, false
			l.mu.Unlock()
			return
		}
		q := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()
		l.note(call(l.sink, q.event))
		close(q.done)
	}
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
