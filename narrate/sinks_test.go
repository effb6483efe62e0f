package narrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// writes keeps what it is given, write by write.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(p))
	return len(p), nil
}

// full is a disk that is.
type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestJSONIsOneLineAnEventAndOneWriteALine(t *testing.T) {
	t.Parallel()
	var w writes
	sink := NewJSON(&w)
	at := time.UnixMilli(0)
	for _, e := range []Event{
		{Kind: Narration, Time: at, Message: "a <b> & c\nd"},
		{Kind: Output, Time: at, Seq: 17, ID: "k3v9.1042"},
		{Kind: Output, Time: at},
	} {
		if err := sink.Emit(e); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`{"seq":1,"time":"1970-01-01T00:00:00.000Z","kind":"narration","message":"a <b> & c\nd"}` + "\n",
		`{"id":"k3v9.1042","seq":17,"time":"1970-01-01T00:00:00.000Z","kind":"output"}` + "\n",
		`{"seq":2,"time":"1970-01-01T00:00:00.000Z","kind":"output"}` + "\n",
	}
	if !slices.Equal(w.all, want) {
		t.Errorf("wrote %q\nwant  %q", w.all, want)
	}
}

func TestJSONNumbersWithoutGapsWhoeverTells(t *testing.T) {
	t.Parallel()
	var w writes
	ctx := WithNarrator(t.Context(), New(NewJSON(&w)))
	var tellers sync.WaitGroup
	for range 8 {
		tellers.Go(func() {
			for range 50 {
				Sayf(ctx, "a", "m")
			}
		})
	}
	tellers.Wait()
	for i, line := range w.all {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq != uint64(i+1) {
			t.Fatalf("line %d: %s: %v", i+1, line, err)
		}
	}
	if len(w.all) != 400 {
		t.Errorf("%d lines, want 400", len(w.all))
	}
}

func TestSinksThatWriteSayWhenTheyCannot(t *testing.T) {
	t.Parallel()
	e := Event{Kind: Narration, Message: "m"}
	for name, sink := range map[string]Sink{
		"text": NewText(full{}, TextOptions{}), "JSON": NewJSON(full{}), "slog": Slog(slog.New(slog.NewTextHandler(full{}, nil))),
	} {
		if err := sink.Emit(e); !errors.Is(err, errFull) {
			t.Errorf("%s: error %v, want that of the writer", name, err)
		}
	}
}

func TestSlogHasTheFieldsOfAnEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		event Event
		want  string
	}{
		{
			"all fields",
			Event{
				Kind: Narration, Job: "job-1", Correlation: "req-1", Host: "pi", Step: "transfer", Actor: "install",
				Action: "copying", Level: Info, Message: "📤 Copying", Traceparent: "00-1", Attrs: map[string]any{"b": 2, "a": 1},
			},
			"level=INFO msg=\"📤 Copying\" kind=narration job=job-1 correlation=req-1 host=pi step=transfer actor=install " +
				"action=copying traceparent=00-1 a=1 b=2",
		},
		{"a warning", Event{Kind: Narration, Level: Warn, Message: "m"}, "level=WARN msg=m kind=narration"},
		{"an error", Event{Kind: End, Level: Error, Message: "m"}, "level=ERROR msg=m kind=end"},
		{"progress is for debugging", Event{Kind: Progress, Level: Info, Message: "m"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			c.event.Time = time.UnixMilli(0).UTC()
			if err := Slog(slog.New(slog.NewTextHandler(&b, nil))).Emit(c.event); err != nil {
				t.Fatal(err)
			}
			want := ""
			if c.want != "" {
				want = "time=1970-01-01T00:00:00.000Z " + c.want + "\n"
			}
			if b.String() != want {
				t.Errorf("got  %s\nwant %s", b.String(), want)
			}
		})
	}
}

func TestARecorderKeepsWhatItIsTold(t *testing.T) {
	t.Parallel()
	var r Recorder
	ctx := WithNarrator(t.Context(), New(&r))
	Sayf(ctx, "copying", "one")
	Outputf(ctx, "stdout", "two")
	Sayf(ctx, "verify", "three")
	if got := r.Actions(); !slices.Equal(got, []string{"copying", "verify"}) {
		t.Errorf("actions %q", got)
	}
	r.Events()[0].Message = "changed"
	var got []string
	for _, e := range r.Events() {
		got = append(got, e.Message)
	}
	if strings.Join(got, " ") != "one two three" {
		t.Errorf("events %q", got)
	}
}

func ExampleRecorder() {
	var told Recorder
	ctx := WithNarrator(WithSecret(WithJob(context.Background(), "job-1"), "hunter2"), New(&told))
	Sayf(ctx, "copying", "📤 Copying with password %s", "hunter2")
	for _, e := range told.Events() {
		fmt.Println(e.Job, e.Action, e.Message)
	}
	// Output: job-1 copying 📤 Copying with password •••
}
