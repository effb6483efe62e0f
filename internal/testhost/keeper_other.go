//go:build !linux

package testhost

import "syscall"

// Start does not get as far as this where there is no Linux.

func (d duty) procs(int) []Proc { return nil }

func (d duty) hasAccount() bool { return false }

func ownSession() *syscall.SysProcAttr { return nil }
