package stream

import (
	"errors"
	"strings"
	"testing"

	"github.com/davit-sh/davit/narrate"
)

func TestPositionParses(t *testing.T) {
	t.Parallel()
	for text, want := range map[Position]Point{
		"":                     {},
		"0":                    {},
		"17":                   {N: 17},
		"18446744073709551615": {N: 1<<64 - 1},
		"k3v9.1042":            {Epoch: "k3v9", N: 1042},
		"12.5":                 {Epoch: "12", N: 5},
	} {
		if got, err := text.Parse(); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestPositionRefusesWhatNoLogGaveOut(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		" ", "-1", "+1", "01", "00", "1e3", "0x1", "1_000", "18446744073709551616", "k3v9", "k3v9.", ".5", "k3v9.0", "k3v9.05",
		"k3v9.+5", "k3v9.1.2", "k 9.1", "é.1", "k3v9.1\n", "\x00", strings.Repeat("k", maxEpoch+1) + ".1", strings.Repeat("9", 1<<20),
	} {
		if got, err := Position(text).Parse(); !errors.Is(err, ErrPosition) {
			t.Errorf("%.40q: got %v, %v", text, got, err)
		}
	}
}

// Whatever text comes from outside: it is read as what it says or not at all, and a log answers
// it with all that follows it or with a reset.
func FuzzPosition(f *testing.F) {
	for _, s := range []string{"", "0", "2", "9", "k3v9.2", "k3v9.9", "x.2", "k3v9.02", "18446744073709551615", "k3v9.-1", "\xff"} {
		f.Add(s)
	}
	log := NewMemory(10)
	log.epoch = "k3v9"
	for range 4 {
		if err := log.Sink().Emit(narrate.Event{Kind: narrate.Narration, Job: "a"}); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Position(text).Parse()
		if err == nil && p.String() != text && text != "" {
			t.Fatalf("%q was read as %v", text, p)
		}
		known := err == nil && p.N <= 4 && (p.Epoch == "" || p.Epoch == "k3v9")
		c, err := log.Follow(t.Context(), "a", Position(text))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		first := p.N + 1
		if !known {
			first = 1
			if _, err := c.Next(done); !isReset(err) {
				t.Fatalf("%q: %v, want a reset", text, err)
			}
		}
		events, err := c.Next(done)
		if first == 5 && errors.Is(err, errDone) {
			return
		}
		if err != nil || uint64(len(events)) != 5-first || events[0].Seq != first {
			t.Fatalf("%q: got %d events, %v, want those from %d", text, len(events), err, first)
		}
	})
}

func isReset(err error) bool {
	_, ok := errors.AsType[*Reset](err)
	return ok
}
