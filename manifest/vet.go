package manifest

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// What a manifest may hold; more is no manifest that a person wrote.
const (
	maxNodes  = 10_000       // values, each alias counted as all that it stands for
	maxTokens = 6 * maxNodes // no value has more: anchor, key, colon, dash, comma and itself
	maxDepth  = 32           // brackets in brackets, or dashes in a line

	// The time that the lexer takes grows with the square of these.
	maxTabs  = 100 // in a line
	maxEmpty = 200 // lines with nothing but space, in a row
)

// plainText returns the text of the file with LF at the end of each line.
func plainText(file string, data []byte) (string, *source, error) {
	src := newSource(file, "")
	if len(data) > MaxSize {
		return "", src, src.wrong(place{1, 1}, "", "the file has more than 1 MiB; a manifest has at most that")
	}
	s := strings.TrimPrefix(string(data), "\ufeff")
	if hasUTF16Mark(s) {
		return "", src, src.wrong(place{1, 1}, "save it as UTF-8", "the file is UTF-16 text; a manifest is UTF-8")
	}
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	src = newSource(file, strings.ToValidUTF8(s, "\ufffd"))
	if err := checkCharacters(s, src); err != nil {
		return "", src, err
	}
	return s, src, checkLines(src)
}

func checkCharacters(s string, src *source) error {
	at := place{1, 0}
	for i, r := range s {
		at.column++
		switch {
		case r == '\n':
			at = place{at.line + 1, 0}
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"):
			return src.wrong(at, "save it as UTF-8", "there is a byte 0x%02x, which is not UTF-8 text", s[i])
		case r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 && r != 0x85:
			return src.wrong(at, `write it as an escape in double quotes: "\e"`, "there is a control character, U+%04X", r)
		}
	}
	return nil
}

func checkLines(src *source) error {
	empty := 0
	for i, line := range src.lines {
		if empty++; strings.TrimLeft(line, " \t") != "" {
			empty = 0
		}
		switch {
		case empty > maxEmpty:
			return src.wrong(place{i + 1, 1}, "", "there are more than %d empty lines in a row", maxEmpty)
		case strings.Count(line, "\t") > maxTabs:
			return src.wrong(src.find(place{i + 1, 1}, "\t"), "", "there are more than %d tabs in a line", maxTabs)
		}
	}
	return nil
}

// hasUTF16Mark reports whether s begins as UTF-16 does: with its mark, or with an ASCII character.
func hasUTF16Mark(s string) bool {
	return strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff") ||
		len(s) > 1 && (s[0] == 0) != (s[1] == 0)
}

// vet refuses what the parser would take, or choke on, and no manifest needs.
func vet(tokens token.Tokens, src *source) error {
	v := vetting{src: src}
	for _, t := range tokens {
		if t.Type == token.CommentType {
			continue
		}
		if err := v.token(t, at(t)); err != nil {
			return err
		}
	}
	return nil
}

// vetting is what vet has seen so far.
type vetting struct {
	src          *source
	count, depth int
	line, dashes int  // dashes of that line
	ended        bool // the document has
}

func (v *vetting) token(t *token.Token, p place) error {
	if v.count++; v.count > maxTokens {
		return tooMuch(v.src, p)
	}
	if v.ended && t.Type != token.DocumentEndType || v.count > 1 && t.Type == token.DocumentHeaderType {
		return v.src.wrong(p, "leave one of them, without ---", "a second document begins here; a manifest is one")
	}
	if p.line != v.line {
		v.line, v.dashes = p.line, 0
	}
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		v.depth++
	case token.SequenceEndType, token.MappingEndType:
		v.depth--
	case token.SequenceEntryType, token.AnchorType:
		v.dashes++
	case token.DocumentEndType:
		v.ended = true
	case token.TagType:
		return v.src.wrong(p, "put text in quotes", "a manifest has no tags such as %s", quoted(strings.TrimSpace(t.Value)))
	case token.MappingKeyType:
		return v.src.wrong(p, "write KEY: VALUE", "a manifest has no keys that begin with ?")
	case token.DirectiveType:
		return v.src.wrong(p, "put text that begins with % in quotes", "a manifest has no directives, which begin with %%")
	}
	if v.depth > maxDepth || v.dashes > maxDepth {
		return v.src.wrong(p, "", "this is nested more than %d deep", maxDepth)
	}
	return nil
}

func tooMuch(src *source, p place) error {
	return src.wrong(p, "", "there are more than %d values, with what aliases stand for counted each time", maxNodes)
}
