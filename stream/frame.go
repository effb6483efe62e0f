package stream

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/davit-sh/davit/narrate"
)

// The rules of what goes over the wire, all in this file:
//
//   - A frame is id, event and data lines and an empty line. What an event says can never begin
//     a line of its own: the data's lines are each prefixed, id and event are one line.
//   - JSON: every event is a frame; its event field is the kind.
//   - Text: every event but progress is a frame without an event field, its data the line that a
//     terminal would show. The last one says [DONE], [ERROR] why or [CANCELLED] instead.
//   - A reset is the same frame in both.

// format appends the frame of an event, if it gets one.
type format func(b []byte, e narrate.Event) ([]byte, error)

// formats are the values of the query parameter "format".
var formats = map[string]format{"": appendJSON, "text": appendText}

func appendJSON(b []byte, e narrate.Event) ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return b, err
	}
	return appendFrame(b, e.ID, string(e.Kind), string(data)), nil
}

func appendText(b []byte, e narrate.Event) ([]byte, error) {
	switch e.Kind {
	case narrate.Progress:
		return b, nil
	case narrate.End:
		return appendFrame(b, e.ID, "", ending(e)), nil
	}
	lines := splitLines(narrate.Line(e))
	for i, line := range lines {
		lines[i] = indentEnding(line)
	}
	return appendFrame(b, e.ID, "", strings.Join(lines, "\n")), nil
}

func appendReset(b []byte, r *Reset) ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return b, err
	}
	return appendFrame(b, "", "reset", string(data)), nil
}

const (
	doneMark      = "[DONE]"
	errorMark     = "[ERROR]"
	cancelledMark = "[CANCELLED]"
)

// ending returns the last line of a text stream, for an end event.
func ending(e narrate.Event) string {
	switch e.Attrs["state"] {
	case narrate.Succeeded:
		return doneMark
	case narrate.Cancelled:
		return cancelledMark
	}
	why, _ := e.Attrs["error"].(string)
	if why == "" {
		why = e.Message
	}
	return errorMark + " " + oneLine(why)
}

// indentEnding moves a line that would pass for an ending one column to the right: a daemon
// that prints "[DONE]" has not ended the job.
func indentEnding(line string) string {
	for _, mark := range []string{doneMark, errorMark, cancelledMark} {
		if strings.HasPrefix(line, mark) {
			return " " + line
		}
	}
	return line
}

// appendFrame appends one SSE frame. An empty id or event has no line. The data's line breaks
// may be of any kind.
func appendFrame(b []byte, id, event, data string) []byte {
	if id != "" {
		b = fmt.Appendf(b, "id: %s\n", oneLine(id))
	}
	if event != "" {
		b = fmt.Appendf(b, "event: %s\n", oneLine(event))
	}
	for _, line := range splitLines(data) {
		b = append(b, "data: "...)
		b = append(b, line...)
		b = append(b, '\n')
	}
	return append(b, '\n')
}

var (
	lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "\uFFFD")
	// noBreaks is for fields of one line; a reader drops an id that holds a NUL.
	noBreaks = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\x00", "\uFFFD")
)

// splitLines returns the lines of s as a reader of SSE sees them: CR, LF and CRLF end a line.
func splitLines(s string) []string {
	return strings.Split(lineBreaks.Replace(strings.ToValidUTF8(s, "\uFFFD")), "\n")
}

func oneLine(s string) string { return noBreaks.Replace(strings.ToValidUTF8(s, "\uFFFD")) }
