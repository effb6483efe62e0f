//go:build !unix

package demo

import "os/exec"

// There are no process groups here, and no /bin/sh: [Run] refuses before it gets this far.

func ownGroup(*exec.Cmd) {}

func endGroup(int) {}

func groupGone(int) bool { return true }
