//go:build unix

package demo

import (
	"os/exec"
	"syscall"
)

// ownGroup makes cmd lead a process group.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup ends all processes of the group at once.
func endGroup(group int) { syscall.Kill(-group, syscall.SIGKILL) }

// groupGone reports whether the group has no member any more.
func groupGone(group int) bool { return syscall.Kill(-group, 0) == syscall.ESRCH }
