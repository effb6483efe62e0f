package manifest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What cannot begin with a comment, or is too long to look at, is here and not in testdata/bad.
func TestWhatIsNoTextIsRefused(t *testing.T) {
	t.Parallel()
	utf16 := func(s string) string {
		var b strings.Builder
		for _, r := range s {
			b.WriteString(string([]byte{byte(r), 0}))
		}
		return b.String()
	}
	const utf16Wrong = "1:1: the file is UTF-16 text; a manifest is UTF-8"
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "1:1: there is nothing in the manifest"},
		"blank lines":        {"\n \n\n", "1:1: there is nothing in the manifest"},
		"comments":           {"# daemons:\n\n  # hosts:\n", "1:1: there is nothing in the manifest"},
		"a byte order mark":  {"\ufeff", "1:1: there is nothing in the manifest"},
		"only ---":           {"---\n", "1:1: there is nothing in the manifest"},
		"null":               {"null\n", "1:1: there is nothing in the manifest"},
		"UTF-16":             {utf16("daemons: {}"), utf16Wrong},
		"UTF-16 with mark":   {"\xff\xfe" + utf16("daemons: {}"), utf16Wrong},
		"UTF-16, big-endian": {"\xfe\xff\x00d\x00a", utf16Wrong},
		"not UTF-8":          {"daemons:\n  # é \xe9\n", "2:7: there is a byte 0xe9, which is not UTF-8 text"},
		"NUL":                {"daemons:\n  wo\x00rker: {}\n", "2:5: there is a control character, U+0000"},
		"C1":                 {"# \u009b\n", "1:3: there is a control character, U+009B"},
		"zeros":              {strings.Repeat("\x00", 100), "1:1: there is a control character, U+0000"},
		"10 MB":              {strings.Repeat("# daemons\n", 1_000_000), "1:1: the file has more than 1 MiB; a manifest has at most that"},
		"too many values":    {"hosts:\n" + strings.Repeat("  - x\n", maxNodes), "10000:5: " + tooManyValues},
		"too many tokens":    {"hosts: [" + strings.Repeat(",", maxTokens) + "]", fmt.Sprintf("1:%d: %s", 8+maxTokens-2, tooManyValues)},
		"tabs in quotes":     {"hosts: \"" + strings.Repeat("\t", 1<<19) + "\"", "1:9: there are more than 100 tabs in a line"},
		"empty lines":        {"hosts: |\n" + strings.Repeat("  \n", 1<<18), "202:1: there are more than 200 empty lines in a row"},
		"brackets":           {strings.Repeat("[", 1<<19), "1:33: this is nested more than 32 deep"},
		"dashes":             {strings.Repeat("- ", 1<<19), "1:65: this is nested more than 32 deep"},
		"anchors":            {"a: " + strings.Repeat("&a ", 1<<18), "1:100: this is nested more than 32 deep"},
		"a vast text":        {"hosts:\n  a: &a\n    labels: {x: " + strings.Repeat("y", 1<<19) + "}\n" + "  b: [" + strings.Repeat("*a,", 20) + "]\n", "4:61: " + tooManyValues},
	} {
		t.Run(name, func(t *testing.T) {
			e := refused(t, c.text)
			if got := fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if len(e.Excerpt) > 2000 {
				t.Errorf("the excerpt has %d bytes", len(e.Excerpt))
			}
		})
	}
}

const tooManyValues = "there are more than 10000 values, with what aliases stand for counted each time"

// A text is what was written, whatever else YAML may see in it.
func TestNumbersAndWordsAreTextAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	var b strings.Builder
	b.WriteString("daemons:\n  worker:\n    env:\n")
	for i, written := range []string{
		"8080", "1.10", "1_000", "010", "0o17", "0x1F", "0b11", "1e3", "-5", "+5", "-0", ".5", "5.", ".inf", "-.inf", ".nan",
		"true", "True", "FALSE", "yes", "no", "on", "off", "y", "N", "2026-01-01", "12:30:45", "1.2.3", "100000000000000000000000",
		"text", "a b", "$HOME", "a#b", "http://a:1/?b=c&d", "C:\\dir",
	} {
		name := fmt.Sprintf("V%d", i)
		want[name] = written
		fmt.Fprintf(&b, "      %s: %s\n", name, written)
	}
	for i, c := range [][2]string{
		{`"8080"`, "8080"},
		{"'it''s'", "it's"},
		{`"\x41\u00e9\t\\"`, "Aé\t\\"},
		{`""`, ""},
		{"''", ""},
		{`"null"`, "null"},
		{`"~"`, "~"},
		{"a # comment", "a"},
		{"one\n        two", "one two"},
		{"|\n        one\n         two\n", "one\n two\n"},
		{"|-\n        one\n", "one"},
		{">\n        one\n        two\n", "one two\n"},
		{"\"one\n        two\"", "one two"},
	} {
		name := fmt.Sprintf("Q%d", i)
		want[name] = c[1]
		fmt.Fprintf(&b, "      %s: %s\n", name, c[0])
	}
	d, err := parsed(t, b.String()).Daemon("worker")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, d.Env); diff != "" {
		t.Error(diff)
	}
}

func TestKeysAreTextAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	m := parsed(t, "daemons: {true: , null: , 1.10: , \"q\": , 0x1f: }\nhosts: {4090: {labels: {1: x, on: y}}}\n")
	var names []string
	for _, d := range m.Daemons() {
		names = append(names, d.Name)
	}
	if diff := cmp.Diff([]string{"true", "null", "1.10", "q", "0x1f"}, names); diff != "" {
		t.Error(diff)
	}
	if h := m.Hosts()[0]; h.Name != "4090" || h.Labels["1"] != "x" || h.Labels["on"] != "y" {
		t.Errorf("%+v", h)
	}
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"the lines around", "daemons:\n  a: {}\n  b: {}\n  c: {helth: 1}\n  d: {}\n  e: {}\n", `
2 |   a: {}
3 |   b: {}
4 |   c: {helth: 1}
  |       ^
5 |   d: {}`},
		{"the first line", "x: 1\n\n", `
1 | x: 1
  | ^
2 |`},
		{"the widths of numbers", strings.Repeat("# \n", 9) + "x: 1\n", `
 8 | #
 9 | #
10 | x: 1
   | ^`},
		{"tabs and what steers a terminal", "# \u202e\tx\nx: 1\n", `
1 | # �→x
2 | x: 1
  | ^`},
		{"characters of several bytes", "hosts: {é: {}}\n", `
1 | hosts: {é: {}}
  |         ^`},
		{"far to the right", "hosts: {" + strings.Repeat(" ", 200) + "é: {}}\n", `
1 | ` + strings.Repeat(" ", 72) + `é: {}}
  | ` + strings.Repeat(" ", 72) + `^`},
	} {
		if got := refused(t, c.text).Excerpt; "\n"+got != c.want {
			t.Errorf("%s:\n%s\nwant%s", c.name, got, c.want)
		}
	}
}

func TestVariablesAreData(t *testing.T) {
	t.Parallel()
	env := func(name string) (string, bool) { return "x: [1]\n- &a *b # ${A} $${A}", name == "A" }
	m, err := Parse("davit.yaml", []byte("daemons:\n  worker:\n    args: [\"${A}\", '${A}${A}', \"$${A}$A$$${A}\", \"$${\", $]\n    env:\n      A: ${A}\n"), env)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := env("A")
	d := m.Daemons()[0]
	if diff := cmp.Diff([]string{a, a + a, "${A}$A$${A}", "${", "$"}, d.Args); diff != "" || d.Env["A"] != a {
		t.Errorf("%v %q", diff, d.Env)
	}
}

func TestVariablesHaveABound(t *testing.T) {
	t.Parallel()
	env := func(string) (string, bool) { return strings.Repeat("x", 1000), true }
	_, err := Parse("davit.yaml", []byte("daemons:\n  worker:\n    args: [\""+strings.Repeat("${A}", 2000)+"\"]\n"), env)
	if err == nil || !strings.Contains(err.Error(), "the values of variables come to more than 1 MiB") {
		t.Error(err)
	}
}

func TestAHomeThatIsNotSet(t *testing.T) {
	t.Parallel()
	for _, home := range []string{"", "relative"} {
		_, err := Parse("davit.yaml", []byte("hosts:\n  gpu-1:\n    identity: ~/.ssh/id\n"), func(string) (string, bool) { return home, home != "" })
		if want := "davit.yaml:3:15: identity: ~ means the directory that HOME names, which is not set"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Many hosts are no attack.
func TestAManifestOfManyHosts(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("defaults:\n  host: {jump: gate}\nhosts:\n  gate: {}\n")
	for i := range 1500 {
		fmt.Fprintf(&b, "  host-%d: {address: me@10.0.0.%d, labels: {rack: %d}}\n", i, i%256, i%40)
	}
	hosts, err := parsed(t, b.String()).Select([]string{"@rack=7", "host-3"}, false)
	if err != nil || len(hosts) != 39 || hosts[38].Name != "host-1487" || hosts[0].Jump[0] != "gate" {
		t.Errorf("%d hosts, %v", len(hosts), err)
	}
}
