package service

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// full is a Spec that has everything, as far as the kind can have it, with values that a careless quoter would trip over.
func full(kind Kind) Spec {
	s := Spec{
		Args:       []string{"-addr", ":8080", "", "it's 100% \"$HOME\"\n", `a\b;`, ";"},
		Env:        []string{"GREETING=it's \"$HOME\" `id` \\", "LINES=a\nb\n"},
		Secrets:    []string{"TOKEN=hunter2"},
		User:       "me",
		WorkingDir: "/srv/it's 100% data",
		Restart:    Always,
		After:      []string{"postgresql"},
		Limits:     map[string]string{"nofile": "65536", "core": "0", "memlock": "unlimited", "stack": "8M:unlimited"},
		Hardening:  map[string]string{"PrivateTmp": "", "UMask": "0027", "ProtectSystem": "strict"},
		Lines:      []string{"Nice=5"},
		Stop:       30 * time.Second,
	}
	if kind != Systemd {
		s.Hardening = nil
	}
	if kind == Launchd {
		s.After, s.Lines = nil, []string{"<key>Nice</key>", "<integer>5</integer>"}
	}
	return s
}

// places are those that a definition may be for.
func places() map[string]Place {
	return map[string]Place{
		"user":   {Name: "worker", User: "me", Home: "/home/me", Base: "/home/me/.local/share/davit/worker"},
		"system": {Name: "worker", System: true, User: "me", Home: "/home/me", Base: "/opt/davit/worker"},
	}
}

// testGolden pins what a kind makes of no wishes and of many, in each of the scopes.
func testGolden(t *testing.T, kind Kind, scopes ...string) {
	t.Helper()
	for _, scope := range scopes {
		for wishes, spec := range map[string]Spec{"plain": {}, "full": full(kind)} {
			d, err := Define(kind, spec, places()[scope])
			if err != nil {
				t.Fatal(err)
			}
			if d.Kind != kind || !strings.Contains(string(d.Unit), Mark("worker")) {
				t.Errorf("%s, %s: it is of kind %q and has no mark: %s", scope, wishes, d.Kind, d.Unit)
			}
			if strings.Contains(string(d.Unit), "hunter2") {
				t.Errorf("%s, %s: the secret stands in the description", scope, wishes)
			}
			name := strings.Join([]string{string(kind), scope, wishes}, "-")
			golden(t, name+".golden", d.Unit)
			golden(t, name+"-env.golden", d.Env)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: it is another; if that is meant, run go test ./service -update\n%s", name, diff)
	}
}

// refusals are settings that a kind cannot express, each with what is said of it.
type refusals map[string]struct {
	spec Spec
	want string
}

func (cases refusals) test(t *testing.T, kind Kind, scope string) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := Define(kind, c.spec, places()[scope]); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want something with %q", err, c.want)
			}
		})
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	refusals{
		"a stop in the past":        {Spec{Stop: -1}, "more than 0"},
		"another restart":           {Spec{Restart: "sometimes"}, "unknown restart"},
		"an entry without a name":   {Spec{Env: []string{"=x"}}, "entry 1"},
		"a name twice":              {Spec{Env: []string{"A=1"}, Secrets: []string{"A=2"}}, "A twice"},
		"a relative directory":      {Spec{WorkingDir: "data"}, "must begin with"},
		"a limit in words":          {Spec{Limits: map[string]string{"nofile": "many"}}, "must be a number"},
		"a limit's name":            {Spec{Limits: map[string]string{"no-file": "1"}}, "no name of a resource limit"},
		"a directive in two lines":  {Spec{Hardening: map[string]string{"UMask": "1\nExecStart=x"}}, "control character"},
		"a directive with a name":   {Spec{Hardening: map[string]string{"a=b": "1"}}, "no directive"},
		"an argument with a NUL":    {Spec{Args: []string{"a\x00"}}, "NUL"},
		"a line that is two":        {Spec{Lines: []string{"A=b\n[Install]"}}, "control character"},
		"a user with a line's end":  {Spec{User: "me\nroot"}, "control character"},
		"a user that is two fields": {Spec{User: "me root"}, "no name of a user"},
	}.test(t, Systemd, "system")
	if _, err := Define("upstart", Spec{}, Place{}); err == nil {
		t.Error("a kind that there is not")
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
