//go:build !unix

package ssh

import "os/exec"

// shell returns the command that runs a line as the system's shell understands it.
func shell(line string) *exec.Cmd { return exec.Command("cmd", "/C", line) }

// ownGroup does nothing: there are no process groups.
func ownGroup(*exec.Cmd) {}

// killGroup ends the command alone.
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
