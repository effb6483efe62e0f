package narrate

import (
	"bytes"
	"context"
	"io"
	"strings"
	"unicode/utf8"
)

// maxPart is the most bytes of a line that one event carries.
const maxPart = 64 << 10

// LineWriter tells what is written to it, line by line, as it comes. A line of the form that
// [ParseLine] reads is told as narration of that actor; every other line as [Output], with the
// attribute stream. Nothing that is written is lost:
//
//   - A line ends with LF, CR LF or a lone CR (as progress bars do); a lone CR with nothing
//     before it says nothing.
//   - A line of more than 64 KiB is told in parts, as Output. All but the last carry the
//     attribute partial (true); the messages, put together, are the line.
//   - A byte that is not UTF-8 becomes U+FFFD, a NUL becomes ␀.
//   - Secrets of the context are masked, also across writes, lines and parts. What may be the
//     beginning of one waits for the next write or for Close.
//
// The caller must call Close for the last line to be told, and must not use a LineWriter from
// two goroutines at once. Sinks must not change the Attrs of its events: they are shared.
type LineWriter struct {
	to   scope // knows no secrets: the masker has dealt with them
	mask *masker
	line []byte // the line under way, or its last part; maxPart at most
	cut  bool   // parts of the line under way were told
	said bool   // since the last LF, a CR has ended a line: an LF that follows it adds none

	next    Event // what is told when it is known whether more follows at once
	pending bool  // there is a next

	whole, partial map[string]any // the attributes of a line (or its last part) and of a part
}

var _ io.WriteCloser = (*LineWriter)(nil)

// NewLineWriter returns a writer that tells the lines of the stream, "stdout" or "stderr", to
// the sinks of ctx.
func NewLineWriter(ctx context.Context, stream string) *LineWriter {
	to := scopeOf(ctx)
	to.secrets = nil
	return &LineWriter{
		to:      to,
		mask:    newMasker(Secrets(ctx)),
		whole:   map[string]any{"stream": stream},
		partial: map[string]any{"stream": stream, "partial": true},
	}
}

// Write tells the lines that p completes. It never fails.
func (w *LineWriter) Write(p []byte) (int, error) {
	w.split(w.mask.push(p))
	w.pass(allAlong)
	return len(p), nil
}

// Close tells the rest: a last line without an end. It never fails.
func (w *LineWriter) Close() error {
	w.split(w.mask.flush())
	if len(w.line) > 0 {
		w.tell()
	}
	w.pass(allAlong)
	return nil
}

// say tells e. Only the last event that a write says is waited for, and the others with it.
func (w *LineWriter) say(e Event) {
	w.pass(ifPressed)
	w.next, w.pending = e, true
}

// pass tells what was said last.
func (w *LineWriter) pass(wait patience) {
	if w.pending {
		w.pending = false
		w.to.emit(w.next, wait)
	}
}

func (w *LineWriter) split(p []byte) {
	for {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		for {
			part, rest, ended := bytes.Cut(line, []byte{'\r'})
			w.add(part)
			if !ended {
				break
			}
			w.end('\r')
			line = rest
		}
		if !ended {
			return
		}
		w.end('\n')
		p = rest
	}
}

// add appends to the line under way and tells its parts as they become full.
func (w *LineWriter) add(p []byte) {
	for len(w.line)+len(p) > maxPart {
		room := maxPart - len(w.line)
		w.line = append(w.line, p[:room]...)
		p = p[room:]
		n := wholeRunes(w.line)
		w.say(Event{Kind: Output, Message: visible(w.line[:n]), Attrs: w.partial})
		w.line = append(w.line[:0], w.line[n:]...)
		w.cut = true
	}
	w.line = append(w.line, p...)
}

// end ends the line under way with a CR or an LF.
func (w *LineWriter) end(with byte) {
	tell := len(w.line) > 0 || with == '\n' && !w.said
	if tell {
		w.tell()
	}
	w.said = with == '\r' && (w.said || tell)
}

// tell tells the line under way, or the last part of it.
func (w *LineWriter) tell() {
	e := Event{Kind: Output, Message: visible(w.line), Attrs: w.whole}
	if actor, action, message, ok := ParseLine(e.Message); ok && !w.cut {
		e = Event{Kind: Narration, Actor: actor, Action: action, Message: message}
	}
	w.say(e)
	w.line, w.cut = w.line[:0], false
}

// wholeRunes returns the length of b without a rune at its end of which bytes are missing.
func wholeRunes(b []byte) int {
	for i := len(b) - 1; i >= 0 && i > len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

// visible returns b as valid UTF-8 without NUL. It replaces byte by byte, so that a line reads
// the same in parts as in one piece.
func visible(b []byte) string {
	if utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 {
		return string(b)
	}
	return strings.Map(func(r rune) rune {
		if r == 0 {
			return '␀'
		}
		return r
	}, string(b))
}
