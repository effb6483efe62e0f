//go:build unix && !linux

package openssh

import "syscall"

// endWithUs does nothing: no other system can.
func endWithUs(*syscall.SysProcAttr) {}
