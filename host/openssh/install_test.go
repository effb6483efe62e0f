//go:build linux

package openssh_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// daemon returns the path of an executable of about 4 MiB.
func daemon(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker")
	text := "#!/bin/sh\necho at work\nexit\n" + strings.Repeat("what nobody reads\n", 4<<20/18)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestADaemonIsInstalledThroughTheProgram(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]testhost.Option{"an ordinary user": testhost.Ordinary, "root": testhost.Root} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jump, h := testhost.Start(t), testhost.Start(t, login)
			config := jump.Block("jump") + h.Block("direct") + h.Block("behind", "ProxyJump jump")
			ctx, _ := told(t)
			binary := daemon(t)
			for i, alias := range []string{"behind", "direct"} {
				r, err := davit.Install(ctx, open(t, alias, config), davit.InstallOptions{Binary: binary})
				if err != nil {
					t.Fatal(err)
				}
				if first := i == 0; first != (r.Sent > 0) {
					t.Errorf("%s: sent %d bytes", alias, r.Sent)
				}
			}
			if got := h.Run(".local/bin/worker"); got != "at work\n" {
				t.Errorf("it says %q", got)
			}
		})
	}
}

// victimEnv makes a client of the test binary, which is to be killed: ssh_config, program and
// executable, by lines.
const victimEnv = "DAVIT_OPENSSH_VICTIM"

// TestVictim is no test by itself.
func TestVictim(t *testing.T) {
	args := strings.Split(os.Getenv(victimEnv), "\n")
	if len(args) != 3 {
		t.Skip("only run by TestAKilledClientLeavesNothing")
	}
	far, err := openssh.New("x", openssh.Options{ConfigFile: args[0], Program: args[1], Prompt: func(ctx context.Context, _ string) (string, error) {
		fmt.Println("victim asking")
		<-ctx.Done()
		return "", context.Cause(ctx)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := narrate.WithNarrator(context.Background(), narrate.New(narrate.SinkFunc(func(e narrate.Event) error {
		_, err := fmt.Println("victim", e.Action)
		return err
	})))
	_, err = davit.Install(ctx, far, davit.InstallOptions{Binary: args[2]})
	t.Fatalf("it was not killed: %v", err)
}

func TestAKilledClientLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"connecting", "asking", "probe", "copying"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t)
			if at == "asking" {
				encrypt(t, h.IdentityFile, "secret")
			}
			link := testhost.NewLink(t, h.Addr, testhost.Link{Rate: 256 << 10})
			program, last := noting(t)
			victim := exec.Command(os.Args[0], "-test.run=^TestVictim$")
			temp, err := os.MkdirTemp("", "dv") // a killed program cannot remove its folder
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(temp) })
			victim.Env = append(os.Environ(), "TMPDIR="+temp, victimEnv+"="+strings.Join([]string{write(t, h.Via(link.Addr()).Block("x")), program, daemon(t)}, "\n"))
			stdout, err := victim.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			for lines.Scan() && lines.Text() != "victim "+at {
			}
			if at == "connecting" {
				testhost.Eventually(t, "the program runs", func() bool { return h.Connections() > 0 })
			}
			victim.Process.Kill()
			victim.Wait()
			gone(t, last())
			testhost.Eventually(t, "nothing of ours runs on the host", func() bool { return len(h.Processes("")) == 0 && h.Connections() == 0 })
			if at == "asking" {
				return
			}
			left := strings.Fields(h.Run("find .local -type f -o -type l 2>/dev/null; true"))
			if slices.ContainsFunc(left, func(name string) bool { return !strings.HasSuffix(name, "/log.jsonl") }) {
				t.Errorf("left on the host: %q", left)
			}
		})
	}
}

// The program must not hear of a Ctrl-C, which is ours to answer.
func TestTheProgramHasASessionOfItsOwn(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	program, last := noting(t)
	if err := connect(t, open(t, "x", h.Block("x"), func(o *openssh.Options) { o.Program = program })); err != nil {
		t.Fatal(err)
	}
	group, err := syscall.Getpgid(last())
	if err != nil || group != last() {
		t.Errorf("its group is %d, %v; its process %d", group, err, last())
	}
}
