package davit_test

import (
	"context"
	"crypto/rand"
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

func TestEveryKindOfHostTakesAnInstall(t *testing.T) {
	t.Parallel()
	posixDD := tool(t, "dd", `case "$*" in *fullblock*) exit 1 ;; esac; exec `+testhost.Need(t, "dd")+` "$@"`)
	for name, kind := range map[string]struct {
		options []testhost.Option
		form    string
	}{
		"bash that prints":          {[]testhost.Option{testhost.WithShell("bash"), testhost.WithFile(".bashrc", "echo noise; echo noise >&2\n")}, "zstd"},
		"bash that reads stdin":     {[]testhost.Option{testhost.WithShell("bash"), testhost.WithFile(".bashrc", "read -r x; read -r y\n")}, "zstd"},
		"fish":                      {[]testhost.Option{testhost.WithShell("fish")}, "zstd"},
		"tcsh":                      {[]testhost.Option{testhost.WithShell("tcsh"), testhost.WithFile(".tcshrc", "echo noise\n")}, "zstd"},
		"dash":                      {[]testhost.Option{testhost.WithShell("dash")}, "zstd"},
		"gzip only":                 {[]testhost.Option{testhost.WithPath(append(testhost.BaseTools, "sha256sum", "gzip")...)}, "gzip"},
		"no compressor, no flock":   {[]testhost.Option{testhost.WithPath(append(testhost.BaseTools, "shasum", "perl")...)}, "plain"},
		"openssl to verify with":    {[]testhost.Option{testhost.WithPath(append(testhost.BaseTools, "openssl")...)}, "plain"},
		"a dd that is only POSIX's": {[]testhost.Option{testhost.WithEnv("PATH", posixDD+":/usr/bin:/bin")}, "zstd"},
		"umask 077":                 {[]testhost.Option{testhost.WithShell("bash"), testhost.WithFile(".bashrc", "umask 077\n")}, "zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, kind.options...), t}
			one, two := wordy(t, "one", 700_000), wordy(t, "two", 700_000)
			if r := s.install(one); r.Form != kind.form {
				t.Errorf("it travelled as %s, want %s", r.Form, kind.form)
			}
			s.install(two)
			s.assertWhole(id(t, two))
			if got, err := exec.Command(filepath.Join(s.Home, ".local/bin/worker")).Output(); string(got) != "two\n" {
				t.Errorf("it says %q, %v", got, err)
			}
			if mode, err := os.Stat(filepath.Join(s.Home, ".local/bin/worker")); err != nil || mode.Mode().Perm() != 0o755 {
				t.Errorf("mode %v, %v", mode, err)
			}
		})
	}
}

// wordy writes an executable of about size bytes that says what and can be compressed.
func wordy(t *testing.T, what string, size int) string {
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

func TestSystemScopeThroughSudo(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	testhost.Need(t, "sudo")
	for name, c := range map[string]struct {
		rule     string
		password string // what the user answers
		code     int
		words    []string
	}{
		"without a password":       {"NOPASSWD: ALL", "", davit.ExitDone, nil},
		"with a password":          {"ALL", "right horse", davit.ExitDone, nil},
		"with a wrong password":    {"ALL", "wrong horse", davit.ExitHost, []string{"sudo refused", "incorrect password"}},
		"nobody to ask":            {"ALL", "", davit.ExitHost, []string{"sudo wants a password", "nothing was touched"}},
		"a user who may not do so": {"/bin/true", "right horse", davit.ExitHost, []string{"permission denied: sudo refused", "not allowed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, testhost.Ordinary), t}
			allow(t, s.Host, c.rule)
			daemon := "davit-test-" + strings.ToLower(rand.Text()[:8])
			t.Cleanup(func() {
				os.RemoveAll("/opt/davit/" + daemon)
				os.Remove("/usr/local/bin/" + daemon)
				os.Remove("/opt/davit")
			})
			o := davit.InstallOptions{Binary: program(t, "as root", 1<<20), Name: daemon, Scope: davit.System}
			if c.password != "" {
				o.Password = answer(c.password)
			}
			ctx, rec := told(t)
			r, err := davit.Install(ctx, dial(t, s.Host), o)
			for _, e := range rec.Events() {
				if c.password != "" && strings.Contains(e.Message, c.password) {
					t.Errorf("the password was told: %q", e.Message)
				}
			}
			if c.code != davit.ExitDone {
				explained(t, err, c.code, c.words...)
			} else if err != nil || r.Link != "/usr/local/bin/"+daemon {
				t.Fatalf("%+v, %v", r, err)
			} else if out := s.Run(r.Link + "; ls -l " + host.Quote(r.Path)); !strings.HasPrefix(out, "as root\n") || !strings.Contains(out, "root root") {
				t.Errorf("it says %q", out)
			}
			s.assertWhole("")
		})
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
