package host

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/deadline"
)

func TestTheCommandIsTheSameForEveryLoginShell(t *testing.T) {
	s := Script{
		Name: "greet", Vars: []Var{{"name", "it's me"}}, Body: "echo \"$name\"\n",
		Through: &Script{Name: "first", Body: "exec /bin/sh -c \"$next\"\n", Secret: "hunter2"},
	}
	command, stdin := s.start("davit-k3v9", 300)
	boot := `exec /bin/sh -c '` +
		`(i=300; while kill -0 $$ && [ $i -gt 0 ]; do sleep 1; i=$((i-1)); done; kill $$) >/dev/null 2>&1 & ` +
		`while read -r l || exit; do case $l in davit-k3v9) break ;; esac; done; n=$(printf "\n."); n=${n%.}; t=; ` +
		`while IFS= read -r l || exit; do case $l in davit-k3v9) break ;; esac; t=$t$l$n; done; eval "$t"'`
	if command != boot {
		t.Errorf("command\n%s\nwant\n%s", command, boot)
	}
	first := "kill $!\nsentinel=davit-k3v9\nseconds=300\nnext=" + Quote(boot) + "\nexec /bin/sh -c \"$next\"\n"
	second := "kill $!\nsentinel=davit-k3v9\nseconds=300\nname='it'\"'\"'s me'\necho \"$name\"\n"
	want := padding + "davit-k3v9\n" + first + "davit-k3v9\nhunter2\n" + padding + "davit-k3v9\n" + second + "davit-k3v9\n"
	if string(stdin) != want {
		t.Errorf("stdin\n%s\nwant\n%s", stdin, want)
	}
	for _, odd := range []string{"\n", `\\`, `\'`, "!"} {
		if strings.Contains(command, odd) {
			t.Errorf("the command has %q, which login shells read differently", odd)
		}
	}
}

func TestAScriptThatIsCutShortIsNotRun(t *testing.T) {
	t.Parallel()
	command, stdin := Script{Body: "echo ran\necho to the end\n"}.start("davit-k3v9", 60)
	for _, missing := range []int{0, 1, len("davit-k3v9\n"), len("echo to the end\ndavit-k3v9\n"), len(stdin)} {
		cmd := exec.Command("/bin/sh", "-c", command)
		cmd.Stdin = bytes.NewReader(stdin[:len(stdin)-missing])
		out, _ := cmd.Output() // how a shell without a script ends is its own business
		want := ""
		if missing == 0 {
			want = "ran\nto the end\n"
		}
		if string(out) != want {
			t.Errorf("without the last %d bytes: %q, want %q", missing, out, want)
		}
	}
}

func TestAScriptIsToldTheTimeThatRemains(t *testing.T) {
	if got := remaining(t.Context()); got != int(DefaultLimit.Seconds()) {
		t.Errorf("without a limit: %d", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if got := remaining(ctx); got != 60 {
		t.Errorf("with a context of a minute: %d", got)
	}
	err := deadline.Run(ctx, deadline.Limit{Label: "Test", After: 20 * time.Second}, func(ctx context.Context) error {
		if got := remaining(ctx); got != 20 { // clean-up is a part of the limit, and the host's too
			t.Errorf("with a limit of 20 s: %d", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "plain", "it's", "a b", "$HOME `id` $(id)", "\n", "\\", "!", "-n", "~", "*", "\xff\xfe", "a\x00b", "'\"'", "é 📦"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) > 64<<10 {
			t.Skip("longer than an argument may be")
		}
		out, err := exec.Command("/bin/sh", "-c", "v="+Quote(value)+"; printf %s:%s. \"$v\" "+Quote(value)).Output()
		value = strings.ReplaceAll(value, "\x00", "")
		if want := value + ":" + value + "."; err != nil || string(out) != want {
			t.Errorf("%q became %q (%v)", want, out, err)
		}
	})
}
