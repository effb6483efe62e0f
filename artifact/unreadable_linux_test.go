package artifact_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/davit-sh/davit/artifact"
)

func TestAFileThatMayNotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := write(t, dir, "worker", "#!/bin/sh\n")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error)
	go func() {
		// Root may read everything: this thread becomes somebody else for files, and ends
		// with the goroutine.
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			if err := syscall.Setfsuid(65534); err != nil {
				opened <- err
				return
			}
		}
		_, err := artifact.Open(path)
		opened <- err
	}()
	refused(t, <-opened, fs.ErrPermission, "permission denied", "chmod u+r "+path)
}
