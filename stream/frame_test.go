package stream

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/narrate"
)

func TestFrameBytes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ id, event, data, want string }{
		"a frame":               {"k.1", "narration", `{"a":1}`, "id: k.1\nevent: narration\ndata: {\"a\":1}\n\n"},
		"without id and event":  {"", "", "x", "data: x\n\n"},
		"without data":          {"k.1", "", "", "id: k.1\ndata: \n\n"},
		"a leading space stays": {"", "", " x", "data:  x\n\n"},
		"every kind of break":   {"", "", "a\nb\rc\r\nd\n\re\n", "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\ndata: \n\n"},
		"a forged field":        {"k\ndata: x", "e\r\rdata: y", "z\n\nid: 7", "id: k data: x\nevent: e  data: y\ndata: z\ndata: \ndata: id: 7\n\n"},
		"NUL and bad UTF-8":     {"k\x00", "e\xff", "\x00\xff", "id: k\uFFFD\nevent: e\uFFFD\ndata: \uFFFD\uFFFD\n\n"},
	} {
		if got := string(appendFrame(nil, test.id, test.event, test.data)); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestTextOfEvents(t *testing.T) {
	t.Parallel()
	end := func(attrs map[string]any) narrate.Event {
		return narrate.Event{Kind: narrate.End, Message: "failed: why", Attrs: attrs}
	}
	for name, test := range map[string]struct {
		e    narrate.Event
		want string
	}{
		"narration":      {narrate.Event{Kind: narrate.Narration, Actor: "install", Action: "chmod", Message: "🔐 x"}, "data: [install   ] chmod          : 🔐 x\n\n"},
		"output":         {narrate.Event{Kind: narrate.Output, ID: "k.2", Message: "  raw"}, "id: k.2\ndata:   raw\n\n"},
		"two lines":      {narrate.Event{Kind: narrate.Output, Message: "a\nb"}, "data: a\ndata: b\n\n"},
		"state":          {narrate.Event{Kind: narrate.State, Actor: "job", Action: "state", Message: "queued → running"}, "data: [job       ] state          : queued → running\n\n"},
		"progress":       {narrate.Event{Kind: narrate.Progress, Message: "61 %"}, ""},
		"forged done":    {narrate.Event{Kind: narrate.Output, Message: "[DONE]"}, "data:  [DONE]\n\n"},
		"forged later":   {narrate.Event{Kind: narrate.Output, Message: "x\r[ERROR] no\n[CANCELLED]"}, "data: x\ndata:  [ERROR] no\ndata:  [CANCELLED]\n\n"},
		"forged actor":   {narrate.Event{Kind: narrate.Narration, Actor: "ERROR] x", Action: "a"}, "data:  [ERROR] x  ] a              : \n\n"},
		"succeeded":      {end(map[string]any{"state": "succeeded"}), "data: [DONE]\n\n"},
		"cancelled":      {end(map[string]any{"state": "cancelled", "error": "x"}), "data: [CANCELLED]\n\n"},
		"failed":         {end(map[string]any{"state": "failed", "error": "no\nspace"}), "data: [ERROR] no space\n\n"},
		"timed out":      {end(map[string]any{"state": "timed_out", "error": "after 300 s"}), "data: [ERROR] after 300 s\n\n"},
		"without why":    {end(map[string]any{"state": "failed"}), "data: [ERROR] failed: why\n\n"},
		"without attrs":  {end(nil), "data: [ERROR] failed: why\n\n"},
		"a state of 7":   {end(map[string]any{"state": 7, "error": 7}), "data: [ERROR] failed: why\n\n"},
		"end with an ID": {narrate.Event{ID: "k.9", Kind: narrate.End, Attrs: map[string]any{"state": "succeeded"}}, "id: k.9\ndata: [DONE]\n\n"},
	} {
		got, err := appendText(nil, test.e)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, test.want)
		}
	}
}

// Whatever an event says, a reader gets it back, and nothing that it did not say: two frames
// make two events.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{"x", "a\nb", "a\r\nb\rc", "\n", "x\n\nid: 7\ndata: forged\n\n", " lead", "\x00", "\xff", ":", "[DONE]", "\ufeff"} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, id, kind, message string) {
		checkFrames(t, id, kind, message)
		checkJSONFrames(t, narrate.Event{ID: id, Kind: narrate.Kind(kind), Job: message, Message: message, Attrs: map[string]any{"x": message}})
		checkTextFrames(t, narrate.Event{ID: id, Kind: narrate.Output, Message: message})
	})
}

func checkFrames(t *testing.T, id, event, data string) {
	t.Helper()
	want := sseFrame{id: oneLine(id), event: oneLine(event), data: strings.Join(splitLines(data), "\n")}
	got := readFrames(t, appendFrame(appendFrame(nil, id, event, data), id, event, data))
	if !slices.Equal(got, []sseFrame{want, want}) {
		t.Fatalf("got %q, want twice %q", got, want)
	}
}

func checkJSONFrames(t *testing.T, e narrate.Event) {
	t.Helper()
	want, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	b, err := appendJSON(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	got := readFrames(t, b)
	if len(got) != 1 || got[0].data != string(want) {
		t.Fatalf("got %q, want one with %q", got, want)
	}
}

func checkTextFrames(t *testing.T, e narrate.Event) {
	t.Helper()
	b, err := appendText(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	got := readFrames(t, b)
	lines := splitLines(narrate.Line(e))
	if len(got) != 1 || got[0].id != oneLine(e.ID) {
		t.Fatalf("got %q, want one with ID %q", got, e.ID)
	}
	for i, line := range strings.Split(got[0].data, "\n") {
		if strings.HasPrefix(line, "[DONE]") || strings.HasPrefix(line, "[ERROR]") || strings.HasPrefix(line, "[CANCELLED]") {
			t.Fatalf("%q passes for an ending", line)
		}
		if line != lines[i] && line != " "+lines[i] {
			t.Fatalf("line %d: got %q, want %q", i, line, lines[i])
		}
	}
}

func readFrames(t *testing.T, b []byte) []sseFrame {
	t.Helper()
	got, err := newSSEReader(bytes.NewReader(b)).rest()
	if err != nil {
		t.Fatal(err)
	}
	return got
}
