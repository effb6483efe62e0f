package build

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/narrate"
)

func TestTheLineThatCounts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, printed, want string
	}{
		{"of rustc", "   Compiling error-chain v0.1\nwarning: unused\nerror[E0425]: cannot find\n --> src/main.rs:2:5\nerror: could not compile", "error[E0425]: cannot find"},
		{"of cargo", "error: no matching package\nperhaps you meant", "error: no matching package"},
		{"of the go command", "go: downloading x v1\n# example.com/worker\n./main.go:4:2: undefined: nothing\ntoo many errors", "./main.go:4:2: undefined: nothing"},
		{"of cc", "In file included from a.h\nmain.c:3:1: warning: no\nmain.c:4:1: error: yes\nmake: *** [x] Error 1", "main.c:4:1: error: yes"},
		{"of cc for a header", "main.c:1:10: fatal error: foo.h: No such file", "main.c:1:10: fatal error: foo.h: No such file"},
		{"of ld", "/usr/bin/ld: main.o: in function `main':\nmain.c:(.text+0xa): undefined reference to `foo'\ncollect2: error: ld returned 1", "main.c:(.text+0xa): undefined reference to `foo'"},
		{"the last one, of others", "doing\n  it broke  \n\n", "it broke"},
		{"none", "\n \n", ""},
		{"cut where it is long", "error: " + strings.Repeat("ä", 1000), "error: " + strings.Repeat("ä", 293) + "…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var all tail
			for line := range strings.SplitSeq(tc.printed, "\n") {
				if err := all.Emit(narrate.Event{Kind: narrate.Output, Message: line}); err != nil {
					t.Fatal(err)
				}
			}
			if line, kept := all.said(); line != tc.want || strings.Join(kept, "\n") != tc.printed {
				t.Errorf("got %q, kept %q", line, kept)
			}
		})
	}
}

func TestOnlyTheLastLinesAreKept(t *testing.T) {
	t.Parallel()
	var all tail
	want := []string{}
	for i := 1; i <= 1000; i++ {
		line := fmt.Sprint("line ", i)
		for _, e := range []narrate.Event{{Kind: narrate.Output, Message: line}, {Kind: narrate.Progress}, {Kind: narrate.Narration, Level: narrate.Warn}} {
			if err := all.Emit(e); err != nil {
				t.Fatal(err)
			}
		}
		if i > 1000-tailLines {
			want = append(want, line)
		}
	}
	line, kept := all.said()
	if line != "line 1000" || !slices.Equal(kept, want) || cap(all.lines) > 4*tailLines {
		t.Errorf("%q; kept %q of room for %d", line, kept, cap(all.lines))
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path string
		host artifact.Platform
		want string // "" if it is refused
	}{
		{"bin/worker", platform("amd64"), "bin/worker"},
		{"{os}/{arch}/{libc}/{os}", platform("amd64"), "linux/amd64/glibc/linux"},
		{"w-{arch}", artifact.Platform{OS: "linux", Arch: "amd64", LongBit: "32"}, "w-386"},
		{"w{libc}", artifact.Platform{OS: "darwin", Arch: "arm64"}, "w"},
		{"{os", platform("amd64"), "{os"},
		{"{Os}", platform("amd64"), ""},
		{"{os}-{version}", platform("amd64"), ""},
		{"{}", platform("amd64"), ""},
		{"{ os }", platform("amd64"), ""},
	} {
		if err := checkPlaceholders(tc.path); (err == nil) != (tc.want != "") {
			t.Errorf("%s: %v", tc.path, err)
		}
		if got := fill(tc.path, tc.host); tc.want != "" && got != tc.want {
			t.Errorf("%s: %q", tc.path, got)
		}
	}
}

func TestTheEnvironmentOfWhatIsRun(t *testing.T) {
	t.Setenv("DAVIT_TEST_A", "ours")
	t.Setenv("DAVIT_TEST_B", "ours")
	r := Recipe{Dir: "/the/source", Env: []string{"DAVIT_TEST_B=first", "DAVIT_TEST_B=second=last", "DAVIT_TEST_C="}}
	env := environment(r, "DAVIT_TEST_D=added")
	for name, want := range map[string]string{"DAVIT_TEST_A": "ours", "DAVIT_TEST_B": "second=last", "DAVIT_TEST_C": "", "DAVIT_TEST_D": "added", "PWD": "/the/source"} {
		if got, ok := lookupEnv(env, name); got != want || !ok {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got, ok := lookupEnv(env, "DAVIT_TEST"); ok || got != "" {
		t.Errorf("it is %q", got)
	}
	if got := r.env("DAVIT_TEST_B"); got != "second=last" {
		t.Errorf("it is %q", got)
	}
}
