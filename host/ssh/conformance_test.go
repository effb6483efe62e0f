package ssh_test

import (
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
	for name, option := range map[string]testhost.Option{
		"an ordinary user": testhost.Ordinary,
		"root":             testhost.Root,
		"bash":             testhost.WithShell("bash"),
		"fish":             testhost.WithShell("fish"),
		"tcsh":             testhost.WithShell("tcsh"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t, option)
			hosttest.Run(t, func(t *testing.T) host.Host { return open(t, h.Target(), options(t, h)) })
		})
	}
}
