package narrate

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"
)

// one returns the only event that h heard, without its time.
func one(t *testing.T, h *hearing) Event {
	t.Helper()
	events := h.heard()
	if len(events) != 1 {
		t.Fatalf("heard %d events, want 1: %+v", len(events), events)
	}
	e := events[0]
	if e.Time.IsZero() || e.Time.Location() != time.UTC || e.Time.Nanosecond()%int(time.Millisecond) != 0 {
		t.Errorf("time %v is not in UTC to the millisecond", e.Time)
	}
	e.Time = time.Time{}
	return e
}

func TestAnEventCarriesWhatTheContextKnows(t *testing.T) {
	t.Parallel()
	var h hearing
	ctx := WithCorrelation(WithTraceparent(into(t.Context(), &h), "00-1"), "req-1")
	ctx = WithStep(WithActor(WithHost(WithAttempt(WithJob(ctx, "job-1"), 2), "pi"), "install"), "transfer")
	Warnf(ctx, "copying", "%d of %s", 3, "them")
	want := Event{
		Kind: Narration, Job: "job-1", Attempt: 2, Correlation: "req-1", Host: "pi", Step: "transfer", Actor: "install",
		Action: "copying", Level: Warn, Message: "3 of them", Traceparent: "00-1",
	}
	if got := one(t, &h); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if JobID(ctx) != "job-1" || Step(ctx) != "transfer" || Host(ctx) != "pi" {
		t.Errorf("job %q, step %q, host %q", JobID(ctx), Step(ctx), Host(ctx))
	}
	if bare := context.Background(); JobID(bare)+Step(bare)+Host(bare) != "" {
		t.Error("an empty context knows something")
	}
}

func TestWhatAnEventSaysItselfWins(t *testing.T) {
	t.Parallel()
	var h hearing
	ctx := WithStep(WithActor(WithHost(WithAttempt(WithJob(into(t.Context(), &h), "job-1"), 2), "pi"), "install"), "transfer")
	want := Event{Kind: Output, Job: "job-2", Attempt: 7, Host: "gpu", Step: "start", Actor: "worker", Level: Error, Message: "m"}
	Emit(ctx, want)
	if got := one(t, &h); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestOnlyAJobHasAttempts(t *testing.T) {
	t.Parallel()
	var h hearing
	Sayf(into(t.Context(), &h), "a", "m")
	if got := one(t, &h).Attempt; got != 0 {
		t.Errorf("attempt %d without a job", got)
	}
}

func TestAContextIsNotChangedByWhatIsMadeOfIt(t *testing.T) {
	t.Parallel()
	var base, left, right hearing
	ctx := WithSecret(into(t.Context(), &base), "s1")
	l := WithSink(WithSecret(WithJob(ctx, "left"), "s2"), &left)
	r := WithSink(WithJob(ctx, "right"), &right)
	for _, c := range []context.Context{ctx, l, r} {
		Sayf(c, "a", "s1 s2")
	}
	for _, c := range []struct {
		name string
		h    *hearing
		want []string
	}{
		{"base", &base, []string{"/" + Mask + " s2", "left/" + Mask + " " + Mask, "right/" + Mask + " s2"}},
		{"left", &left, []string{"left/" + Mask + " " + Mask}},
		{"right", &right, []string{"right/" + Mask + " s2"}},
	} {
		var got []string
		for _, e := range c.h.heard() {
			got = append(got, e.Job+"/"+e.Message)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s heard %q, want %q", c.name, got, c.want)
		}
	}
}

func TestANewNarratorReplacesAllThatWasToldBefore(t *testing.T) {
	t.Parallel()
	var narrator, sink, after hearing
	ctx := WithSink(into(t.Context(), &narrator), &sink)
	Sayf(WithNarrator(ctx, New(&after)), "a", "m")
	if n, s, a := len(narrator.heard()), len(sink.heard()), len(after.heard()); n != 0 || s != 0 || a != 1 {
		t.Errorf("heard %d, %d and %d times, want 0, 0 and 1", n, s, a)
	}
}

func TestSecretsAreKeptLongestFirstAndNeverEmpty(t *testing.T) {
	t.Parallel()
	ctx := WithSecret(WithSecret(t.Context(), "b", ""), "ccc", "dd")
	if got := Secrets(ctx); !slices.Equal(got, []string{"ccc", "dd", "b"}) {
		t.Errorf("secrets %q", got)
	}
	Secrets(ctx)[0] = "changed"
	if got := Secrets(ctx)[0]; got != "ccc" {
		t.Errorf("a caller changed a secret to %q", got)
	}
}
