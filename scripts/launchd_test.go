package scripts

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/internal/testhost"
)

// The functions of launchd.sh run on a Mac only. Here it is read, as the other kinds are, and its understanding of
// what launchctl prints is tried.

func TestEveryShellTakesEveryKind(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"systemd.sh", "openrc.sh", "launchd.sh"} {
		for _, shell := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
			args := append(slices.Clone(shell[1:]), "-n", kind)
			if out, err := exec.Command(testhost.Need(t, shell[0]), args...).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %s: %v\n%s", shell[0], kind, err, out)
			}
		}
		shellcheck := exec.Command(testhost.Need(t, "shellcheck"), "--shell=sh", "--exclude=SC2034,SC2317,SC2154,SC2088,SC2016", kind)
		if out, err := shellcheck.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
	}
}

func TestWhatLaunchctlPrintsIsUnderstood(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("launchd.sh")
	if err != nil {
		t.Fatal(err)
	}
	const head = "gui/501/sh.davit.worker = {\n\tactive count = 1\n\ttype = LaunchAgent\n"
	for printed, want := range map[string]string{
		head + "\tstate = running\n\tpid = 4711\n\tlast exit code = (never exited)\n}": "running|4711|",
		head + "\tstate = not running\n\tlast exit code = 0\n}":                        "stopped||it ended with status 0",
		head + "\tstate = spawn scheduled\n\tlast exit code = 78: EX_CONFIG\n}":        "failed||it ended with status 78: EX_CONFIG",
		head + "\tstate = not running\n\tlast terminating signal = Killed: 9\n}":       "failed||it was ended by signal Killed: 9",
		head + "\tstate = not running\n\tlast exit code = (never exited)\n}":           "stopped||",
		"": "stopped||",
	} {
		script := "scope=user HOME=/Users/me name=worker\nnewline='\n'\n" + string(text) + `
uid=501
launchctl() {
	case $* in
	"print gui/501") ;;
	"print gui/501/sh.davit.worker") [ -n "$PRINTED" ] && printf '%s' "$PRINTED" ;;
	*) exit 9 ;;
	esac
}
launchd_look && printf '%s|%s|%s' "$state" "$pid" "$why"
`
		cmd := exec.Command("/bin/sh", "-uc", script)
		cmd.Env = append(os.Environ(), "PRINTED="+printed)
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s\nis said to be %q (%v), want %q", printed, out, err, want)
		}
	}
}
