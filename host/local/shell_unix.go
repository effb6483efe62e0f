//go:build unix

package local

import (
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// shell returns the command, in a session of its own: no signal of our terminal reaches it, and
// it can end its whole group without ending us.
func shell(command string) (*exec.Cmd, error) {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, nil
}

// endedBy returns the signal that ended a process, without "SIG", or "".
func endedBy(state *os.ProcessState) string {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return ""
	}
	return strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG")
}
