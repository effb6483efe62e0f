package service

import (
	"encoding/xml"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestAListOfLaunchdIsPinned(t *testing.T) {
	t.Parallel()
	testGolden(t, Launchd, "user", "system")
}

// TestAListOfLaunchdIsWellFormed reads it as XML, and as a Mac does where there is one.
func TestAListOfLaunchdIsWellFormed(t *testing.T) {
	t.Parallel()
	for _, spec := range []Spec{{}, full(Launchd)} {
		d, err := Define(Launchd, spec, places()["system"])
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for in := xml.NewDecoder(strings.NewReader(string(d.Unit))); ; {
			token, err := in.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, d.Unit)
			}
			if text, is := token.(xml.CharData); is {
				texts = append(texts, string(text))
			}
		}
		for _, arg := range spec.Args {
			if arg != "" && !slices.Contains(texts, arg) {
				t.Errorf("%q is not in %q", arg, texts)
			}
		}
		if plutil, err := exec.LookPath("plutil"); err == nil {
			cmd := exec.Command(plutil, "-lint", "-")
			cmd.Stdin = strings.NewReader(string(d.Unit))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, out, d.Unit)
			}
		}
	}
}

// TestTheShellOfLaunchdBecomesTheDaemon runs what the list has launchd run.
func TestTheShellOfLaunchdBecomesTheDaemon(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	spec := full(Launchd)
	spec.User, spec.WorkingDir, spec.Limits = "", "", map[string]string{"core": "0", "nofile": "64:128"}
	p := Place{Name: "worker", User: "me", Home: base, Base: base}
	d, err := Define(Launchd, spec, p)
	if err != nil {
		t.Fatal(err)
	}
	limits, err := spec.shellLimits()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, base+"/service/env", string(d.Env))
	writeFile(t, base+"/pending", "echo undone; exit 7\n")
	args := append([]string{
		"-c", spec.launchdProgram(p, limits), base, "/bin/sh", "-c",
		`pwd; ulimit -Sn; ulimit -Hn; printf '%s|' "$GREETING" "$LINES" "$TOKEN" "$@"`, "worker",
	}, spec.Args...)
	out, err := exec.Command("/bin/sh", args...).CombinedOutput()
	want := "undone\n" + base + "\n64\n128\nit's \"$HOME\" `id` \\|a\nb\n|hunter2|" + strings.Join(spec.Args, "|") + "|"
	if string(out) != want || err != nil {
		t.Errorf("%v: got %q, want %q", err, out, want)
	}
}

func TestWhatLaunchdCannotExpressIsRefused(t *testing.T) {
	t.Parallel()
	refusals{
		"an argument that is not UTF-8":        {Spec{Args: []string{"\xff"}}, "no property list"},
		"an argument with a control character": {Spec{Args: []string{"\x1b"}}, "no property list"},
		"a limit of systemd":                   {Spec{Limits: map[string]string{"msgqueue": "1"}}, "no limit"},
		"an order":                             {Spec{After: []string{"a"}}, "no order"},
		"hardening":                            {Spec{Hardening: map[string]string{"UMask": "0027", "PrivateTmp": ""}}, "hardening UMask"},
	}.test(t, Launchd, "user")
}
