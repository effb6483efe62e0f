package bench

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-sh/davit/internal/testhost"
)

const mib = 1 << 20

// goCommand is an executable as it comes from a compiler, of about 15 MiB.
func goCommand(b *testing.B) string {
	b.Helper()
	path, err := filepath.EvalSymlinks(testhost.Need(b, "go"))
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// davitCommand builds the command line.
func davitCommand(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "davit")
	if err := run(testhost.Need(b, "go"), "build", "-o", path, "../cmd/davit"); err != nil {
		b.Fatal(err)
	}
	return path
}

// program writes an executable of exactly size bytes: a script, which may be followed by anything,
// and then as much machine code as there is of all the programs of Go, of ours, and of the machine.
// None of it comes twice, so that it compresses as code does. What is left after that is a hole.
func program(b *testing.B, size int64) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "worker")
	out, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	_, err = out.WriteString("#!/bin/sh\nexit\n")
	left := size - int64(len("#!/bin/sh\nexit\n"))
	for _, source := range code(b) {
		if err != nil || left == 0 {
			break
		}
		var n int64
		n, err = appendFile(out, source, left)
		left -= n
	}
	if err == nil {
		err = out.Truncate(size)
	}
	if err == nil {
		err = out.Chmod(0o755)
	}
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// code returns the paths of different programs.
func code(b *testing.B) []string {
	b.Helper()
	own, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	paths := []string{goCommand(b), davitCommand(b), own}
	dir, err := exec.Command("go", "env", "GOTOOLDIR").Output()
	if err != nil {
		b.Fatal(err)
	}
	tools, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*"))
	libraries, _ := filepath.Glob("/usr/lib/*-linux-gnu/lib*.so.*")
	return append(append(paths, tools...), libraries...)
}

// appendFile writes the file's content, at most n bytes of it, unless it is a link to another.
func appendFile(out io.Writer, path string, n int64) (int64, error) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return 0, err
	}
	in, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	return io.Copy(out, io.LimitReader(in, n))
}
