package manifest

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever the bytes: an error has its place in the file, and a manifest is the same each time, and
// one for editors, too.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		for _, data := range manifests(f, pattern) {
			f.Add(data)
		}
	}
	schema := resolved(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("/src/davit.yaml", data, environment)
		if err != nil {
			checkPlace(t, data, err)
			return
		}
		again, err := Parse("/src/davit.yaml", data, environment)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("the same text is another manifest: %v", err)
		}
		checkManifest(t, m)
		if v, err := asEditorsSee(t, data); err == nil {
			if err := schema.Validate(v); err != nil {
				t.Errorf("the schema refuses what was taken: %v", err)
			}
		}
	})
}

func checkPlace(t *testing.T, data []byte, err error) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(string(data), "\ufeff"))
	lines := strings.Split(strings.ToValidUTF8(text, "\ufffd"), "\n")
	if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > utf8.RuneCountInString(lines[e.Line-1])+1 {
		t.Errorf("%v is outside of the file", e)
	}
	if strings.ContainsAny(e.Error()+e.Hint, "\n\r\x1b\x00") || !utf8.ValidString(e.Error()+e.Hint+e.Excerpt) {
		t.Errorf("an error that cannot be shown: %q", e)
	}
	checkExcerpt(t, e)
}

// checkManifest sees that what was taken keeps the rules.
func checkManifest(t *testing.T, m *Manifest) {
	t.Helper()
	for _, d := range m.Daemons() {
		if rules["daemon"].wrong(d.Name) != "" || d.Build.Dir == "" || d.Releases < 0 || d.Releases > 100 || d.Timeouts.Install < 0 {
			t.Errorf("%+v", d)
		}
		for _, word := range d.Hosts {
			if _, err := m.Select([]string{word}, false); err != nil {
				t.Error(err)
			}
		}
		for name, value := range d.Env {
			if strings.ContainsRune(name+value, 0) {
				t.Errorf("%q: %q", name, value)
			}
		}
	}
	for _, h := range m.Hosts() {
		if h.Address == "" || strings.ContainsAny(strings.Join(append(h.Jump, h.Address), ""), " ,\n\x00") {
			t.Errorf("%+v", h)
		}
	}
}
