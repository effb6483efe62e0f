package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/davit-sh/davit/narrate"
	"pgregory.net/rapid"
)

// Under any interleaving of appending, following, disconnecting and resuming, each watcher gets
// each event of its job once and in order; and where the ring was too small for that, a reset
// says so, with the right count, and nothing else does.
func TestWatchersMissNothingUntold(t *testing.T) {
	t.Parallel()
	for name, perJob := range map[string]*rapid.Generator[int]{
		"ring that holds all": rapid.Just(100_000),
		"small ring":          rapid.IntRange(1, 8),
		"ring about a batch":  rapid.IntRange(MaxBatch-1, MaxBatch+1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(t, perJob.Draw(t, "events per job"))
				t.Repeat(map[string]func(*rapid.T){
					"append": w.append, "end": w.end, "follow": w.follow, "read": w.read, "resume": w.resume,
				})
			})
		})
	}
}

// world is a log and what must be true of it.
type world struct {
	log      *Memory
	perJob   uint64
	jobs     []*modelJob
	watchers []*modelWatcher
}

type modelJob struct {
	id    string
	told  uint64
	ended bool
}

func (j *modelJob) oldest(perJob uint64) uint64 { return max(j.told, perJob) - perJob + 1 }

type modelWatcher struct {
	job    *modelJob
	cursor Cursor
	got    uint64 // seq of the last event it was given
	id     string // and its ID
	past   uint64 // seq of the last event it has, or was told it lost
}

func newWorld(t *rapid.T, perJob int) *world {
	w := &world{log: NewMemory(perJob), perJob: uint64(perJob)}
	for _, id := range []string{"a", "b", "c"} {
		w.jobs = append(w.jobs, &modelJob{id: id})
		if err := w.log.Create(context.Background(), id); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) append(t *rapid.T) {
	j := rapid.SampledFrom(w.jobs).Draw(t, "job")
	for range rapid.IntRange(1, 2*MaxBatch).Draw(t, "events") {
		w.tell(t, j, narrate.Narration)
	}
}

func (w *world) end(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
		w.tell(t, rapid.SampledFrom(w.jobs).Draw(t, "job"), narrate.End)
	}
}

func (w *world) tell(t *rapid.T, j *modelJob, kind narrate.Kind) {
	err := w.log.Append(context.Background(), narrate.Event{
		Kind: kind, Job: j.id, Message: fmt.Sprint(j.id, j.told+1),
	})
	if j.ended {
		if !errors.Is(err, ErrEnded) {
			t.Fatalf("append after the end: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	j.told++
	j.ended = kind == narrate.End
}

func (w *world) follow(t *rapid.T) {
	x := &modelWatcher{job: rapid.SampledFrom(w.jobs).Draw(t, "job")}
	w.connect(t, x, Start)
	w.watchers = append(w.watchers, x)
}

// resume disconnects a watcher and lets it come back with the last event that it was given.
func (w *world) resume(t *rapid.T) {
	x := w.anyWatcher(t)
	if x.cursor != nil {
		x.cursor.Close()
	}
	from := Position(x.id)
	if rapid.Bool().Draw(t, "by seq") {
		from = Position(strconv.FormatUint(x.got, 10))
	}
	w.connect(t, x, from)
}

func (w *world) connect(t *rapid.T, x *modelWatcher, from Position) {
	var err error
	x.past = x.got
	x.cursor, err = w.log.Follow(context.Background(), x.job.id, from)
	if atEnd := x.job.ended && x.got == x.job.told; atEnd {
		if !errors.Is(err, ErrEnded) {
			t.Fatalf("follow from the end: %v", err)
		}
		x.cursor = nil
		return
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) read(t *rapid.T) {
	x := w.anyWatcher(t)
	if x.cursor == nil {
		t.Skip("it has the end")
	}
	events, err := x.cursor.Next(done)
	oldest := x.job.oldest(w.perJob)
	switch {
	case x.past+1 < oldest:
		r, ok := errors.AsType[*Reset](err)
		if lost := oldest - x.past - 1; !ok || r.Reason != Expired || r.Lost != lost && r.Lost != 0 {
			t.Fatalf("%d events are lost, got %v", lost, err)
		}
		x.past = oldest - 1
	case x.past < x.job.told:
		if err != nil {
			t.Fatal(err)
		}
		x.check(t, events)
	case x.job.ended:
		if !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
	default:
		if !errors.Is(err, errDone) {
			t.Fatalf("with nothing there: %d events, %v", len(events), err)
		}
	}
}

// check takes a batch that must be the next events, as many as there are or fit.
func (x *modelWatcher) check(t *rapid.T, events []narrate.Event) {
	if want := min(x.job.told-x.past, MaxBatch); uint64(len(events)) != want {
		t.Fatalf("got %d events, want %d", len(events), want)
	}
	for _, e := range events {
		x.past++
		if e.Job != x.job.id || e.Seq != x.past || e.Kind != narrate.End && e.Message != fmt.Sprint(x.job.id, x.past) {
			t.Fatalf("got %+v, want seq %d of %s", e, x.past, x.job.id)
		}
		x.got, x.id = e.Seq, e.ID
	}
}

func (w *world) anyWatcher(t *rapid.T) *modelWatcher {
	if len(w.watchers) == 0 {
		t.Skip("no watchers")
	}
	return rapid.SampledFrom(w.watchers).Draw(t, "watcher")
}
