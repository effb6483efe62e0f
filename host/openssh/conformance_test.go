package openssh_test

import (
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/hosttest"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/internal/testhost"
)

// open returns the host that the ssh_config names, not connected yet.
func open(t *testing.T, alias, config string, change ...func(*openssh.Options)) *openssh.Host {
	t.Helper()
	testhost.Need(t, "ssh")
	o := openssh.Options{ConfigFile: write(t, config)}
	for _, c := range change {
		c(&o)
	}
	h, err := openssh.New(alias, o)
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
			hosttest.Run(t, func(t *testing.T) host.Host { return open(t, "x", h.Block("x")) })
		})
	}
}
