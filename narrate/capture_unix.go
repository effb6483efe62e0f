//go:build unix

package narrate

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ownGroup makes cmd lead a process group, so that all it starts can be ended with it.
func ownGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid // a session is a group already
}

// endGroup asks the group that p leads to end, and ends it when grace is over. The leader may
// have ended before: its number stays the group's as long as the group has a member.
func endGroup(p *os.Process, grace time.Duration) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if syscall.Kill(-p.Pid, sig) != nil || groupGone(p.Pid, grace) {
			return
		}
	}
}

// groupGone reports whether the group has no member any more within the given time. It asks
// again and again: the end of somebody else's children is announced to nobody.
func groupGone(pgid int, within time.Duration) bool {
	began := time.Now()
	look := 4 * time.Millisecond // into all processes, which is dear on a large machine
	for since := time.Duration(0); since < within; since = time.Since(began) {
		if syscall.Kill(-pgid, 0) != nil {
			return true
		}
		if since >= look {
			if onlyZombies(pgid) {
				return true
			}
			look *= 2
		}
		time.Sleep(2 * time.Millisecond)
	}
	return false
}

// stopReading makes reads of r fail once the time has passed.
func stopReading(r *os.File, after time.Duration) { r.SetReadDeadline(time.Now().Add(after)) }

// readNow reads what is in r, without waiting and whether or not reads were stopped.
func readNow(r *os.File, buf []byte) (n int, err error) {
	conn, err := r.SyscallConn()
	if err != nil {
		return 0, err
	}
	// Control, not Read: Read would heed the deadline. A pipe of os.Pipe does not block.
	if controlErr := conn.Control(func(fd uintptr) { n, err = syscall.Read(int(fd), buf) }); controlErr != nil {
		return 0, controlErr
	}
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
