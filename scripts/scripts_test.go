package scripts

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
)

var update = flag.Bool("update", false, "write the golden files anew")

// whole are the scripts as they travel, with values that a careless quoter would trip over.
func whole() map[string]host.Script {
	install := Install(Place{Dir: "~/it's $HOME"}, Release{
		Name: "worker", SHA256: strings.Repeat("0123456789abcdef", 4), Size: 104857600, Keep: 5,
		Random: "k3v9", Holder: "vince@laptop", Line: `{"who":"vince@laptop","operation":"install"`,
	}, nil)
	place := Place{Dir: "~/it's $HOME"}
	return map[string]host.Script{
		"install":  install,
		"start":    Operate("start", place, Release{Name: "worker", Keep: 5, Random: "k3v9", Holder: "vince@laptop"}, Life{Grace: 10}),
		"show":     Show(place, Query{What: Status, Name: "worker"}),
		"confirm":  Confirm(place, "worker", "k3v9", "commit"),
		"question": Question("echo hello"),
		"check":    Check(Place{System: true}),
		"elevate":  *AsRoot(install, "hunter2").Through,
	}
}

func TestTheBytesThatTravelArePinned(t *testing.T) {
	for name, script := range whole() {
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(script.Text()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), script.Text()); diff != "" {
			t.Errorf("%s: what travels has changed; if that is meant, run go test ./scripts -update\n%s", name, diff)
		}
	}
}

func TestEveryFileIsPOSIX(t *testing.T) {
	files, err := filepath.Glob("*.sh")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	texts := map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	for name, script := range whole() {
		texts[name+" as it travels"] = script.Sent()
	}
	for name, text := range texts {
		parser := syntax.NewParser(syntax.Variant(syntax.LangPOSIX))
		if _, err := parser.Parse(strings.NewReader(text), name); err != nil {
			t.Errorf("POSIX: %v", err)
		}
	}
}

// The printer has the last word on what is the same.
func TestWhatTravelsIsTheScriptWithoutItsComments(t *testing.T) {
	printed := func(text string) string {
		t.Helper()
		file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), "")
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := syntax.NewPrinter(syntax.Minify(true)).Print(&b, file); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for name, script := range whole() {
		if diff := cmp.Diff(printed(script.Text()), printed(script.Sent())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if strings.Contains(script.Sent(), "\n# ") || strings.Contains(script.Sent(), "\n\n") {
			t.Errorf("%s has comments, or empty lines, when it travels", name)
		}
	}
}

func TestEveryShellTakesEveryScript(t *testing.T) {
	for _, shell := range [][]string{{"sh"}, {"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		t.Run(shell[0], func(t *testing.T) {
			testhost.Need(t, shell[0])
			for name, script := range whole() {
				cmd := exec.Command(shell[0], append(slices.Clone(shell[1:]), "-n")...)
				cmd.Stdin = strings.NewReader(script.Sent())
				if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
					t.Errorf("%s: %v %s", name, err, out)
				}
			}
		})
	}
}

func TestShellcheckHasNothingToSay(t *testing.T) {
	shellcheck := testhost.Need(t, "shellcheck")
	for name, script := range whole() {
		// A script is checked as it travels, where its variables have values, which may look odd. Unused ones are
		// for another file, and a function may be called by what is passed to beside.
		cmd := exec.Command(shellcheck, "--shell=sh", "--exclude=SC2034,SC2317,SC2154,SC2088,SC2016", "-")
		cmd.Stdin = strings.NewReader(script.Text())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestThePasswordIsInNoScript(t *testing.T) {
	script := AsRoot(Check(Place{System: true}), "hunter2")
	for _, text := range []string{script.Text(), script.Sent(), script.Through.Text(), script.Through.Sent()} {
		if strings.Contains(text, "hunter2") {
			t.Error("the password stands in a script's text")
		}
	}
	if script.Through.Secret != "hunter2" || !bytes.Contains([]byte(script.Through.Text()), []byte("password=yes")) {
		t.Error("the password does not follow the script")
	}
}
