package narrate

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// maskWhole is what masker does, said for a text that is there as a whole.
func maskWhole(text string, secrets []string) string {
	hidden := make([]bool, len(text))
	for i := range len(text) {
		for _, s := range secrets {
			if strings.HasPrefix(text[i:], s) {
				for j := range len(s) {
					hidden[i+j] = true
				}
			}
		}
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(Mask)
		}
	}
	return b.String()
}

func TestMasker(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		secrets []string
		pieces  []string
		want    []string // what each push returns, then flush
	}{
		{
			"without secrets everything passes at once",
			nil,
			[]string{"ab", "c"},
			[]string{"ab", "c", ""},
		},
		{
			"a secret in one piece is masked at once",
			[]string{"hunter2"},
			[]string{"pw hunter2."},
			[]string{"pw " + Mask + ".", ""},
		},
		{
			"a secret cut in the middle is masked",
			[]string{"hunter2"},
			[]string{"pw hun", "ter2."},
			[]string{"pw ", Mask + ".", ""},
		},
		{
			"a secret that comes byte by byte is masked",
			[]string{"abc"},
			[]string{"a", "b", "c", "d"},
			[]string{"", "", Mask, "d", ""},
		},
		{
			"what only began like a secret passes as soon as that is clear",
			[]string{"abcd"},
			[]string{"xab", "x", "abc"},
			[]string{"x", "abx", "", "abc"},
		},
		{
			"a secret with a line end is masked",
			[]string{"one\ntwo"},
			[]string{"[one\n", "two]"},
			[]string{"[", Mask + "]", ""},
		},
		{
			"overlapping secrets are hidden completely",
			[]string{"abc", "cde"},
			[]string{"xabc", "de."},
			[]string{"x" + Mask, ".", ""},
		},
		{
			"a secret inside what looked like a longer one is masked alone",
			[]string{"abcdX", "bc"},
			[]string{"abcd", "Y"},
			[]string{"", "a" + Mask + "dY", ""},
		},
		{
			"a secret that overlaps itself is hidden completely",
			[]string{"aba"},
			[]string{"aba", "ba"},
			[]string{Mask, "", ""},
		},
		{
			"secrets side by side are one mask",
			[]string{"ab"},
			[]string{"abab."},
			[]string{Mask + ".", ""},
		},
		{
			"a secret that is not UTF-8 is masked",
			[]string{"\xff\x00"},
			[]string{"a\xff", "\x00b"},
			[]string{"a", Mask + "b", ""},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newMasker(tc.secrets)
			var got []string
			for _, p := range tc.pieces {
				got = append(got, string(m.push([]byte(p))))
			}
			got = append(got, string(m.flush()))
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMaskingDoesNotDependOnHowTheStreamIsCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Few letters, so that secrets occur, overlap and contain each other.
		secrets := rapid.SliceOfN(rapid.StringMatching(`[ab\n•]{1,6}`), 0, 4).Draw(t, "secrets")
		text := rapid.StringMatching(`[abc\n•]{0,60}`).Draw(t, "text")
		m := newMasker(secrets)
		var got bytes.Buffer
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			got.Write(m.push([]byte(rest[:n])))
			rest = rest[n:]
			if kept := string(m.kept); kept != longestBegun(text[:len(text)-len(rest)], secrets) {
				t.Fatalf("kept back %q after %q", kept, text[:len(text)-len(rest)])
			}
		}
		got.Write(m.flush())
		if want := maskWhole(text, secrets); got.String() != want {
			t.Fatalf("got %q, want %q", got.String(), want)
		}
	})
}

func TestNoSecretIsLeftInWhatWasMasked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(rapid.StringMatching(`[ab\n]{1,6}`), 1, 4).Draw(t, "secrets")
		m := newMasker(secrets)
		got := string(m.push([]byte(rapid.StringMatching(`[abc\n]{0,60}`).Draw(t, "text"))))
		got += string(m.flush())
		for _, s := range secrets {
			if strings.Contains(got, s) {
				t.Fatalf("%q still contains %q", got, s)
			}
		}
	})
}

// longestBegun returns the longest end of text that is a proper beginning of a secret.
func longestBegun(text string, secrets []string) string {
	for i := range len(text) {
		for _, s := range secrets {
			if len(s) > len(text)-i && strings.HasPrefix(s, text[i:]) {
				return text[i:]
			}
		}
	}
	return ""
}

func BenchmarkMasker(b *testing.B) {
	text := bytes.Repeat([]byte("a line of ordinary output, as builds print it\n"), 700)
	m := newMasker([]string{"hunter2", strings.Repeat("-----BEGIN KEY-----\n", 100), "tok_0123456789"})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		m.push(text)
	}
}
