package davit_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/local"
	"github.com/davit-sh/davit/internal/testhost"
)

// wordy writes an executable of about size bytes that says what and can be compressed.
func wordy(t testing.TB, what string, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker")
	text := "#!/bin/sh\necho " + what + "\nexit\n" + strings.Repeat("nothing\n", size/8)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// tool returns a directory that everybody may enter, with a shell script of that name in it.
func tool(t *testing.T, name, body string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestThisMachineIsAHostToo(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	h := local.New()
	defer h.Close()
	ctx, _ := told(t)
	one := program(t, "here", 100)
	r, err := davit.Install(ctx, h, davit.InstallOptions{Binary: one, Dir: "~/odd dir/it's"})
	if err != nil {
		t.Fatal(err)
	}
	if want := home + "/odd dir/it's/worker/releases/" + id(t, one) + "/worker"; r.Path != want {
		t.Errorf("path %s, want %s", r.Path, want)
	}
	if out, err := exec.Command(r.Link).Output(); string(out) != "here\n" {
		t.Errorf("it says %q, %v", out, err)
	}
}

// allow lets the host's user become root by the rule, with the password "right horse".
func allow(t *testing.T, h *testhost.Host, rule string) {
	t.Helper()
	file := "/etc/sudoers.d/" + h.User
	if err := os.WriteFile(file, []byte(h.User+" ALL=(ALL) "+rule+"\n"), 0o440); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(file) })
	cmd := exec.Command("chpasswd")
	cmd.Stdin = strings.NewReader(h.User + ":right horse\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("chpasswd: %v: %s", err, out)
	}
}

// crowded is a host on which scripts share their process group with the server, as dropbear's do.
type crowded struct{ host.Host }

func (c crowded) Exec(ctx context.Context, command string) (host.Process, error) {
	return c.Host.Exec(ctx, "/bin/sh -c "+host.Quote(command)+"; echo >~/server-lives")
}

func TestAServerInOurProcessGroupIsNotEnded(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	h := local.New()
	defer h.Close()
	ctx, _ := told(t)
	if _, err := davit.Install(ctx, crowded{h}, davit.InstallOptions{Binary: program(t, "here", 100)}); err != nil {
		t.Fatal(err)
	}
	testhost.Eventually(t, "the server goes on", func() bool {
		_, err := os.Stat(home + "/server-lives")
		return err == nil
	})
}

func TestAHostInTheSameRoomGetsWhatIsNotCompressed(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	ctx, _ := told(t)
	r, err := davit.Install(ctx, near{dial(t, s.Host)}, davit.InstallOptions{Binary: wordy(t, "near", 700_000)})
	if err != nil || r.Form != "plain" || r.Sent != r.Size {
		t.Errorf("%+v, %v", r, err)
	}
	s.assertWhole(r.Release[:12])
}
