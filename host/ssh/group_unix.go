//go:build unix

package ssh

import (
	"os"
	"os/exec"
	"syscall"
)

// shell returns the command that runs a line as the user's shell understands it.
func shell(line string) *exec.Cmd {
	return exec.Command(or(os.Getenv("SHELL"), "/bin/sh"), "-c", "exec "+line)
}

// ownGroup puts a command that is not started yet, and its children, into a process group of
// their own, so that Ctrl-C in a terminal is ours to answer. Cancelling it ends the group.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if cmd.Cancel != nil {
		cmd.Cancel = func() error { return killGroup(cmd) }
	}
}

// killGroup ends the group of a command that was started by ownGroup.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
