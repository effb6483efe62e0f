package narrate

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// JSON is a sink that writes each event as one line of JSON. An event that no log has numbered
// is numbered here, so that a reader of the lines can see that none is missing.
type JSON struct {
	mu  sync.Mutex
	enc *json.Encoder
	seq uint64
}

// NewJSON returns a sink that writes to w, one Write an event.
func NewJSON(w io.Writer) *JSON {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &JSON{enc: enc}
}

// Emit writes e.
func (j *JSON) Emit(e Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Seq == 0 {
		j.seq++
		e.Seq = j.seq
	}
	return j.enc.Encode(e)
}

// Slog returns a sink that writes events to a structured log; progress goes to the debug level.
func Slog(l *slog.Logger) Sink { return slogSink{l} }

type slogSink struct{ log *slog.Logger }

func (s slogSink) Emit(e Event) error {
	level := slog.LevelInfo
	switch {
	case e.Kind == Progress:
		level = slog.LevelDebug
	case e.Level == Warn:
		level = slog.LevelWarn
	case e.Level == Error:
		level = slog.LevelError
	}
	if !s.log.Enabled(context.Background(), level) {
		return nil
	}
	r := slog.NewRecord(e.Time, level, e.Message, 0)
	for _, f := range []struct{ key, value string }{
		{"kind", string(e.Kind)},
		{"job", e.Job},
		{"correlation", e.Correlation},
		{"host", e.Host},
		{"step", e.Step},
		{"actor", e.Actor},
		{"action", e.Action},
		{"traceparent", e.Traceparent},
	} {
		if f.value != "" {
			r.AddAttrs(slog.String(f.key, f.value))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(e.Attrs)) {
		r.AddAttrs(slog.Any(k, e.Attrs[k]))
	}
	return s.log.Handler().Handle(context.Background(), r)
}

// Recorder is a sink that keeps events, for tests. The zero value is ready.
type Recorder struct {
	mu     sync.Mutex
	events []Event
}

// Emit keeps e.
func (r *Recorder) Emit(e Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	return nil
}

// Prompt says that a recorder never waits.
func (r *Recorder) Prompt() {}

// Events returns what was told so far.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Actions returns the actions of the narration told so far, in order.
func (r *Recorder) Actions() []string {
	var actions []string
	for _, e := range r.Events() {
		if e.Kind == Narration {
			actions = append(actions, e.Action)
		}
	}
	return actions
}

var (
	_ Batch  = (*Text)(nil)
	_ Sink   = (*JSON)(nil)
	_ Prompt = (*Recorder)(nil)
)
