package stream

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/davit-sh/davit/narrate"
)

// What [Options] leaves at zero.
const (
	DefaultHeartbeat    = 15 * time.Second
	DefaultWriteTimeout = 10 * time.Second
)

// maxWrite is about how many bytes go to a watcher in one write, under one write deadline. A
// write ends with the frame that reaches it.
const maxWrite = 256 << 10

const (
	connected = ": connected\n\n"
	heartbeat = ": heartbeat\n\n"
)

// Options are the settings of [NewHandler].
type Options struct {
	// Heartbeat is how long a watcher hears nothing at most; then a comment is sent.
	Heartbeat time.Duration
	// WriteTimeout is how long a write to a watcher may take; then it is disconnected, to
	// resume when it likes.
	WriteTimeout time.Duration
}

// Handler returns [NewHandler] with the default options.
func Handler(log Log) http.Handler { return NewHandler(log, Options{}) }

// NewHandler returns a handler that sends a job's events as Server-Sent Events (WHATWG HTML,
// §9.2). Mount it under a pattern with the wildcard {id}, the job:
//
//	mux.Handle("GET /v1/jobs/{id}/stream", stream.Handler(log))
//
// A frame's id is the event's ID, its event the kind, its data the event as JSON. With
// ?format=text the data is the event as a line of text, progress is left out, and the last line
// is [DONE], [ERROR] why or [CANCELLED].
//
// The stream goes on after the [Position] in the header Last-Event-ID or, without that, in
// ?after=. An event "reset", its data a [Reset], says that history was lost and that the oldest
// events there are follow. After the end event the stream is closed; who comes back from there
// gets 204, which tells a browser to stay away. An unknown job is 404, an unknown format 400, and
// a log that cannot be read 503, all as RFC 9457 problems.
//
// A watcher that does not read is bounded: it holds one batch of events and one write, and is
// disconnected when that takes longer than WriteTimeout. The server's own ReadTimeout and
// WriteTimeout do not end a stream. Middleware must let [http.ResponseController] through (an
// Unwrap method); a response without write deadlines is answered with 500.
//
// A stream lasts as long as its request's context. [http.Server.Shutdown] waits for streams but
// does not end them; let it end that context:
//
//	ctx, cancel := context.WithCancel(context.Background())
//	server.BaseContext = func(net.Listener) context.Context { return ctx }
//	server.RegisterOnShutdown(cancel)
func NewHandler(log Log, o Options) http.Handler {
	if o.Heartbeat <= 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	return &handler{log: log, options: o}
}

type handler struct {
	log     Log
	options Options
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store, no-transform")
	frame, ok := formats[r.URL.Query().Get("format")]
	if !ok {
		problem(w, http.StatusBadRequest, `format is "text" or absent`)
		return
	}
	cursor, err := h.log.Follow(r.Context(), r.PathValue("id"), position(r))
	switch {
	case errors.Is(err, ErrEnded):
		w.WriteHeader(http.StatusNoContent)
		return
	case errors.Is(err, ErrUnknownJob), errors.Is(err, ErrNoJob):
		problem(w, http.StatusNotFound, "unknown job")
		return
	case err != nil:
		problem(w, http.StatusServiceUnavailable, "the job's events cannot be read now")
		return
	}
	defer cursor.Close()
	x := &watcher{w: w, rc: http.NewResponseController(w), cursor: cursor, frame: frame, options: h.options}
	if err := x.rc.SetWriteDeadline(time.Time{}); err != nil {
		problem(w, http.StatusInternalServerError, "the server cannot set write deadlines here")
		return
	}
	// The server's ReadTimeout is for the request, which is over; left in place it would end
	// the request's context. Where it cannot be set, there is none.
	_ = x.rc.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead { // a GET pattern takes HEAD too
		return
	}
	// An error means that the watcher is gone, or the log is; either way the stream breaks off
	// here and there is nobody left to be told.
	_ = x.run(r.Context())
}

// position returns where the request wants to go on. Last-Event-ID wins: a browser that
// reconnects sends it along with the ?after= that it started from.
func position(r *http.Request) Position {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return Position(id)
	}
	return Position(r.URL.Query().Get("after"))
}

// watcher is one response under way.
type watcher struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	cursor  Cursor
	frame   format
	options Options
	spoke   time.Time // when the last write was done
}

// run sends events until the end event was sent, or ctx or the connection ends.
func (x *watcher) run(ctx context.Context) error {
	// Now, so that the headers do not wait for the first event.
	err := x.write([]byte(connected))
	for err == nil {
		var events []narrate.Event
		var idle bool
		events, idle, err = x.next(ctx)
		switch reset, ok := errors.AsType[*Reset](err); {
		case ok:
			err = x.sendReset(reset)
		case idle:
			err = x.write([]byte(heartbeat))
		case err == nil:
			err = x.send(events)
		}
	}
	return err
}

// next waits for events until a heartbeat is due, which idle reports.
func (x *watcher) next(ctx context.Context) (events []narrate.Event, idle bool, err error) {
	wait, cancel := context.WithDeadline(ctx, x.spoke.Add(x.options.Heartbeat))
	defer cancel()
	events, err = x.cursor.Next(wait)
	return events, err != nil && wait.Err() != nil && ctx.Err() == nil, err
}

// send writes the frames of events, as few writes as maxWrite allows.
func (x *watcher) send(events []narrate.Event) error {
	var b []byte
	for _, e := range events {
		var err error
		if b, err = x.frame(b, e); err != nil {
			return err
		}
		if len(b) >= maxWrite {
			if err := x.write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	return x.write(b)
}

func (x *watcher) sendReset(r *Reset) error {
	b, err := appendReset(nil, r)
	if err != nil {
		return err
	}
	return x.write(b)
}

// write sends b at once, within the write timeout.
func (x *watcher) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := x.rc.SetWriteDeadline(time.Now().Add(x.options.WriteTimeout)); err != nil {
		return err
	}
	if _, err := x.w.Write(b); err != nil {
		return err // the deadline stays: what the server still writes must not hang either
	}
	if err := x.rc.Flush(); err != nil {
		return err
	}
	x.spoke = time.Now()
	// A deadline that passes while nobody writes would reset an HTTP/2 stream.
	return x.rc.SetWriteDeadline(time.Time{})
}

// problem answers with an RFC 9457 problem.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// Nobody is left to be told if this fails.
	_ = json.NewEncoder(w).Encode(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
}
