//go:build unix

package manifest

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// openNow opens a file without waiting for the other end of a pipe.
func openNow(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// readByOthers reports whether the group or others have any right to the file.
func readByOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// ownGroup makes cmd lead a process group that ends when its context does, and returns what ends
// it once more: cmd itself may have ended before its children.
func ownGroup(cmd *exec.Cmd) (endGroup func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = end
	return func() {
		if cmd.Process != nil {
			_ = end()
		}
	}
}
