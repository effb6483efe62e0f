package narrate

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The names and the order of the fields are a contract with every watcher.
func TestAnEventTravelsInItsContractedForm(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 17, 5, 11, 123999999, time.FixedZone("CET", 3600))
	for _, c := range []struct {
		name  string
		event Event
		want  string
	}{
		{
			"all fields",
			Event{
				ID: "k3v9.1042", Seq: 17, Time: at, Kind: Narration, Job: "job-01k", Attempt: 1, Correlation: "req-7",
				Host: "vince@192.168.1.100", Step: "transfer", Actor: "install", Action: "copying", Level: Info,
				Message: "📤 Copying llm-worker to …", Attrs: map[string]any{"bytes": 31457280}, Traceparent: "00-4bf9-00f0-01",
			},
			`{"id":"k3v9.1042","seq":17,"time":"2026-11-23T16:05:11.123Z","kind":"narration","job":"job-01k","attempt":1,` +
				`"correlation":"req-7","host":"vince@192.168.1.100","step":"transfer","actor":"install","action":"copying","level":"info",` +
				`"message":"📤 Copying llm-worker to …","attrs":{"bytes":31457280},"traceparent":"00-4bf9-00f0-01"}`,
		},
		{
			"what is empty is left out",
			Event{Time: at, Kind: Output},
			`{"time":"2026-11-23T16:05:11.123Z","kind":"output"}`,
		},
		{
			"a whole second has three decimals too",
			Event{Time: time.Unix(0, 0), Kind: End, Attrs: map[string]any{"state": Succeeded}},
			`{"time":"1970-01-01T00:00:00.000Z","kind":"end","attrs":{"state":"succeeded"}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(c.event)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAnEventComesBackAsItWent(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[a-z<&>"\\ é…]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		e := Event{
			ID: word.Draw(t, "id"), Seq: rapid.Uint64().Draw(t, "seq"),
			Time:        time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "time")).UTC(),
			Kind:        Kind(word.Draw(t, "kind")),
			Job:         word.Draw(t, "job"),
			Attempt:     rapid.IntRange(0, 3).Draw(t, "attempt"),
			Correlation: word.Draw(t, "correlation"),
			Host:        word.Draw(t, "host"),
			Step:        word.Draw(t, "step"), Actor: word.Draw(t, "actor"), Action: word.Draw(t, "action"),
			Level: Level(word.Draw(t, "level")), Message: word.Draw(t, "message"),
			Traceparent: word.Draw(t, "traceparent"),
		}
		if rapid.Bool().Draw(t, "with attrs") {
			e.Attrs = map[string]any{"done": 12.0, "stream": word.Draw(t, "stream"), "deep": []any{true, nil}}
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back Event
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, e) {
			t.Errorf("sent %+v\ngot  %+v", e, back)
		}
	})
}

func TestOthersMayWriteEventsALittleDifferently(t *testing.T) {
	t.Parallel()
	var e Event
	const text = `{"time":"2026-11-23T17:05:11.123456+01:00","kind":"output","message":"hello","later":"a field of tomorrow"}`
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 11, 23, 16, 5, 11, 123456000, time.UTC); e.Time != want || e.Message != "hello" {
		t.Errorf("read %+v", e)
	}
	if err := json.Unmarshal([]byte(`{"kind":"output"}`), &e); err != nil || !e.Time.IsZero() {
		t.Errorf("without a time: %v, %v", e.Time, err)
	}
	for _, bad := range []string{`{"time":"yesterday"}`, `{"seq":-1}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &e); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		event Event
		want  string
	}{
		{Event{Kind: Narration, Actor: "install", Action: "copying", Message: "📤 Copying"}, "[install   ] copying        : 📤 Copying"},
		{Event{Kind: Narration, Actor: "an-actor-of-great-length", Action: "an-action-of-great-length", Message: "m"}, "[an-actor-of-great-length] an-action-of-great-length: m"},
		{Event{Kind: Narration, Actor: "a", Action: "b", Message: "one\ntwo"}, "[a         ] b              : one two"},
		{Event{Kind: Output, Actor: "a", Message: "  as it came"}, "  as it came"},
	} {
		if got := Line(c.event); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

func TestParseLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, actor, action, message string
		ok                           bool
	}{
		{"[install   ] copying        : 📤 Copying", "install", "copying", "📤 Copying", true},
		{"[a] b:c", "a", "b", "c", true},
		{"[a] b:", "a", "b", "", true},
		{"[a] b:  two", "a", "b", " two", true},
		{"[a.b-c_9] B: x: y", "a.b-c_9", "B", "x: y", true},
		{line: "[a]b: c"},
		{line: "[] b: c"},
		{line: "[a] : c"},
		{line: "[a] b"},
		{line: "[a b] c: d"},
		{line: "[é] c: d"},
		{line: " [a] b: c"},
		{line: "2026/11/24 [a] b: c"},
		{line: "[" + strings.Repeat("a", 33) + "] b: c"},
		{line: "[a] " + strings.Repeat("b", 65) + ": c"},
		{line: ""},
	} {
		actor, action, message, ok := ParseLine(c.line)
		if actor != c.actor || action != c.action || message != c.message || ok != c.ok {
			t.Errorf("ParseLine(%q) = %q, %q, %q, %v", c.line, actor, action, message, ok)
		}
	}
}
