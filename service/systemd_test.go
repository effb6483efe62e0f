package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-sh/davit/internal/testhost"
)

func TestAUnitOfSystemdIsPinned(t *testing.T) {
	t.Parallel()
	testGolden(t, Systemd, "user", "system")
}

// TestSystemdTakesOurUnits asks systemd itself. Its figure for the exposure of a daemon goes from 0, safest,
// to 10; one without any hardening has 9.6.
func TestSystemdTakesOurUnits(t *testing.T) {
	t.Parallel()
	analyze := testhost.Need(t, "systemd-analyze")
	for scope, place := range places() {
		for wishes, spec := range map[string]Spec{"plain": {}, "full": full(Systemd)} {
			dir := t.TempDir()
			place.Base = filepath.Join(dir, `it's 100% "here"`, "worker")
			program := filepath.Join(place.Base, "current", "worker")
			if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			spec.After = nil // what is not on this machine is complained of
			d, err := Define(Systemd, spec, place)
			if err != nil {
				t.Fatal(err)
			}
			unit := filepath.Join(dir, "worker.service")
			if err := os.WriteFile(unit, d.Unit, 0o644); err != nil {
				t.Fatal(err)
			}
			args := []string{"--man=no", "verify", unit}
			if scope == "user" {
				args = append([]string{"--user"}, args...)
			}
			cmd := exec.Command(analyze, args...)
			cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s, %s: %v\n%s\n%s", scope, wishes, err, out, d.Unit)
			}
			security, err := exec.Command(analyze, "security", "--offline=yes", "--no-pager", unit).CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(security)), "\n")
			t.Logf("%s, %s: %s (%v)", scope, wishes, lines[len(lines)-1], err)
		}
	}
}

func TestWhatSystemdCannotExpressIsRefused(t *testing.T) {
	t.Parallel()
	refusals{
		"an argument that is not UTF-8":    {Spec{Args: []string{"\xff"}}, "argument 1 is not UTF-8"},
		"a value that is not UTF-8":        {Spec{Secrets: []string{"TOKEN=hunter2\xff"}}, "the value of TOKEN is not UTF-8"},
		"a value with a control character": {Spec{Env: []string{"COLOR=\x1b[m"}}, "the value of COLOR has a control character"},
		"a limit that it does not know":    {Spec{Limits: map[string]string{"patience": "1"}}, `no limit "patience"`},
		"a service that can have no name":  {Spec{After: []string{"a b"}}, "no name of a unit"},
		"a service that is filled in":      {Spec{After: []string{"%i"}}, "no name of a unit"},
		"a directive that does not end":    {Spec{Hardening: map[string]string{"UMask": `0027\`}}, "ends in a backslash"},
		"a user in the scope of one's own": {Spec{User: "other"}, "runs as me"},
	}.test(t, Systemd, "user")
}

func TestAServiceOfSystemdHasItsTypeInItsName(t *testing.T) {
	t.Parallel()
	d, err := Define(Systemd, Spec{After: []string{"postgresql", "docker.socket", "a.b"}}, places()["user"])
	if err != nil || !strings.Contains(string(d.Unit), "\nAfter=postgresql.service docker.socket a.b.service\nWants=postgresql.service docker.socket a.b.service\n") {
		t.Errorf("%v: %s", err, d.Unit)
	}
}
