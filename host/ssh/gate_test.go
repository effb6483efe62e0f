package ssh_test

import (
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/world"
	"github.com/davit-sh/davit/host/ssh"
)

func TestAGateIsWhatAConnectionComesToFirst(t *testing.T) {
	t.Parallel()
	world.Gates(t, func(name, jump, config string) host.Gated {
		h, err := ssh.New(name, ssh.Options{ConfigFile: config, Jump: jump})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}, "10.0.0.9:2200")
}
