package narrate

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
)

// Mask stands where a secret was.
const Mask = "•••"

// masked returns a whole text without its secrets.
func masked(text string, secrets []string) string {
	for _, x := range secrets {
		if strings.Contains(text, x) {
			m := newMasker(secrets)
			return string(m.push([]byte(text))) + string(m.flush())
		}
	}
	return text
}

// maskedAttrs returns attrs without secrets in their values, however deep those are; attrs
// itself is not changed.
func maskedAttrs(attrs map[string]any, secrets []string) map[string]any {
	if len(secrets) == 0 || len(attrs) == 0 {
		return attrs
	}
	attrs = maps.Clone(attrs)
	for k, v := range attrs {
		attrs[k] = maskedValue(v, secrets)
	}
	return attrs
}

// maskedValue returns v itself if it holds no secret, and otherwise what a reader of its JSON
// form has, masked.
func maskedValue(v any, secrets []string) any {
	switch v := v.(type) {
	case nil, bool, int, int64, uint64, float64:
		return v
	case string:
		return masked(v, secrets)
	case error:
		return masked(v.Error(), secrets)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return v // no sink that leaves the process can write it
	}
	var read any
	if json.Unmarshal(b, &read) != nil {
		return v
	}
	if read, found := maskedTree(read, secrets); found {
		return read
	}
	return v
}

// maskedTree masks what json.Unmarshal made, in place, and reports whether there was a secret.
func maskedTree(v any, secrets []string) (_ any, found bool) {
	switch v := v.(type) {
	case string:
		m := masked(v, secrets)
		return m, m != v
	case []any:
		for i := range v {
			var here bool
			v[i], here = maskedTree(v[i], secrets)
			found = found || here
		}
	case map[string]any:
		for k := range v {
			var here bool
			v[k], here = maskedTree(v[k], secrets)
			found = found || here
		}
	}
	return v, found
}

// masker replaces secrets in a stream of bytes, however the stream is cut into pieces. Every
// byte that belongs to a secret is hidden, also where secrets overlap; each run of hidden bytes
// becomes one [Mask]. It keeps back no more than the longest end of the stream that may be the
// beginning of a secret.
type masker struct {
	secrets [][]byte
	kept    []byte // what has come and was not passed on yet
	hidden  []bool // which bytes of kept belong to a secret
	masking bool   // the byte passed on last belonged to a secret
	out     []byte // what was passed on last; reused
}

func newMasker(secrets []string) *masker {
	m := &masker{}
	for _, s := range secrets {
		m.secrets = append(m.secrets, []byte(s))
	}
	return m
}

// push takes the next bytes of the stream and returns those that can be passed on. The result
// is valid until the next call.
func (m *masker) push(p []byte) []byte {
	if len(m.secrets) == 0 {
		return p
	}
	m.kept = append(m.kept, p...)
	m.hidden = append(m.hidden, make([]bool, len(p))...)
	undecided := 0
	for _, secret := range m.secrets {
		m.hide(secret)
		undecided = max(undecided, begun(m.kept, secret))
	}
	return m.pass(len(m.kept) - undecided)
}

// flush returns what was kept back; the stream has ended.
func (m *masker) flush() []byte { return m.pass(len(m.kept)) }

// hide marks the secret wherever it stands, also where it overlaps itself.
func (m *masker) hide(secret []byte) {
	for from := 0; ; from++ {
		i := bytes.Index(m.kept[from:], secret)
		if i < 0 {
			return
		}
		from += i
		for j := range len(secret) {
			m.hidden[from+j] = true
		}
	}
}

// pass moves the first n bytes that were kept to out.
func (m *masker) pass(n int) []byte {
	m.out = m.out[:0]
	for i, b := range m.kept[:n] {
		switch {
		case !m.hidden[i]:
			m.out = append(m.out, b)
		case !m.masking:
			m.out = append(m.out, Mask...)
		}
		m.masking = m.hidden[i]
	}
	m.kept = append(m.kept[:0], m.kept[n:]...)
	m.hidden = append(m.hidden[:0], m.hidden[n:]...)
	return m.out
}

// begun returns the length of the longest end of b with which secret begins and does not end.
func begun(b []byte, secret []byte) int {
	for n := min(len(secret)-1, len(b)); n > 0; n-- {
		if bytes.HasSuffix(b, secret[:n]) {
			return n
		}
	}
	return 0
}
