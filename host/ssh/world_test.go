package ssh_test

import (
	"testing"

	"github.com/davit-sh/davit/host/internal/world"
	"github.com/davit-sh/davit/host/ssh"
)

var (
	told  = world.Told
	write = world.Write
	read  = world.Read
	runs  = world.Runs
	fails = world.Fails
)

// connect connects to h and returns the error.
func connect(t *testing.T, h *ssh.Host) error { return world.Connect(t, h) }
