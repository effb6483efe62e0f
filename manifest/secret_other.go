//go:build !unix

package manifest

import (
	"io/fs"
	"os"
	"os/exec"
)

// openNow opens a file.
func openNow(path string) (*os.File, error) { return os.Open(path) }

// readByOthers reports false: the mode of a file does not say it here.
func readByOthers(fs.FileInfo) bool { return false }

// ownGroup does nothing: there are no process groups here.
func ownGroup(*exec.Cmd) (endGroup func()) { return func() {} }
