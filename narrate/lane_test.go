package narrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// numbered returns the lines "0" to "n-1".
func numbered(n int) []byte {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "%d\n", i)
	}
	return b
}

// wantNumbered fails unless h has heard "0" to "n-1".
func wantNumbered(t *testing.T, h *hearing, n int) {
	t.Helper()
	events := h.heard()
	for i, e := range events {
		if e.Message != fmt.Sprint(i) {
			t.Fatalf("heard %q as event %d", e.Message, i)
		}
	}
	if len(events) != n {
		t.Fatalf("heard %d events, want %d", len(events), n)
	}
}

// batches is a Batch that hears, and keeps how many events each call had. A call takes a while.
type batches struct {
	hearing hearing
	while   time.Duration
	calls   []int
}

func (b *batches) Emit(e Event) error {
	_, err := b.EmitAll([]Event{e})
	return err
}

func (b *batches) EmitAll(events []Event) (int, error) {
	time.Sleep(b.while)
	for _, e := range events {
		b.hearing.Emit(e)
	}
	b.calls = append(b.calls, len(events))
	return len(events), nil
}

func TestTheLinesOfAWriteAreTakenWhenItReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 5000
		var prompt, single hearing
		var batch batches
		narrator := New(SinkFunc(single.Emit), &prompt, &batch)
		w := NewLineWriter(WithNarrator(t.Context(), narrator), "stdout")
		w.Write(numbered(n))
		wantNumbered(t, &prompt, n)
		wantNumbered(t, &single, n)
		wantNumbered(t, &batch.hearing, n)
	})
}

func TestEventsThatWaitAreTakenTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := batches{while: time.Millisecond}
		w := NewLineWriter(WithNarrator(t.Context(), New(&b)), "stdout")
		w.Write(numbered(10 * burst))
		wantNumbered(t, &b.hearing, 10*burst)
		if n := len(b.calls); n > 30 {
			t.Errorf("%d calls for %d events", n, 10*burst)
		}
	})
}

func TestABatchIsSmall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := batches{while: StallBound / 2}
		w := NewLineWriter(WithNarrator(t.Context(), New(&b)), "stdout")
		for _, length := range []int{10, 1000, 3 * atOnce, 0} {
			b.calls = nil
			w.Write([]byte(strings.Repeat(strings.Repeat("x", length)+"\n", 100)))
			for _, n := range b.calls {
				if n > 1 && n*length > atOnce {
					t.Errorf("%d events of %d bytes at once", n, length)
				}
			}
		}
	})
}

func TestASlowSinkThatMovesLosesNothing(t *testing.T) {
	t.Parallel()
	for _, batch := range []bool{false, true} {
		t.Run(fmt.Sprintf("batch %v", batch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const n = 3 * stalledQueue
				b := batches{while: StallBound * 9 / 10}
				var sink Sink = &b
				if !batch {
					sink = SinkFunc(b.Emit)
				}
				narrator := New(sink)
				NewLineWriter(WithNarrator(t.Context(), narrator), "stdout").Write(numbered(n))
				wantNumbered(t, &b.hearing, n)
				if lost := narrator.Lost(); lost > 0 {
					t.Errorf("lost %d", lost)
				}
			})
		})
	}
}

func TestASinkThatStallsHoldsAWriteUpOnceAndForAStatedTime(t *testing.T) {
	onStderr(t, func() {
		synctest.Test(t, func(t *testing.T) {
			const n = 3 * stalledQueue
			var stalling, prompt, other hearing
			goOn := make(chan struct{})
			narrator := New(SinkFunc(func(e Event) error {
				<-goOn
				return stalling.Emit(e)
			}), &prompt, SinkFunc(other.Emit))
			began := time.Now()
			NewLineWriter(WithNarrator(t.Context(), narrator), "stdout").Write(numbered(n))
			if d := time.Since(began); d != StallBound {
				t.Errorf("it held the work up for %v, want %v", d, StallBound)
			}
			wantNumbered(t, &prompt, n)
			wantNumbered(t, &other, n)
			close(goOn)
			synctest.Wait()
			wantNumbered(t, &stalling, 1+stalledQueue)
			if lost := narrator.Lost(); lost != n-1-stalledQueue {
				t.Errorf("lost %d, want %d", lost, n-1-stalledQueue)
			}
		})
	})
}

func TestATellerDoesNotWaitForAllThatASlowSinkHasToTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := batches{while: StallBound * 9 / 10}
		narrator := New(SinkFunc(b.Emit))
		ctx := WithNarrator(t.Context(), narrator)
		const n = 2 * stalledQueue
		go NewLineWriter(ctx, "stdout").Write(numbered(n))
		synctest.Wait()
		began := time.Now()
		Sayf(ctx, "timeout", "in between")
		if d := time.Since(began); d != StallBound {
			t.Errorf("it waited for %v, want %v", d, StallBound)
		}
		time.Sleep(n * StallBound)
		if got := len(b.hearing.heard()); got != n+1 || narrator.Lost() > 0 {
			t.Errorf("heard %d and lost %d of %d events", got, narrator.Lost(), n+1)
		}
	})
}

func TestSoManyTellersAreMoreThanASlowSinkIsGranted(t *testing.T) {
	onStderr(t, func() {
		synctest.Test(t, func(t *testing.T) {
			var b batches
			b.while = StallBound / 2
			narrator := New(SinkFunc(b.Emit))
			ctx := WithNarrator(t.Context(), narrator)
			const tellers, each = stalledQueue, 3
			for range tellers {
				go func() {
					for range each {
						Sayf(ctx, "a", "m")
					}
				}()
			}
			time.Sleep(tellers * each * StallBound)
			if got := len(b.hearing.heard()); got > 2*stalledQueue+burst || got+narrator.Lost() != tellers*each {
				t.Errorf("heard %d and lost %d of %d events", got, narrator.Lost(), tellers*each)
			}
		})
	})
}

func TestTellersThatWriteAtOnceAreEachInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, tellers = 2000, 4
		var b batches
		ctx := WithNarrator(t.Context(), New(&b))
		var all sync.WaitGroup
		for i := range tellers {
			all.Go(func() {
				w := NewLineWriter(ctx, fmt.Sprint(i))
				for part := range slices.Chunk(numbered(n), 700) {
					w.Write(part)
				}
			})
		}
		all.Wait()
		next := map[any]int{}
		for _, e := range b.hearing.heard() {
			stream := e.Attrs["stream"]
			if e.Message != fmt.Sprint(next[stream]) {
				t.Fatalf("teller %v: heard %s, want %d", stream, e.Message, next[stream])
			}
			next[stream]++
		}
		if got := len(b.hearing.heard()); got != n*tellers {
			t.Errorf("heard %d events, want %d", got, n*tellers)
		}
	})
}

// faulty writes what has no "bad" in it, up to there; with panics it does not even return.
type faulty struct {
	panics bool
	got    strings.Builder
}

func (f *faulty) Write(p []byte) (int, error) {
	before, _, bad := strings.Cut(string(p), "bad")
	switch {
	case !bad:
		return f.got.WriteString(before)
	case f.panics:
		panic("bad")
	}
	n, _ := f.got.WriteString(before)
	return n, errors.New("bad")
}

func TestALineThatCannotBeWrittenIsLostAlone(t *testing.T) {
	events := func(messages ...string) (events []Event) {
		for _, m := range messages {
			events = append(events, Event{Kind: Narration, Message: m})
		}
		return events
	}
	for _, c := range []struct {
		name   string
		panics bool
		lines  []string
		lost   int
		want   string
	}{
		{"the first", false, []string{"bad", "1", "2"}, 1, "1\n2\n"},
		{"one between", false, []string{"1", "bad", "2"}, 1, "1\n2\n"},
		{"the last", false, []string{"1", "2", "bad"}, 1, "1\n2\n"},
		{"all", false, []string{"bad", "bad", "bad"}, 3, ""},
		{"one that panics", true, []string{"bad", "1", "2"}, 1, "1\n2\n"},
		{"one without a line before it", false, []string{"", "bad", "1"}, 1, "1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := faulty{panics: c.panics}
			l := newLane(NewText(&w, TextOptions{}))
			onStderr(t, func() {
				for rest := events(c.lines...); len(rest) > 0; {
					rest = rest[l.give(rest):]
				}
			})
			if w.got.String() != c.want || l.lost != c.lost {
				t.Errorf("wrote %q and lost %d, want %q and %d", w.got.String(), l.lost, c.want, c.lost)
			}
		})
	}
}

func TestTextThatComesTogetherIsWrittenTogether(t *testing.T) {
	t.Parallel()
	var w writes
	text := NewText(&w, TextOptions{Color: true, HostWidth: 3})
	n, err := text.EmitAll([]Event{
		{Kind: Output, Host: "pi", Message: "one"}, {Kind: Progress}, {Kind: Narration, Host: "gpu", Level: Error, Message: "two"},
	})
	want := []string{"pi  │ \x1b[2m  │ one\x1b[0m\ngpu │ \x1b[31mtwo\x1b[0m\n"}
	if n != 3 || err != nil || !slices.Equal(w.all, want) {
		t.Errorf("EmitAll = %d, %v, wrote %q, want %q", n, err, w.all, want)
	}
	if n, err := text.EmitAll([]Event{{Kind: Progress}, {Kind: State}}); n != 2 || err != nil || len(w.all) != 1 {
		t.Errorf("EmitAll = %d, %v for events without a line, wrote %q", n, err, w.all[1:])
	}
}
