//go:build unix

package openssh_test

import (
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/world"
	"github.com/davit-sh/davit/host/openssh"
)

func TestAGateIsWhatAConnectionComesToFirst(t *testing.T) {
	t.Parallel()
	world.Gates(t, func(name, jump, config string) host.Gated {
		h, err := openssh.New(name, openssh.Options{ConfigFile: config, Jump: jump})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}, "jump")
}
