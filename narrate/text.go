package narrate

// The rules of text output, all of them:
//   - one event is one line; a message never makes a second one
//   - narration stands at the margin, captured output is indented behind a rail
//   - progress is never a line: a bar draws it, elsewhere
//   - control characters of messages and output are shown, never obeyed
//   - plain text has no colour, no emoji and only ASCII of our own

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// TextOptions says how a text sink writes. The zero value suits a file or a pipe.
type TextOptions struct {
	Color     bool // ANSI colours
	Plain     bool // no emoji, no typographic characters of our own
	HostWidth int  // > 0: each line begins with its host, padded to this many columns
	Quiet     bool // only warnings and errors
}

// Text is a sink that writes lines for people.
type Text struct {
	w io.Writer
	o TextOptions

	mu   sync.Mutex
	buf  []byte // the lines being written
	ends []int  // where in buf the line of each event ends
}

// NewText returns a sink that writes to w, one Write a line, or for several that come together.
func NewText(w io.Writer, o TextOptions) *Text { return &Text{w: w, o: o} }

const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	dim    = "\x1b[2m"
	reset  = "\x1b[0m"
)

// Emit writes e as a line, or nothing when the rules above say so.
func (t *Text) Emit(e Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin()
	t.add(&e)
	_, err := t.write()
	return err
}

// EmitAll writes the lines of events with one Write.
func (t *Text) EmitAll(events []Event) (taken int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin()
	for i := range events {
		t.add(&events[i])
	}
	return t.write()
}

func (t *Text) begin() {
	if cap(t.buf) > 2*maxPart { // one long message is no reason to keep so much
		t.buf = nil
	}
	t.buf, t.ends = t.buf[:0], t.ends[:0]
}

// write writes what was added and returns how many events that is of; after an error, how many
// before the one whose line was not written.
func (t *Text) write() (taken int, err error) {
	if len(t.buf) == 0 {
		return len(t.ends), nil
	}
	n, err := t.w.Write(t.buf)
	if err == nil {
		return len(t.ends), nil
	}
	for taken < len(t.ends)-1 && t.ends[taken] <= n {
		taken++
	}
	return taken, err
}

// add appends the line of e, if it has one.
func (t *Text) add(e *Event) {
	if !t.o.Quiet || e.Level == Warn || e.Level == Error {
		t.buf = t.appendLine(t.buf, e)
	}
	t.ends = append(t.ends, len(t.buf))
}

func (t *Text) appendLine(b []byte, e *Event) []byte {
	text, color := t.line(e)
	if text == "" && e.Kind != Output {
		return b
	}
	if t.o.HostWidth > 0 {
		b = fmt.Appendf(b, "%-*s %s ", t.o.HostWidth, Visible(e.Host), t.rail())
	}
	if !t.o.Color {
		color = ""
	}
	b = append(b, color...)
	if e.Kind == Output {
		b = append(append(append(b, "  "...), t.rail()...), ' ')
	}
	b = append(b, text...)
	if color != "" {
		b = append(b, reset...)
	}
	return append(b, '\n')
}

// line returns what e says, and its colour.
func (t *Text) line(e *Event) (text, color string) {
	switch e.Kind {
	case Output:
		return Visible(e.Message), dim
	case Narration:
		text = Visible(e.Message)
		if t.o.Plain {
			text = plain(text)
		}
		switch e.Level {
		case Warn:
			color = yellow
		case Error:
			color = red
		}
		return text, color
	}
	return "", ""
}

func (t *Text) rail() string {
	if t.o.Plain {
		return "|"
	}
	return "│"
}

// plainWords are our own typographic characters and their ASCII forms.
var plainWords = strings.NewReplacer("…", "...", "→", "->", "—", "-", "–", "-", "·", "-", "✓", "ok", "✗", "x", "×", "x", Mask, "***")

// plain drops a leading emoji and our own typography; names and paths stay as they are.
func plain(text string) string {
	first, rest, ok := strings.Cut(text, " ")
	if ok && isEmoji(first) {
		text = strings.TrimLeft(rest, " ")
	}
	return plainWords.Replace(text)
}

func isEmoji(word string) bool {
	for _, r := range word {
		if !unicode.Is(unicode.So, r) && r != '\uFE0F' && r != '\u200D' {
			return false
		}
	}
	return word != ""
}

// Visible returns text with its control characters shown instead of obeyed: a terminal that
// prints it is not steered by it, and it stays one line. Tabs stay; colour sequences are dropped.
// U+202E and its like, which turn text around, are shown too. Bytes that are not UTF-8 become
// U+FFFD: some are control characters to a terminal.
func Visible(text string) string {
	if isPrintable(text) || utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		if n := colorSequence(text[i:]); n > 0 {
			i += n
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r < 0x20:
			b.WriteRune('\u2400' + r)
		case r == 0x7f:
			b.WriteRune('\u2421')
		default:
			b.WriteRune(utf8.RuneError)
		}
		i += size
	}
	return b.String()
}

// isPrintable reports whether text is ASCII and can be printed as it is; it is quick.
func isPrintable(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < 0x20 && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

func hidden(r rune) bool {
	return r != '\t' && (unicode.IsControl(r) || r >= '\u2028' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069')
}

// colorSequence returns the length of the ANSI colour sequence that s begins with, or 0.
func colorSequence(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s) && i < 32; i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}
