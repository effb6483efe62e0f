//go:build !unix

package openssh

import (
	"errors"
	"os/exec"
)

// supported says that the system's ssh program can be a ControlMaster.
const supported = false

func detach(*exec.Cmd) {}

func killSession(cmd *exec.Cmd) error { return cmd.Process.Kill() }

func makePipe(string) error { return errors.ErrUnsupported }
