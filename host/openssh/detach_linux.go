package openssh

import "syscall"

// endWithUs has a process end when the thread that starts it does. It is asked to, so that it can
// end what it has started.
func endWithUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGTERM }
