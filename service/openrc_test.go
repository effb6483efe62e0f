package service

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/davit-sh/davit/internal/testhost"
)

func TestAScriptOfOpenRCIsPinned(t *testing.T) {
	t.Parallel()
	testGolden(t, OpenRC, "system")
}

func TestEveryShellTakesAScriptOfOpenRC(t *testing.T) {
	t.Parallel()
	for _, shell := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		testhost.Need(t, shell[0])
		for _, spec := range []Spec{{}, full(OpenRC)} {
			d, err := Define(OpenRC, spec, places()["system"])
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(shell[0], append(shell[1:], "-n")...)
			cmd.Stdin = strings.NewReader(string(d.Unit))
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v %s\n%s", shell[0], err, out, d.Unit)
			}
		}
	}
}

func TestWhatOpenRCCannotExpressIsRefused(t *testing.T) {
	t.Parallel()
	refusals{
		"a variable of the shell":  {Spec{Env: []string{"IFS=x"}}, "one of its own"},
		"a limit of systemd":       {Spec{Limits: map[string]string{"msgqueue": "1"}}, "no limit"},
		"a limit that is too much": {Spec{Limits: map[string]string{"as": "9999999999G"}}, "neither a number"},
		"a service in two words":   {Spec{After: []string{"a b"}}, "no name of a service"},
		"hardening":                {Spec{Hardening: map[string]string{"UMask": "0027", "PrivateTmp": ""}}, "hardening UMask"},
	}.test(t, OpenRC, "system")
}

func TestALimitIsCountedInWhatTheShellCounts(t *testing.T) {
	t.Parallel()
	limits := map[string]string{"nofile": "64:128", "core": "1000", "memlock": "8M:unlimited", "nproc": "7"}
	got, err := Spec{Limits: limits}.shellLimits()
	want := "ulimit -c 2\nulimit -l unlimited\nulimit -Sl 8192\nulimit -n 128\nulimit -Sn 64\n" +
		"{ ulimit -u 7 2>/dev/null || ulimit -p 7; }"
	if strings.Join(got, "\n") != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
