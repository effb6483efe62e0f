package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
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
	boot := func(size int) string {
		return fmt.Sprintf(`exec /bin/sh -c '`+
			`(i=300; while kill -0 $$ && [ $i -gt 0 ]; do sleep 1; i=$((i-1)); done; kill $$) >/dev/null 2>&1 & `+
			`LC_ALL=C; while read -r l || exit; do case $l in davit-k3v9) break ;; esac; done; `+
			`if t=$(dd bs=%d count=1 iflag=fullblock 2>/dev/null); then fullblock=yes; else `+
			`fullblock=no; n=$(printf "\n."); n=${n%%.}; t=; `+
			`while IFS= read -r l || exit; do t=$t$l$n; case $l in davit-k3v9) break ;; esac; done; t=${t%%$n}; fi; `+
			`case $t in *davit-k3v9) eval "${t%%davit-k3v9}" ;; esac'`, size)
	}
	second := "kill $!\nsentinel=davit-k3v9\nseconds=300\nname='it'\"'\"'s me'\necho \"$name\"\ndavit-k3v9\n"
	first := "kill $!\nsentinel=davit-k3v9\nseconds=300\nnext=" + Quote(boot(len(second))) + "\nexec /bin/sh -c \"$next\"\ndavit-k3v9\n"
	if command != boot(len(first)) {
		t.Errorf("command\n%s\nwant\n%s", command, boot(len(first)))
	}
	want := padding + "davit-k3v9\n" + first + "hunter2\n" + padding + "davit-k3v9\n" + second
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
	posix := t.TempDir() // with a dd that knows nothing beyond POSIX
	if err := os.WriteFile(posix+"/dd", []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	command, stdin := Script{Body: "echo ran\necho to the end $fullblock\ncat\n"}.start("davit-k3v9", 60)
	for path, fullblock := range map[string]string{"": "yes", posix + ":": "no"} {
		for _, missing := range []int{0, 2, len("davit-k3v9\n"), len("cat\ndavit-k3v9\n"), len(stdin)} {
			cmd := exec.Command("/bin/sh", "-c", command)
			cmd.Env = append(os.Environ(), "PATH="+path+os.Getenv("PATH"))
			cmd.Stdin = bytes.NewReader(stdin[:len(stdin)-missing])
			want := ""
			if missing == 0 {
				cmd.Stdin = io.MultiReader(cmd.Stdin, strings.NewReader("what follows\n"))
				want = "ran\nto the end " + fullblock + "\nwhat follows\n"
			}
			out, _ := cmd.Output() // how a shell without a script ends is its own business
			if string(out) != want {
				t.Errorf("without the last %d bytes: %q, want %q", missing, out, want)
			}
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
