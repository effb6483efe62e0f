package manifest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/davit-sh/davit"
)

// environment is that of the manifests in testdata.
func environment(name string) (string, bool) {
	value, set := map[string]string{
		"HOME": "/home/me", "NAME": "x: [y]\n- z", "EMPTY": "", "RELEASES": "7", "NUL": "a\x00b", "WORD": "abc", "LINES": "a\nb",
	}[name]
	return value, set
}

func manifests(t testing.TB, patterns ...string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no manifests %s: %v", pattern, err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = data
		}
	}
	return all
}

// parsed parses a manifest as if it were /src/davit.yaml.
func parsed(t *testing.T, text string) *Manifest {
	t.Helper()
	m, err := Parse("/src/davit.yaml", []byte(text), environment)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// refused is the error of a manifest that is wrong; it must be an [*Error].
func refused(t *testing.T, text string) *Error {
	t.Helper()
	m, err := Parse("davit.yaml", []byte(text), environment)
	if m != nil || err == nil {
		t.Fatalf("this was taken as a manifest:\n%.400s", text)
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, ErrManifest) || davit.ExitCode(err) != davit.ExitUsage {
		t.Fatalf("%T is not an *Error of the right kind: %v", err, err)
	}
	return e
}

func header(t *testing.T, line, prefix string) string {
	t.Helper()
	rest, ok := strings.CutPrefix(line, "# "+prefix+":")
	if !ok {
		t.Fatalf("the line %q does not begin with # %s:", line, prefix)
	}
	return strings.TrimSpace(rest)
}

// Each of testdata/bad says itself where it is wrong, and how.
func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	t.Parallel()
	for name, data := range manifests(t, "testdata/bad/*.yaml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			lines := strings.Split(string(data), "\n")
			want, hint := header(t, lines[0], "want"), header(t, lines[1], "hint")
			e := refused(t, string(data))
			if got := fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message); got != want || e.Error() != "davit.yaml:"+got {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if e.Hint != hint {
				t.Errorf("hint %q, want %q", e.Hint, hint)
			}
			checkExcerpt(t, e)
		})
	}
}

func checkExcerpt(t *testing.T, e *Error) {
	t.Helper()
	shown := strings.ReplaceAll(e.Excerpt, "\n", "")
	if strings.ContainsFunc(shown+e.Message+e.Hint, unicode.IsControl) {
		t.Errorf("control characters are shown: %q", e)
	}
	if !caret.MatchString(e.Excerpt) {
		t.Errorf("the excerpt has no caret:\n%s", e.Excerpt)
	}
}

var caret = regexp.MustCompile(`(?m)^ +\| +\^$`)
