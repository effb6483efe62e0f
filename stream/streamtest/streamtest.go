// Package streamtest tests that a [stream.Log] keeps what its interface promises. Every log of
// ours passes it; so should a log of yours.
package streamtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/stream"
)

// patience is when a call that does not return is given up, so that a log that hangs fails the
// test and not the whole run. Nothing is measured with it.
const patience = time.Minute

// Run tests the logs that newLog returns: each test gets one, empty, which must keep at least
// 1,000 events of a job. What a log needs for its end belongs into t.Cleanup.
func Run(t *testing.T, newLog func(t *testing.T) stream.Log) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			test(&suite{T: t, ctx: ctx, log: newLog(t)})
		})
	}
}

var tests = map[string]func(*suite){
	"events come back as they were told, numbered":    eventsComeBack,
	"IDs rise through the whole log":                  idsRise,
	"appends at the same time leave no gap":           concurrentAppends,
	"a batch is bounded":                              batchIsBounded,
	"what the teller changes later is not seen":       attrsAreKept,
	"what JSON cannot say is refused":                 attrsAreRefused,
	"following resumes after every position":          resumes,
	"a position that cannot be placed resets":         resets,
	"following waits for what comes":                  waits,
	"a wait cut short loses nothing":                  cutShort,
	"many watchers get the same":                      manyWatchers,
	"a watcher that does not read holds up nobody":    slowWatcher,
	"a job's events are seen by nobody else":          jobsAreApart,
	"nothing comes after the end":                     nothingAfterEnd,
	"an unknown job is refused":                       unknownJob,
	"an event without a job is refused":               noJob,
	"a job is created once":                           createdOnce,
	"a removed job ends its watchers and is unknown":  removed,
	"a job created again does not continue the first": createdAgain,
	"the handler resumes and ends":                    handlerResumes,
}

// suite is one test under way.
type suite struct {
	*testing.T
	ctx context.Context
	log stream.Log
}

// must stops the test if err is not nil.
func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// wants reports an error that is not the one it should be.
func (s *suite) wants(doing string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: error %v, want %v", doing, err, want)
	}
}

func (s *suite) create(jobs ...string) {
	s.Helper()
	for _, job := range jobs {
		s.must(s.log.Create(s.ctx, job))
	}
}

// say appends n events to job, with the messages "<job> <from>", "<job> <from+1>" ….
func (s *suite) say(job string, from, n int) {
	s.Helper()
	for i := from; i < from+n; i++ {
		s.must(s.log.Append(s.ctx, narrate.Event{
			Kind: narrate.Narration, Job: job, Time: time.UnixMilli(int64(i)), Message: fmt.Sprintf("%s %d", job, i),
		}))
	}
}

func (s *suite) end(job string) {
	s.Helper()
	s.must(s.log.Append(s.ctx, narrate.Event{
		Kind: narrate.End, Job: job, Attrs: map[string]any{"state": narrate.Succeeded},
	}))
}

func (s *suite) follow(job string, from stream.Position) stream.Cursor {
	s.Helper()
	c, err := s.log.Follow(s.ctx, job, from)
	s.must(err)
	s.Cleanup(c.Close)
	return c
}

// take reads n events and fails if they do not come, or more with them.
func (s *suite) take(c stream.Cursor, n int) []narrate.Event {
	s.Helper()
	events, err := takeAtLeast(s.ctx, c, n)
	s.must(err)
	if len(events) > n {
		s.Fatalf("got %d events, want %d", len(events), n)
	}
	return events
}

// takeAtLeast is for goroutines, which must not end the test.
func takeAtLeast(ctx context.Context, c stream.Cursor, n int) ([]narrate.Event, error) {
	var all []narrate.Event
	for len(all) < n {
		events, err := c.Next(ctx)
		if err != nil {
			return all, fmt.Errorf("after %d of %d events: %w", len(all), n, err)
		}
		if len(events) == 0 {
			return all, errors.New("next returned neither events nor an error")
		}
		all = append(all, events...)
	}
	return all, nil
}

// whole reads all there is of a job that has n events.
func (s *suite) whole(job string, n int) []narrate.Event {
	s.Helper()
	return s.take(s.follow(job, stream.Start), n)
}

// checkSeqs fails unless events are those of job with the seqs from, from+1 ….
func checkSeqs(job string, events []narrate.Event, from uint64) error {
	for i, e := range events {
		if want := from + uint64(i); e.Job != job || e.Seq != want {
			return fmt.Errorf("event %d: job %s seq %d, want job %s seq %d", i, e.Job, e.Seq, job, want)
		}
	}
	return nil
}

// waitReset fails unless the next thing that c says is a reset.
func (s *suite) waitReset(c stream.Cursor) {
	s.Helper()
	events, err := c.Next(s.ctx)
	if r, ok := errors.AsType[*stream.Reset](err); !ok || r.Reason == "" || len(events) > 0 {
		s.Fatalf("got %d events and error %v, want a reset with a reason", len(events), err)
	}
}

func (s *suite) json(v any) string {
	s.Helper()
	b, err := json.Marshal(v)
	s.must(err)
	return string(b)
}
