package stream

import (
	"context"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/davit-sh/davit/narrate"
)

// done is a context that has ended: Memory gives what is there and does not wait.
var (
	errDone = errors.New("nothing there yet")
	done    = func() context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errDone)
		return ctx
	}()
)

// newJob returns a log that keeps perJob events, with the job "a" in it.
func newJob(t *testing.T, perJob int) *Memory {
	t.Helper()
	m := NewMemory(perJob)
	if err := m.Create(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	return m
}

// say appends a narration for each message to the job "a".
func say(t *testing.T, log Log, messages ...string) {
	t.Helper()
	for _, message := range messages {
		tell(t, log, narrate.Event{Kind: narrate.Narration, Message: message})
	}
}

// tell appends events to the job "a".
func tell(t *testing.T, log Log, events ...narrate.Event) {
	t.Helper()
	for _, e := range events {
		e.Job = "a"
		if err := log.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// finish appends the end event to the job "a".
func finish(t *testing.T, log Log, state string, err error) {
	t.Helper()
	attrs := map[string]any{"state": state}
	if err != nil {
		attrs["error"] = err.Error()
	}
	tell(t, log, narrate.Event{Kind: narrate.End, Attrs: attrs})
}

func follow(t *testing.T, log Log, from Position) Cursor {
	t.Helper()
	c, err := log.Follow(t.Context(), "a", from)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantReset fails unless c says a reset that is want.
func wantReset(t *testing.T, c Cursor, want Reset) {
	t.Helper()
	_, err := c.Next(done)
	if r, ok := errors.AsType[*Reset](err); !ok || *r != want {
		t.Errorf("got %v, want %v", err, &want)
	}
}

// wantSeqs fails unless c gives the events from first to last in one batch.
func wantSeqs(t *testing.T, c Cursor, first, last uint64) []narrate.Event {
	t.Helper()
	events, err := c.Next(done)
	if err != nil || events[0].Seq != first || events[len(events)-1].Seq != last {
		t.Fatalf("got %v, %v, want seq %d to %d", events, err, first, last)
	}
	return events
}

func TestMemoryTellsWhatFellOut(t *testing.T) {
	t.Parallel()
	m := newJob(t, 3)
	say(t, m, "1", "2")
	live := follow(t, m, Start)
	ids := wantSeqs(t, live, 1, 2)
	say(t, m, "3", "4", "5")
	wantSeqs(t, live, 3, 5) // 1 and 2 fell out, but it had them

	wantReset(t, follow(t, m, Start), Reset{Reason: Expired, Lost: 2})
	wantReset(t, follow(t, m, "1"), Reset{Reason: Expired, Lost: 1})
	wantReset(t, follow(t, m, Position(ids[0].ID)), Reset{Reason: Expired})
	wantSeqs(t, follow(t, m, "2"), 3, 5)
	wantSeqs(t, follow(t, m, Position(ids[1].ID)), 3, 5)

	say(t, m, "6", "7", "8", "9")
	wantReset(t, live, Reset{Reason: Expired, Lost: 1})
	wantSeqs(t, live, 7, 9)
}

func TestMemoryKeepsTheEnd(t *testing.T) {
	t.Parallel()
	for _, perJob := range []int{-1, 0, 1} {
		m := newJob(t, perJob)
		say(t, m, "1")
		finish(t, m, narrate.Succeeded, nil)
		c := follow(t, m, Start)
		wantReset(t, c, Reset{Reason: Expired, Lost: 1})
		wantSeqs(t, c, 2, 2)
		if _, err := c.Next(done); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
	}
}

func TestMemorySinkIsPromptAndForJobsOnly(t *testing.T) {
	t.Parallel()
	m := NewMemory(10)
	if _, ok := m.Sink().(narrate.Prompt); !ok {
		t.Error("the sink is not marked prompt")
	}
	ctx := narrate.WithSink(narrate.WithNarrator(t.Context(), narrate.New()), m.Sink())
	narrate.Sayf(ctx, "start", "to nobody")
	if len(m.jobs) > 0 {
		t.Errorf("an event without a job made %v", m.jobs)
	}
	ctx = narrate.WithJob(ctx, "a")
	narrate.Sayf(ctx, "start", "hello")
	narrate.Finish(ctx, narrate.Failed, errors.New("no space"), map[string]int{"bytes": 1})
	events := wantSeqs(t, follow(t, m, Start), 1, 2)
	if e := events[0]; e.Message != "hello" || e.Action != "start" {
		t.Errorf("got %+v", e)
	}
	if e := events[1]; e.Attrs["error"] != "no space" {
		t.Errorf("got %+v", e)
	}
}

func TestMemoryKeepsAttrsThatNobodyElseChanges(t *testing.T) {
	t.Parallel()
	m := newJob(t, 100)
	attrs := map[string]any{}
	var want []map[string]any
	tellAttrs := func(kept map[string]any) {
		t.Helper()
		tell(t, m, narrate.Event{Kind: narrate.Output, Attrs: attrs})
		want = append(want, kept)
	}
	tellAttrs(nil)
	attrs["stream"] = "stdout"
	tellAttrs(map[string]any{"stream": "stdout"})
	tellAttrs(map[string]any{"stream": "stdout"})
	attrs["partial"] = true
	tellAttrs(map[string]any{"stream": "stdout", "partial": true})
	delete(attrs, "stream")
	tellAttrs(map[string]any{"partial": true})
	attrs["partial"] = nil
	tellAttrs(map[string]any{"partial": nil})
	delete(attrs, "partial")
	attrs["other"] = nil
	tellAttrs(map[string]any{"other": nil})
	attrs["other"] = []string{"cannot", "be compared"}
	tellAttrs(map[string]any{"other": []any{"cannot", "be compared"}})
	attrs["other"] = "not\xffUTF-8"
	tellAttrs(map[string]any{"other": "not\uFFFDUTF-8"})
	attrs["other"] = 5
	tellAttrs(map[string]any{"other": 5.0})
	attrs["other"] = narrate.Info
	tellAttrs(map[string]any{"other": "info"})
	attrs["other"] = "info"
	tellAttrs(map[string]any{"other": "info"})
	attrs["other"] = narrate.Info
	tellAttrs(map[string]any{"other": "info"})
	delete(attrs, "other")
	attrs["k\xff"] = true
	tellAttrs(map[string]any{"k\uFFFD": true})
	clear(attrs)

	for i, e := range wantSeqs(t, follow(t, m, Start), 1, uint64(len(want))) {
		if !reflect.DeepEqual(e.Attrs, want[i]) {
			t.Errorf("event %d has %#v, want %#v", i+1, e.Attrs, want[i])
		}
	}
}

func BenchmarkMemoryAppend(b *testing.B) {
	for name, attrs := range map[string]map[string]any{"plain": nil, "attrs": {"stream": "stdout"}} {
		b.Run(name, func(b *testing.B) {
			sink := NewMemory(1000).Sink()
			e := narrate.Event{Kind: narrate.Output, Job: "a", Message: "a line of output", Attrs: attrs}
			for b.Loop() {
				if err := sink.Emit(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
