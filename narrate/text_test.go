package narrate

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A test for each of the rules at the top of text.go.
func TestTextKeepsItsRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options TextOptions
		event   Event
		want    string // "" for no line
	}{
		{"narration stands at the margin", TextOptions{}, Event{Kind: Narration, Message: "📤 Copying"}, "📤 Copying\n"},
		{"one event is one line", TextOptions{}, Event{Kind: Narration, Message: "one\ntwo\r\nthree\u2028four"}, "one␊two␍␊three\uFFFDfour\n"},
		{"narration without words is no line", TextOptions{}, Event{Kind: Narration}, ""},
		{"output stands behind a rail", TextOptions{}, Event{Kind: Output, Message: "hello"}, "  │ hello\n"},
		{"an empty line of output is one", TextOptions{}, Event{Kind: Output}, "  │ \n"},
		{"progress is never a line", TextOptions{}, Event{Kind: Progress, Message: "5 of 6"}, ""},
		{"a state is never a line", TextOptions{}, Event{Kind: State, Message: "a → b"}, ""},
		{"the end is never a line", TextOptions{}, Event{Kind: End, Level: Error, Message: "failed"}, ""},
		{"control characters are shown", TextOptions{}, Event{Kind: Output, Message: "a\x1b]0;title\ab\x00"}, "  │ a␛]0;title␇b␀\n"},

		{"warnings are yellow", TextOptions{Color: true}, Event{Kind: Narration, Level: Warn, Message: "m"}, "\x1b[33mm\x1b[0m\n"},
		{"errors are red", TextOptions{Color: true}, Event{Kind: Narration, Level: Error, Message: "m"}, "\x1b[31mm\x1b[0m\n"},
		{"the rest of narration has no colour", TextOptions{Color: true}, Event{Kind: Narration, Level: Info, Message: "m"}, "m\n"},
		{"output is dim", TextOptions{Color: true}, Event{Kind: Output, Message: "m"}, "\x1b[2m  │ m\x1b[0m\n"},
		{"without colour there is none", TextOptions{}, Event{Kind: Narration, Level: Error, Message: "m"}, "m\n"},

		{"plain text has no emoji", TextOptions{Plain: true}, Event{Kind: Narration, Message: "⏱️  Install daemon (timeout: 300s)"}, "Install daemon (timeout: 300s)\n"},
		{"plain text has ASCII of our own", TextOptions{Plain: true}, Event{Kind: Narration, Message: "✅ a → b … " + Mask}, "a -> b ... ***\n"},
		{"plain text leaves names as they are", TextOptions{Plain: true}, Event{Kind: Narration, Message: "📁 Creating /home/zoë"}, "Creating /home/zoë\n"},
		{"plain output has a plain rail", TextOptions{Plain: true}, Event{Kind: Output, Message: "✅ → as it came"}, "  | ✅ → as it came\n"},

		{"hosts stand in front", TextOptions{HostWidth: 6}, Event{Kind: Narration, Host: "pi", Message: "m"}, "pi     │ m\n"},
		{"a long host moves its line", TextOptions{HostWidth: 2}, Event{Kind: Output, Host: "gpu-1", Message: "m"}, "gpu-1 │   │ m\n"},
		{"hosts cannot steer a terminal", TextOptions{HostWidth: 2, Plain: true}, Event{Kind: Narration, Host: "\x1bc", Message: "m"}, "␛c | m\n"},

		{"quiet drops narration", TextOptions{Quiet: true}, Event{Kind: Narration, Level: Info, Message: "m"}, ""},
		{"quiet drops output", TextOptions{Quiet: true}, Event{Kind: Output, Level: Info, Message: "m"}, ""},
		{"quiet keeps warnings", TextOptions{Quiet: true}, Event{Kind: Narration, Level: Warn, Message: "m"}, "m\n"},
		{"quiet keeps errors", TextOptions{Quiet: true}, Event{Kind: Narration, Level: Error, Message: "m"}, "m\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var w writes
			if err := NewText(&w, c.options).Emit(c.event); err != nil {
				t.Fatal(err)
			}
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			if !slices.Equal(w.all, want) {
				t.Errorf("wrote %q, want %q in one write", w.all, want)
			}
		})
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"plain text stays", "a\tb é 📤", "a\tb é 📤"},
		{"colours are dropped", "\x1b[1;31mred\x1b[0m \x1b[38:2:1:2:3mrgb\x1b[m", "red rgb"},
		{"other sequences are shown", "\x1b[2Jgone\x1b[1A", "␛[2Jgone␛[1A"},
		{"a colour sequence without an end is shown", "\x1b[1;31", "␛[1;31"},
		{"a colour sequence that is too long is shown", "\x1b[" + strings.Repeat("1", 40) + "m", "␛[" + strings.Repeat("1", 40) + "m"},
		{"C0 and DEL are shown", "\x00\a\b\x7f", "␀␇␈␡"},
		{"C1 is shown", "\u0085\u009b2J", "\uFFFD\uFFFD2J"},
		{"C1 as single bytes is shown", "\x9b2J\x85", "\uFFFD2J\uFFFD"},
		{"text that turns around is shown", "\u202Etxt.exe\u2069", "\uFFFDtxt.exe\uFFFD"},
		{"line and paragraph separators are shown", "a\u2028b\u2029c", "a\uFFFDb\uFFFDc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Visible(c.text); got != c.want {
				t.Errorf("Visible(%q) = %q, want %q", c.text, got, c.want)
			}
		})
	}
}

func FuzzVisible(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b[1mbold\x1b[0m", "\x1b\x1b[0m[2J", "\xe2\x80", "\u202e\u2066", "\x9b2J", "a\r\nb\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Visible(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, hidden) {
			t.Errorf("Visible(%q) = %q", text, got)
		}
		if again := Visible(got); again != got {
			t.Errorf("what is visible is not left alone: %q became %q", got, again)
		}
		if utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) && got != text {
			t.Errorf("Visible(%q) = %q: nothing was hidden", text, got)
		}
	})
}
