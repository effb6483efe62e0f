//go:build unix

package program

import (
	"cmp"
	"os"
	"os/exec"
	"syscall"
)

// Shell returns the command that runs a line as the user's shell understands it.
func Shell(line string) *exec.Cmd {
	return exec.Command(cmp.Or(os.Getenv("SHELL"), "/bin/sh"), "-c", "exec "+line)
}

// OwnGroup puts a command that is not started yet, and its children, into a process group of
// their own, so that Ctrl-C in a terminal is ours to answer. Cancelling it ends the group.
func OwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if cmd.Cancel != nil {
		cmd.Cancel = func() error { return KillGroup(cmd) }
	}
}

// KillGroup ends the group of a command that was started by OwnGroup.
func KillGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
