//go:build !unix

package program

import "os/exec"

// Shell returns the command that runs a line as the system's shell understands it.
func Shell(line string) *exec.Cmd { return exec.Command("cmd", "/C", line) }

// OwnGroup does nothing: there are no process groups.
func OwnGroup(*exec.Cmd) {}

// KillGroup ends the command alone.
func KillGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
