//go:build unix

package openssh

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// supported says that the system's ssh program can be a ControlMaster.
const supported = true

// detach gives a command that is not started yet a session of its own.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	endWithUs(cmd.SysProcAttr)
}

// killSession ends a command that was detached, and all of its group.
func killSession(cmd *exec.Cmd) error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }

func makePipe(path string) error { return unix.Mkfifo(path, 0o600) }
