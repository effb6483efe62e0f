package narrate

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// hearing is a sink that keeps what it is told; then, if set, is called with each event.
type hearing struct {
	then func(Event)

	mu     sync.Mutex
	events []Event
}

func (h *hearing) Prompt() {}

func (h *hearing) Emit(e Event) error {
	h.mu.Lock()
	h.events = append(h.events, e)
	h.mu.Unlock()
	if h.then != nil {
		h.then(e)
	}
	return nil
}

func (h *hearing) heard() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// into returns a context that is told to h alone.
func into(ctx context.Context, h *hearing) context.Context { return WithNarrator(ctx, New(h)) }

// lines returns the events as text: "stream: message", with "+" after the stream of a part and
// "actor/action: message" for narration.
func lines(events []Event) []string {
	var out []string
	for _, e := range events {
		switch {
		case e.Kind == Narration:
			out = append(out, fmt.Sprintf("%s/%s: %s", e.Actor, e.Action, e.Message))
		case e.Attrs["partial"] == true:
			out = append(out, fmt.Sprintf("%s+: %s", e.Attrs["stream"], e.Message))
		default:
			out = append(out, fmt.Sprintf("%s: %s", e.Attrs["stream"], e.Message))
		}
	}
	return out
}

func TestLineWriter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxPart)
	for _, tc := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{
			"nothing says nothing",
			nil, nil,
		},
		{
			"each line is told",
			[]string{"one\ntwo\n"},
			[]string{"out: one", "out: two"},
		},
		{
			"an empty line is told",
			[]string{"one\n\n", "\ntwo\n"},
			[]string{"out: one", "out: ", "out: ", "out: two"},
		},
		{
			"a last line without an end is told",
			[]string{"one\ntw", "o"},
			[]string{"out: one", "out: two"},
		},
		{
			"CR LF ends one line",
			[]string{"one\r\n\r\ntwo\r\n"},
			[]string{"out: one", "out: ", "out: two"},
		},
		{
			"CR LF ends one line when it is cut in the middle",
			[]string{"one\r", "\n\r", "\ntwo\r", "\n"},
			[]string{"out: one", "out: ", "out: two"},
		},
		{
			"CR CR LF ends one line",
			[]string{"one\r\r\n"},
			[]string{"out: one"},
		},
		{
			"a lone CR ends a line of progress",
			[]string{"\r10%\r20%", "\r\r30%\n"},
			[]string{"out: 10%", "out: 20%", "out: 30%"},
		},
		{
			"invalid UTF-8 is replaced byte by byte",
			[]string{"a\xff\xc3(\xe2\x82\n"},
			[]string{"out: a\uFFFD\uFFFD(\uFFFD\uFFFD"},
		},
		{
			"a rune that is cut stays whole",
			[]string{"€"[:1], "€"[1:] + "\n"},
			[]string{"out: €"},
		},
		{
			"NUL is made visible",
			[]string{"a\x00b\n"},
			[]string{"out: a␀b"},
		},
		{
			"a line of the narration form is narration of that actor",
			[]string{"[install   ] copying", "        : 📤 Copying\n"},
			[]string{"install/copying: 📤 Copying"},
		},
		{
			"a narration line that ends in CR LF is narration",
			[]string{"[a] b: c\r\n"},
			[]string{"a/b: c"},
		},
		{
			"a line that is almost narration is output",
			[]string{"[a b] c: d\n [a] b: c\n[a] b\n"},
			[]string{"out: [a b] c: d", "out:  [a] b: c", "out: [a] b"},
		},
		{
			"a line that just fits is told whole",
			[]string{long + "\n"},
			[]string{"out: " + long},
		},
		{
			"a line that is too long is told in parts",
			[]string{long + long + "y\nz"},
			[]string{"out+: " + long, "out+: " + long, "out: y", "out: z"},
		},
		{
			"a line that is too long and has no end is told in parts",
			[]string{long, "y"},
			[]string{"out+: " + long, "out: y"},
		},
		{
			"a rune that would be cut by a part goes to the next",
			[]string{long[2:] + "€\n"},
			[]string{"out+: " + long[2:], "out: €"},
		},
		{
			"a line that is too long is output, whatever it and its parts look like",
			[]string{"[a] b: " + long[7:] + "[a] b: c\n[a] b: c\n"},
			[]string{"out+: [a] b: " + long[7:], "out: [a] b: c", "a/b: c"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var h hearing
			w := NewLineWriter(into(t.Context(), &h), "out")
			for _, p := range tc.pieces {
				if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
			}
			w.Close()
			if got := lines(h.heard()); !slices.Equal(got, tc.want) {
				t.Errorf("got  %.300q\nwant %.300q", got, tc.want)
			}
		})
	}
}

func TestLinesAreToldAsSoonAsTheyAreWhole(t *testing.T) {
	t.Parallel()
	var h hearing
	w := NewLineWriter(into(t.Context(), &h), "out")
	for i, p := range []string{"one\n", "10%\r", "20%\r"} {
		w.Write([]byte(p))
		if got := len(h.heard()); got != i+1 {
			t.Errorf("after %q: %d events, want %d", p, got, i+1)
		}
	}
}

func TestSecretsAreMaskedAcrossWritesLinesAndParts(t *testing.T) {
	t.Parallel()
	const secret = "-----KEY-----\nhunter2\n-----END-----"
	before := strings.Repeat("x", maxPart-10)
	var h hearing
	w := NewLineWriter(WithSecret(into(t.Context(), &h), secret, "tok_123"), "out")
	for _, b := range []byte("a " + secret + " b\n" + before + "tok_123, " + secret + "\nrest tok_12") {
		w.Write([]byte{b})
	}
	w.Close()
	var whole strings.Builder
	for _, e := range h.heard() {
		whole.WriteString(e.Message)
		if e.Attrs["partial"] != true {
			whole.WriteString("\n")
		}
	}
	want := "a " + Mask + " b\n" + before + Mask + ", " + Mask + "\nrest tok_12\n"
	if whole.String() != want {
		t.Errorf("got %q", strings.ReplaceAll(whole.String(), before, "<x>"))
	}
}

func TestOutputEventsCarryWhatTheContextKnows(t *testing.T) {
	t.Parallel()
	var h hearing
	ctx := WithStep(WithActor(WithHost(WithJob(into(t.Context(), &h), "job-1"), "pi"), "install"), "start")
	w := NewLineWriter(ctx, "stderr")
	w.Write([]byte("plain\n[worker] up: ready\n"))
	got := h.heard()
	for i := range got {
		got[i].Time = time.Time{}
	}
	want := []Event{
		{
			Kind: Output, Job: "job-1", Attempt: 1, Host: "pi", Step: "start", Actor: "install", Level: Info,
			Message: "plain", Attrs: map[string]any{"stream": "stderr"},
		},
		{
			Kind: Narration, Job: "job-1", Attempt: 1, Host: "pi", Step: "start", Actor: "worker", Level: Info,
			Action: "up", Message: "ready",
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// silence is a sink that keeps nothing.
type silence struct{}

func (silence) Prompt()          {}
func (silence) Emit(Event) error { return nil }

func TestALineCostsOneAllocation(t *testing.T) {
	const n = 1000
	block := []byte(strings.Repeat("a line of output\n", n))
	w := NewLineWriter(WithNarrator(t.Context(), New(silence{})), "stdout")
	if got := testing.AllocsPerRun(10, func() { w.Write(block) }); got > 1.01*n {
		t.Errorf("%v allocations for %d lines: one each, for the message, is enough", got, n)
	}
}

func TestALineWithoutEndTakesNoMoreMemoryThanAPart(t *testing.T) {
	t.Parallel()
	w := NewLineWriter(WithSecret(WithNarrator(t.Context(), New(silence{})), "hunter2"), "stdout")
	block := []byte(strings.Repeat("hunter", 1000))
	for range 2000 {
		w.Write(block)
	}
	if kept := cap(w.line) + cap(w.mask.kept) + cap(w.mask.out); kept > 4*maxPart {
		t.Errorf("%d bytes are kept after 12 MB without a line end", kept)
	}
}

// linesOf returns the lines of a whole text: what a LineWriter tells of it, without parts.
func linesOf(text string) []string {
	var out []string
	for len(text) > 0 {
		line, rest, ended := strings.Cut(text, "\n")
		pieces := strings.FieldsFunc(line, func(r rune) bool { return r == '\r' })
		if len(pieces) == 0 && ended {
			pieces = []string{""}
		}
		for _, p := range pieces {
			// Converting to runes replaces each byte that is not UTF-8.
			out = append(out, strings.ReplaceAll(string([]rune(p)), "\x00", "␀"))
		}
		text = rest
	}
	return out
}

// pieceTogether returns the lines that events tell, narration in the form of Line.
func pieceTogether(t *testing.T, events []Event) []string {
	var out []string
	line := ""
	for _, e := range events {
		if !utf8.ValidString(e.Message) || strings.ContainsAny(e.Message, "\x00\r\n") {
			t.Errorf("told %q", e.Message)
		}
		line += Line(e)
		if e.Attrs["partial"] != true {
			out, line = append(out, line), ""
		}
	}
	if line != "" {
		t.Errorf("a part without a last one: %.100q", line)
	}
	return out
}

func FuzzCapture(f *testing.F) {
	f.Add([]byte("one\r\ntwo\rthree"), "", "", []byte{3, 1}, uint8(0))
	f.Add([]byte("[a] b: c\n\x00\xff€\n"), "c\n", "", []byte{7}, uint8(0))
	f.Add([]byte("€€€ secret\nsecret"), "secret", "", []byte{1, 9}, uint8(5))
	f.Add([]byte("\r\r\n\n\r\xe2\x82"), "\r", "\n", []byte{}, uint8(1))
	f.Add([]byte("abcdef abcde\nbcd\ndef"), "abcd", "cde\nb", []byte{2, 3}, uint8(7))
	f.Add([]byte(strings.Repeat("a line\n", 300)), "line", "e\na", []byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, secret, another string, cuts []byte, pad uint8) {
		text := string(data)
		if pad > 0 { // so that the interesting bytes stand where a part ends
			text = strings.Repeat("x", maxPart-int(pad)) + text
		}
		secrets := slices.DeleteFunc([]string{secret, another}, func(s string) bool { return s == "" })
		var h, waiting hearing
		synctest.Test(t, func(t *testing.T) { // so that no machine is slow enough for a sink to stall
			ctx := WithSecret(WithNarrator(t.Context(), New(&h, SinkFunc(waiting.Emit))), secret, another)
			w := NewLineWriter(ctx, "out")
			rest := text
			for i := 0; rest != ""; i++ {
				n := len(rest)
				if len(cuts) > 0 {
					n = min(n, 1+int(cuts[i%len(cuts)])+(len(rest)>>8)<<7)
				}
				w.Write([]byte(rest[:n]))
				rest = rest[n:]
			}
			w.Close()
		})

		want := linesOf(maskWhole(text, secrets))
		for i, line := range want {
			if actor, action, message, ok := ParseLine(line); ok && len(line) <= maxPart {
				want[i] = Line(Event{Actor: actor, Action: action, Message: message})
			}
		}
		if got := pieceTogether(t, h.heard()); !slices.Equal(got, want) {
			t.Errorf("got  %.300q\nwant %.300q", got, want)
		}
		if got, want := waiting.heard(), h.heard(); !reflect.DeepEqual(got, want) {
			t.Errorf("a sink that is waited for heard %d events, or others than the %d that were told", len(got), len(want))
		}
	})
}

func FuzzParseLine(f *testing.F) {
	f.Add("[install   ] copying        : 📤 Copying worker to pi")
	f.Add("[a] b:c")
	f.Add("[a] b: ")
	f.Add("[a] b:  two spaces")
	f.Add("[a b] c: d")
	f.Fuzz(func(t *testing.T, line string) {
		actor, action, message, ok := ParseLine(line)
		if !ok {
			if actor+action+message != "" {
				t.Errorf("ParseLine(%q) = %q, %q, %q without ok", line, actor, action, message)
			}
			return
		}
		told := Line(Event{Actor: actor, Action: action, Message: message})
		gotActor, gotAction, gotMessage, ok := ParseLine(told)
		if !ok || gotActor != actor || gotAction != action || gotMessage != strings.ReplaceAll(message, "\n", " ") {
			t.Errorf("ParseLine(%q) = %q, %q, %q, %v; want %q, %q, %q", told, gotActor, gotAction, gotMessage, ok, actor, action, message)
		}
	})
}
