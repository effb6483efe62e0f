package narrate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEverySinkIsToldEverythingInOrder(t *testing.T) {
	t.Parallel()
	var first, second, third hearing
	ctx := WithSink(WithNarrator(t.Context(), New(&first, SinkFunc(second.Emit))), &third)
	var want []string
	for i := range 100 {
		Sayf(ctx, "count", "%d", i)
		want = append(want, fmt.Sprint(i))
		if n := len(second.heard()); n != i+1 { // Sayf returns when it was taken
			t.Fatalf("after %d events a sink has %d", i+1, n)
		}
	}
	for i, h := range []*hearing{&first, &second, &third} {
		var got []string
		for _, e := range h.heard() {
			got = append(got, e.Message)
		}
		if !slices.Equal(got, want) {
			t.Errorf("sink %d heard %q", i, got)
		}
	}
}

func TestTheWordsOfEachTeller(t *testing.T) {
	t.Parallel()
	why := errors.New("disk full")
	for _, c := range []struct {
		name string
		tell func(*hearing)
		want Event
	}{
		{
			"Sayf", func(h *hearing) { Sayf(into(t.Context(), h), "copying", "%s", "m") },
			Event{Kind: Narration, Action: "copying", Level: Info, Message: "m"},
		},
		{
			"Errorf", func(h *hearing) { Errorf(into(t.Context(), h), "timeout", "%d", 5) },
			Event{Kind: Narration, Action: "timeout", Level: Error, Message: "5"},
		},
		{
			"Outputf", func(h *hearing) { Outputf(into(t.Context(), h), "stderr", "%d%%", 5) },
			Event{Kind: Output, Level: Info, Message: "5%", Attrs: map[string]any{"stream": "stderr"}},
		},
		{
			"ChangeState", func(h *hearing) { ChangeState(into(t.Context(), h), "queued", "running") },
			Event{Kind: State, Action: "state", Level: Info, Message: "queued → running", Attrs: map[string]any{"from": "queued", "to": "running"}},
		},
		{
			"Finish", func(h *hearing) { Finish(into(t.Context(), h), Succeeded, nil, []int{1}) },
			Event{Kind: End, Action: "end", Level: Info, Message: "succeeded", Attrs: map[string]any{"state": "succeeded", "receipts": []int{1}}},
		},
		{
			"Finish with an error", func(h *hearing) { Finish(into(t.Context(), h), Failed, why, nil) },
			Event{Kind: End, Action: "end", Level: Error, Message: "failed: disk full", Attrs: map[string]any{"state": "failed", "error": "disk full"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var h hearing
			c.tell(&h)
			if got := one(t, &h); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

type receipt struct {
	Path  string   `json:"path"`
	Notes []string `json:"notes"`
}

func TestSecretsAreMaskedWhereverTheyStand(t *testing.T) {
	t.Parallel()
	attrs := map[string]any{
		"text": "pw hunter2", "error": errors.New("refused hunter2"), "n": int64(5),
		"list": []string{"a", "hunter2"}, "receipt": &receipt{"/hunter2", []string{"ok"}}, "clean": []string{"a"},
	}
	var h hearing
	ctx := WithSecret(into(t.Context(), &h), "hunter2", "ter2x")
	Emit(ctx, Event{Message: "hunter2x, hunter, hunter2hunter2", Attrs: attrs})
	got := one(t, &h)
	if want := Mask + ", hunter, " + Mask; got.Message != want {
		t.Errorf("message %q, want %q", got.Message, want)
	}
	want := map[string]any{
		"text": "pw " + Mask, "error": "refused " + Mask, "n": int64(5),
		"list": []any{"a", Mask}, "receipt": map[string]any{"path": "/" + Mask, "notes": []any{"ok"}}, "clean": []string{"a"},
	}
	if !reflect.DeepEqual(got.Attrs, want) {
		t.Errorf("attrs %#v\nwant  %#v", got.Attrs, want)
	}
	if attrs["text"] != "pw hunter2" {
		t.Error("the teller's own attrs were changed")
	}
}

func TestASinkForJobsIsNeverOfferedAnEventWithoutOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		sink   func(*hearing) Sink
		prompt bool
	}{
		{"one that never waits", func(h *hearing) Sink { return h }, true},
		{"one that may wait", func(h *hearing) Sink { return SinkFunc(h.Emit) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var h hearing
			sink := JobsOnly(c.sink(&h))
			if _, prompt := sink.(Prompt); prompt != c.prompt {
				t.Errorf("prompt is %v, want %v", prompt, c.prompt)
			}
			ctx := WithNarrator(t.Context(), New(sink))
			Sayf(ctx, "a", "without")
			Sayf(WithJob(ctx, ""), "a", "with an empty one")
			Sayf(WithJob(ctx, "job-1"), "a", "with one")
			if got := one(t, &h).Message; got != "with one" {
				t.Errorf("heard %q", got)
			}
		})
	}
}

// onStderr returns what the process writes to stderr during f. The test must not be parallel.
func onStderr(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	kept := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = kept }()
	f()
	said, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

func TestWhatASinkDoesNotTakeIsCountedAndSaidOnce(t *testing.T) {
	for name, sink := range map[string]Sink{
		"fails":  SinkFunc(func(Event) error { return errors.New("disk full") }),
		"panics": SinkFunc(func(Event) error { panic("disk full") }),
	} {
		t.Run(name, func(t *testing.T) {
			var h hearing
			n, before := New(sink, &h), Lost()
			said := onStderr(t, func() {
				for range 3 {
					Sayf(WithNarrator(t.Context(), n), "a", "m")
				}
			})
			if n.Lost() != 3 || Lost()-before != 3 || len(h.heard()) != 3 {
				t.Errorf("lost %d here and %d in the process, %d reached the other sink; want 3 each", n.Lost(), Lost()-before, len(h.heard()))
			}
			if strings.Count(said, "\n") != 1 || !strings.Contains(said, "events are being lost") || !strings.Contains(said, "disk full") {
				t.Errorf("said %q", said)
			}
		})
	}
}

func TestASinkThatStallsHoldsTheWorkUpOnceAndForAStatedTime(t *testing.T) {
	said := onStderr(t, func() {
		synctest.Test(t, func(t *testing.T) {
			var h hearing
			goOn := make(chan struct{})
			stalling := SinkFunc(func(e Event) error {
				<-goOn
				return h.Emit(e)
			})
			n := New(stalling)
			ctx := WithNarrator(t.Context(), n)
			took := func() time.Duration {
				began := time.Now()
				Sayf(ctx, "a", "m")
				return time.Since(began)
			}
			if d := took(); d != StallBound {
				t.Errorf("the first event held the work up for %v, want %v", d, StallBound)
			}
			for range stalledQueue + 5 {
				if d := took(); d != 0 {
					t.Fatalf("a later event held the work up for %v", d)
				}
			}
			if n.Lost() != 5 {
				t.Errorf("lost %d, want 5", n.Lost())
			}
			close(goOn)
			synctest.Wait()
			if got := len(h.heard()); got != 1+stalledQueue {
				t.Errorf("heard %d events after it went on, want %d", got, 1+stalledQueue)
			}
			Sayf(ctx, "a", "caught up")
			if events := h.heard(); events[len(events)-1].Message != "caught up" {
				t.Error("a sink that has caught up is not waited for")
			}
		})
	})
	if strings.Count(said, "\n") != 1 || !strings.Contains(said, "stalled for longer than 250ms") {
		t.Errorf("said %q", said)
	}
}

func TestOneSinkThatStallsDoesNotKeepOthersFromHearing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h hearing
		never := make(chan struct{})
		ctx := WithNarrator(t.Context(), New(SinkFunc(func(Event) error { <-never; return nil }), &h))
		for i := range 3 {
			Sayf(ctx, "a", "m")
			if n := len(h.heard()); n != i+1 {
				t.Errorf("heard %d events, want %d", n, i+1)
			}
		}
		close(never)
	})
}

func TestEventsOfManyTellersReachASlowSinkInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h hearing
		ctx := WithNarrator(t.Context(), New(SinkFunc(func(e Event) error {
			time.Sleep(StallBound / 3)
			return h.Emit(e)
		})))
		const tellers, each = 4, 20
		for i := range tellers {
			go func() {
				for j := range each {
					Sayf(ctx, fmt.Sprint(i), "%d", j)
				}
			}()
		}
		time.Sleep(time.Hour)
		next := map[string]int{}
		for _, e := range h.heard() {
			if e.Message != fmt.Sprint(next[e.Action]) {
				t.Fatalf("teller %s: heard %s, want %d", e.Action, e.Message, next[e.Action])
			}
			next[e.Action]++
		}
		for i := range tellers {
			if n := next[fmt.Sprint(i)]; n != each {
				t.Errorf("teller %d: heard %d of %d", i, n, each)
			}
		}
	})
}

func TestWithoutANarratorStdoutIsTold(t *testing.T) {
	t.Parallel()
	const asChild = "NARRATE_TEST_TELLS_STDOUT"
	if os.Getenv(asChild) != "" {
		Sayf(t.Context(), "copying", "📤 Copying")
		os.Exit(0)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), asChild+"=1")
	out, err := cmd.Output()
	if err != nil || string(out) != "📤 Copying\n" {
		t.Errorf("stdout was told %q, %v", out, err)
	}
}

func TestANarratorWithoutSinksTellsNobody(t *testing.T) {
	t.Parallel()
	n := New()
	Sayf(WithNarrator(t.Context(), n), "a", "m")
	if n.Lost() != 0 {
		t.Errorf("lost %d", n.Lost())
	}
}

// A format that does not fit its arguments is found by go vet in the programs of users.
func TestVetSeesTheTellersAsPrintf(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "vet", "./testdata/wrongverbs").CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); !failed {
		t.Fatalf("go vet: %v\n%s", err, out)
	}
	for _, teller := range []string{"Sayf", "Warnf", "Errorf", "Outputf"} {
		if !strings.Contains(string(out), "narrate."+teller+" format %d has arg \"three\" of wrong type string") {
			t.Errorf("vet says nothing of %s:\n%s", teller, out)
		}
	}
}
