// Package narrate tells what a program does while it does it: events, the context that carries
// who, where and for which job, and the sinks that the events go to.
//
// Code that works calls [Sayf], [Warnf] and [Errorf] with the context it was given and knows
// nothing of jobs, streams or terminals. The caller decides where the telling goes by what it
// puts into the context: [WithJob], [WithSink], [WithNarrator]. A context without a [Narrator]
// is told to stdout.
package narrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Kind says what sort of fact an [Event] tells.
type Kind string

// The kinds of events.
const (
	Narration Kind = "narration" // a step told in words
	Output    Kind = "output"    // a captured line; Attrs: stream ("stdout", "stderr"), more
	Progress  Kind = "progress"  // how far a step is; Attrs: done, total, unit
	State     Kind = "state"     // a change of state; Attrs: from, to
	End       Kind = "end"       // the last event of a job; Attrs: state, error, receipts
)

// Level says how much an event matters.
type Level string

// The levels of events.
const (
	Info  Level = "info"
	Warn  Level = "warn"
	Error Level = "error"
)

// Event is one fact told. Its JSON form is a contract: fields are added, never renamed.
type Event struct {
	// ID is the event's position in its job's log, "<epoch>.<sequence>"; the log sets it.
	ID string `json:"id,omitempty"`
	// Seq counts the events of one job: 1, 2, 3 … without gaps; the log sets it.
	Seq uint64 `json:"seq,omitempty"`
	// Time is when the event happened, in UTC, to the millisecond.
	Time time.Time `json:"-"`
	Kind Kind      `json:"kind"`
	// Job is the job the event belongs to; an event without one never reaches a stream.
	Job         string `json:"job,omitempty"`
	Attempt     int    `json:"attempt,omitempty"`
	Correlation string `json:"correlation,omitempty"`
	Host        string `json:"host,omitempty"`
	Step        string `json:"step,omitempty"`
	Actor       string `json:"actor,omitempty"`
	Action      string `json:"action,omitempty"`
	Level       Level  `json:"level,omitempty"`
	Message     string `json:"message,omitempty"`
	// Attrs are further facts, by name; values are what encoding/json can write.
	Attrs map[string]any `json:"attrs,omitempty"`
	// Traceparent is the W3C trace context of the operation, if it is traced.
	Traceparent string `json:"traceparent,omitempty"`
}

// timeLayout is RFC 3339 in UTC with exactly three decimals, so that times sort as text.
const timeLayout = "2006-01-02T15:04:05.000Z"

// plainEvent is Event without its methods.
type plainEvent Event

// wireEvent is Event as it travels; the fields id and seq stand first and time third, as a
// reader of a raw stream wants them.
type wireEvent struct {
	ID   string `json:"id,omitempty"`
	Seq  uint64 `json:"seq,omitempty"`
	Time string `json:"time"`
	plainEvent
}

// MarshalJSON writes the event in its wire form. It leaves <, > and & as they are, so that an
// encoder may: [json.Marshal] escapes them still.
func (e Event) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(wireEvent{ID: e.ID, Seq: e.Seq, Time: e.Time.UTC().Format(timeLayout), plainEvent: plainEvent(e)})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// UnmarshalJSON reads the wire form. It accepts any RFC 3339 time.
func (e *Event) UnmarshalJSON(b []byte) error {
	var w wireEvent
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*e = Event(w.plainEvent)
	e.ID, e.Seq = w.ID, w.Seq
	if w.Time == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, w.Time)
	if err != nil {
		return fmt.Errorf("event time: %w", err)
	}
	e.Time = t.UTC()
	return nil
}

// Line returns the event as one line of the form that [ParseLine] reads:
//
//	[actor     ] action         : message
//
// Captured output is its own line, unchanged.
func Line(e Event) string {
	if e.Kind == Output {
		return e.Message
	}
	return fmt.Sprintf("[%-10s] %-15s: %s", e.Actor, e.Action, strings.ReplaceAll(e.Message, "\n", " "))
}

// ParseLine reads a line written by [Line]; ok reports whether it has that form. An actor is
// 1 to 32 and an action 1 to 64 letters, digits, dots, dashes and underscores.
func ParseLine(line string) (actor, action, message string, ok bool) {
	rest, ok := strings.CutPrefix(line, "[")
	if !ok {
		return "", "", "", false
	}
	actor, rest, ok = strings.Cut(rest, "] ")
	if !ok {
		return "", "", "", false
	}
	action, message, ok = strings.Cut(rest, ":")
	if !ok {
		return "", "", "", false
	}
	actor, action = strings.TrimRight(actor, " "), strings.TrimRight(action, " ")
	if !isWord(actor, 32) || !isWord(action, 64) {
		return "", "", "", false
	}
	return actor, action, strings.TrimPrefix(message, " "), true
}

func isWord(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}
