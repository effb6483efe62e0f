package ssh_test

import (
	"errors"
	"io"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/hosttest"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
)

// options are those with which only what belongs to h is used, and nothing of whoever runs the
// tests.
func options(t *testing.T, h *testhost.Host) ssh.Options {
	t.Helper()
	return ssh.Options{
		ConfigFile:      "/dev/null",
		Identities:      []string{h.IdentityFile},
		KnownHostsFiles: []string{h.KnownHosts},
	}
}

// open returns the host, not connected yet.
func open(t *testing.T, target string, o ssh.Options) *ssh.Host {
	t.Helper()
	h, err := ssh.New(target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func TestHostsKeepWhatTheyPromise(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]testhost.Option{"an ordinary user": testhost.Ordinary, "root": testhost.Root} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t, option)
			hosttest.Run(t, func(t *testing.T) host.Host { return open(t, h.Target(), options(t, h)) })
		})
	}
}

func TestEveryLoginShellRunsACommand(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "fish", "tcsh"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t, testhost.WithShell(shell))
			far := open(t, h.Target(), options(t, h))
			ctx, _ := told(t)
			p, err := far.Exec(ctx, `exec /bin/sh -c 'read -r word; echo "$word"; echo apart >&2; exit 3'`)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err := io.WriteString(p, "hello\n"); err != nil {
				t.Fatal(err)
			}
			stdout, _ := io.ReadAll(p.Stdout())
			stderr, _ := io.ReadAll(p.Stderr())
			exit, _ := errors.AsType[*host.ExitError](p.Wait())
			if string(stdout) != "hello\n" || string(stderr) != "apart\n" || exit == nil || exit.Code != 3 {
				t.Errorf("stdout %q, stderr %q, %v", stdout, stderr, exit)
			}
		})
	}
}
