// Package stream keeps the events of jobs and gives them to whoever follows a job: the [Log]
// interface, a log in memory, and a Server-Sent Events handler over any Log.
//
// A program that keeps its jobs to itself needs three lines:
//
//	log := stream.NewMemory(1000)
//	ctx = narrate.WithSink(narrate.WithJob(ctx, id), log.Sink())
//	mux.Handle("GET /v1/jobs/{id}/stream", stream.Handler(log))
//
// Package streamtest tests that a Log keeps what it promises.
package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/davit-sh/davit/narrate"
)

// The errors of a [Log], to be found with errors.Is.
var (
	// ErrNoJob says that an event, or a call, names no job.
	ErrNoJob = errors.New("no job ID")
	// ErrUnknownJob says that the log has no such job: never created, or removed.
	ErrUnknownJob = errors.New("unknown job")
	// ErrExists says that the job was created before.
	ErrExists = errors.New("job exists already")
	// ErrEnded says that nothing comes after the job's end event.
	ErrEnded = errors.New("job has ended")
)

// MaxBatch is the most events that one call of [Cursor.Next] gives.
const MaxBatch = 32

// Log keeps the events of jobs, each job's apart from every other's. It is safe for use by
// several goroutines at once.
type Log interface {
	// Create makes room for a job, so that it can be followed before its first event. It
	// returns ErrExists for a job that is there, and ErrNoJob for "".
	Create(ctx context.Context, job string) error

	// Append keeps e as the next event of its job. The log sets e.Seq, which counts the job's
	// events 1, 2, 3 … without gaps, and e.ID, "<epoch>.<n>", where n rises from event to event
	// through the whole log and the epoch is the log's own, so that an ID of another log is
	// told apart. Attrs are kept as encoding/json writes and reads them; an event that it
	// cannot write is refused. Append returns ErrNoJob, ErrUnknownJob, and ErrEnded once the
	// job's [narrate.End] event is in.
	Append(ctx context.Context, e narrate.Event) error

	// Follow returns a cursor on the events of job after from. It returns ErrEnded if from is
	// the job's end event, since nothing follows it, and ErrUnknownJob. A from that the log
	// cannot place is no error here: the cursor begins with a [Reset]. The caller must close
	// the cursor; ctx bounds the call, not the cursor.
	Follow(ctx context.Context, job string, from Position) (Cursor, error)

	// Remove forgets the job. Its cursors end with ErrUnknownJob. It returns ErrUnknownJob if
	// there is no such job.
	Remove(ctx context.Context, job string) error
}

// Cursor gives one follower the events of one job: each once, in order, none of another job.
// It is for one goroutine at a time.
type Cursor interface {
	// Next returns the next events, 1 to MaxBatch of them, and waits while there are none. The
	// events are shared with other followers: read them, do not change their Attrs.
	//
	// After the job's end event it returns io.EOF. If events that should have come next are
	// gone, or the position could not be placed, it returns a *[Reset] once and goes on from
	// the oldest event there is. It returns context.Cause(ctx) if ctx ends first; nothing is
	// lost by that, the next call goes on from the same place. It returns ErrUnknownJob once
	// the job was removed.
	Next(ctx context.Context) ([]narrate.Event, error)

	// Close frees what the cursor holds. The cursor must not be used after it.
	Close()
}

// The reasons of a [Reset], which followers may match on.
const (
	// Expired says that events were asked for that the log does not keep any more.
	Expired = "expired"
	// UnknownPosition says that the position is no event of this job in this log.
	UnknownPosition = "unknown_position"
)

// Reset is the error that tells a follower that its history has a hole: what comes next is the
// oldest event there is. Its JSON form is the data of an SSE "reset" event.
type Reset struct {
	// Reason is Expired or UnknownPosition.
	Reason string `json:"reason"`
	// Lost is how many events are missing, 0 if that is not known.
	Lost uint64 `json:"lost,omitempty"`
}

// Error says what was lost, and why.
func (r *Reset) Error() string {
	if r.Lost == 0 {
		return "history reset: " + r.Reason
	}
	return fmt.Sprintf("history reset: %s, %d events lost", r.Reason, r.Lost)
}
