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
	mu sync.Mutex
	w  io.Writer
	o  TextOptions
}

// NewText returns a sink that writes to w, one Write a line.
func NewText(w io.Writer, o TextOptions) *Text { return &Text{w: w, o: o} }

const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	dim    = "\x1b[2m"
	reset  = "\x1b[0m"
)

// Emit writes e as a line, or nothing when the rules above say so.
func (t *Text) Emit(e Event) error {
	line, color := t.line(e)
	if line == "" || t.o.Quiet && e.Level != Warn && e.Level != Error {
		return nil
	}
	if t.o.Color && color != "" {
		line = color + line + reset
	}
	if t.o.HostWidth > 0 {
		line = fmt.Sprintf("%-*s %s %s", t.o.HostWidth, Visible(e.Host), t.rail(), line)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := io.WriteString(t.w, line+"\n")
	return err
}

func (t *Text) line(e Event) (line, color string) {
	text := Visible(e.Message)
	switch e.Kind {
	case Narration:
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
	case Output:
		return "  " + t.rail() + " " + text, dim
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
	if utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) {
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
