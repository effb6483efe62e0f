package manifest

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/narrate"
)

// The kinds of trouble with a manifest, for errors.Is.
var (
	// ErrNotFound: there is no manifest here or above; write one.
	ErrNotFound = errors.New("there is no " + FileName + " here or in a directory above")
	// ErrManifest: the manifest says what it cannot; correct it. The error is an [*Error].
	ErrManifest = errors.New("wrong manifest")
	// ErrUnknownDaemon: the manifest has no such daemon.
	ErrUnknownDaemon = errors.New("unknown daemon")
	// ErrUnknownHost: the manifest has no such host; it may be a target of ssh.
	ErrUnknownHost = errors.New("unknown host")
	// ErrUnknownLabel: no host of the manifest has such a label, or such a value of it.
	ErrUnknownLabel = errors.New("unknown label")
)

// Error is what is wrong with the content of a manifest. It wraps [ErrManifest] and
// [davit.ErrUsage].
type Error struct {
	File         string // as it was named
	Line, Column int    // from 1, in characters; they are inside the file or just behind a line of it
	Message      string // one line; what a variable or a secret stands for is in it only where it is no value of env or of a secret
	Excerpt      string // some lines of the file and a caret below the place; printable, without colour
	Hint         string // what to write instead; may be empty
}

// Error is one line: davit.yaml:12:7: unknown key "helth" in worker.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", narrate.Visible(filepath.ToSlash(e.File)), e.Line, e.Column, e.Message)
}

// Unwrap returns the kinds of the error.
func (e *Error) Unwrap() []error { return []error{ErrManifest, davit.ErrUsage} }

// place is where something stands in the file: from 1, in characters.
type place struct{ line, column int }

func (p place) before(q place) bool {
	return p.line < q.line || p.line == q.line && p.column < q.column
}

// source is the text of a manifest, by lines.
type source struct {
	file  string
	lines []string
}

func newSource(file, text string) *source {
	return &source{file, strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
}

// wrong returns the error of what stands at p.
func (s *source) wrong(p place, hint, format string, args ...any) *Error {
	p.line = min(max(p.line, 1), len(s.lines))
	p.column = min(max(p.column, 1), utf8.RuneCountInString(s.lines[p.line-1])+1)
	return &Error{
		File: s.file, Line: p.line, Column: p.column, Hint: hint,
		Message: narrate.Visible(fmt.Sprintf(format, args...)), Excerpt: s.excerpt(p),
	}
}

// find returns where text stands at or behind p in p's line, else p.
func (s *source) find(p place, text string) place {
	if p.line < 1 || p.line > len(s.lines) {
		return p
	}
	line := []rune(s.lines[p.line-1])
	from := min(max(p.column-1, 0), len(line))
	if before, _, ok := strings.Cut(string(line[from:]), text); ok {
		p.column = from + utf8.RuneCountInString(before) + 1
	}
	return p
}

// An excerpt has so many lines above the place and below it, and so many characters of a line.
const (
	linesAbove, linesBelow = 2, 1
	excerptWidth           = 96
)

// excerpt returns the lines around p with a caret below it.
func (s *source) excerpt(p place) string {
	var b strings.Builder
	first, last := max(p.line-linesAbove, 1), min(p.line+linesBelow, len(s.lines))
	width := len(fmt.Sprint(last))
	start := max(0, p.column-1-excerptWidth*3/4) // so that a far column is seen
	for n := first; n <= last; n++ {
		line := []rune(s.lines[n-1])
		from := min(start, len(line))
		shown := line[from:min(from+excerptWidth, len(line))]
		fmt.Fprintf(&b, "%*d | %s\n", width, n, shownText(shown))
		if n == p.line {
			at := min(p.column-1-from, len(shown))
			fmt.Fprintf(&b, "%*s | %s^\n", width, "", strings.Repeat(" ", at))
		}
	}
	return strings.TrimRight(strings.ReplaceAll(b.String(), " \n", "\n"), "\n")
}

// shownText is as wide as line: a caret below it must find its place.
func shownText(line []rune) string {
	shown := make([]rune, len(line))
	for i, r := range line {
		shown[i] = []rune(narrate.Visible(string(r)) + "\ufffd")[0]
		if r == '\t' {
			shown[i] = '→'
		}
	}
	return string(shown)
}

// quoted returns a value for a message: printable, and not too long.
func quoted(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
