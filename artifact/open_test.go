//go:build unix

package artifact_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/davit-sh/davit/artifact"
)

func TestPathsThatAreNoFileAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		kind       error
		what, hint string
	}{
		{"missing", filepath.Join(dir, "my worker"), fs.ErrNotExist, "no such file", "go build -o '" + dir + "/my worker' ."},
		{"below a file", write(t, dir, "file", "#!/bin/sh\n") + "/worker", syscall.ENOTDIR, "not a directory", ""},
		{"dangling link", link, fs.ErrNotExist, "no such file", "go build"},
		{"directory", dir + "/", artifact.ErrDirectory, "is a directory", "go build -o " + filepath.Base(dir) + " " + dir},
		{"pipe", pipe, artifact.ErrNotRegular, "is a named pipe", "write the executable to a file"},
		{"socket", socket.Addr().String(), artifact.ErrNotRegular, "is a socket", "write the executable to a file"},
		{"device", "/dev/null", artifact.ErrNotRegular, "is a device", "write the executable to a file"},
		{"empty", write(t, dir, "empty", ""), artifact.ErrEmpty, "is empty", "build it again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := artifact.Open(c.path)
			refused(t, err, c.kind, c.what, c.hint)
			if n := strings.Count(err.Error(), c.path); n != 1 {
				t.Errorf("%q names the path %d times", err, n)
			}
		})
	}
}

func TestScriptsNameTheirProgram(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, content, interpreter string }{
		{"plain", "#!/bin/sh\necho hello\n", "/bin/sh"},
		{"with an argument", "#!/usr/bin/env python3\n", "/usr/bin/env"},
		{"with spaces", "#! \t/bin/sh -eu\n", "/bin/sh"},
		{"without a line end", "#!/bin/sh", "/bin/sh"},
		{"binary after the first line", "#!/bin/sh\n\x00\xff\x7fELF", "/bin/sh"},
		{"CR in a later line", "#!/bin/sh\necho\r\n", "/bin/sh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := open(t, write(t, t.TempDir(), "run", c.content))
			if f.Kind != artifact.Script || f.Needs.Interpreter != c.interpreter || f.Needs.String() != "any platform" {
				t.Errorf("kind %s, needs %+v", f.Kind, f.Needs)
			}
			if err := f.Fits(artifact.Platform{OS: "linux", Arch: "riscv64", Libc: "musl"}); err != nil {
				t.Errorf("a script fits every host: %v", err)
			}
		})
	}
}

func TestFilesThatNoHostCanStartAreNamed(t *testing.T) {
	t.Parallel()
	tar := strings.Repeat("\x00", 257) + "ustar\x0000"
	const unpack = "unpack it, and name the executable in it"
	for _, c := range []struct{ name, content, what, hint string }{
		{"portable executable", "MZqFpD='\n", "Actually Portable Executable", "assimilate "},
		{"Windows", "MZ\x90\x00", "is a Windows program", "GOOS=linux go build"},
		{"WebAssembly", "\x00asm\x01\x00\x00\x00", "is a WebAssembly module", "GOOS=linux go build"},
		{"Java", "\xca\xfe\xba\xbe\x00\x00\x00\x41", "is a Java class", "runs java"},
		{"the oldest Java", "\xca\xfe\xba\xbe\x00\x03\x00\x2d", "is a Java class", "runs java"},
		{"Debian package", "!<arch>\ndebian-binary   17", "is a Debian package", unpack},
		{"static library", "!<arch>\n/               0", "is a static library", "link it into a program"},
		{"RPM", "\xed\xab\xee\xdb\x03", "is an RPM package", unpack},
		{"zip", "PK\x03\x04\x14", "is a zip archive", unpack},
		{"gzip", "\x1f\x8b\x08", "is compressed with gzip", unpack},
		{"bzip2", "BZh91AY&SY", "is compressed with bzip2", unpack},
		{"xz", "\xfd7zXZ\x00\x00", "is compressed with xz", unpack},
		{"zstd", "\x28\xb5\x2f\xfd\x04", "is compressed with zstd", unpack},
		{"tar", tar, "is a tar archive", unpack},
		{"Git LFS", "version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer", "git lfs pull"},
		{"byte order mark", "\xef\xbb\xbf#!/bin/sh\n", "is a script with a byte order mark", "save it without"},
		{"Windows line ends", "#!/bin/sh\r\necho\r\n", "is a script with Windows line ends", `sed -i 's/\r$//' `},
		{"no program", "#!\n", "names no program", "#!/bin/sh"},
		{"no program but spaces", "#!  \t\n/bin/sh", "names no program", "#!/bin/sh"},
		{"text", "package main\n", "is text without a #! line", "#!/bin/sh"},
		{"text with a character cut", strings.Repeat("x", 4094) + "€", "is text without a #! line", "#!/bin/sh"},
		{"space before #!", " #!/bin/sh\n", "is text without a #! line", "#!/bin/sh"},
		{"anything", "\x01\x00\xff", "is in no format that hosts can start", "GOOS=linux go build"},
		{"one byte", "\xff", "is in no format that hosts can start", "GOOS=linux go build"},
		{"zeros", strings.Repeat("\x00", 5000), "is in no format that hosts can start", "GOOS=linux go build"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, t.TempDir(), "my worker", c.content)
			_, err := artifact.Open(path)
			refused(t, err, artifact.ErrFormat, c.what, c.hint)
			if hint := err.(*artifact.Error).Hint; strings.Contains(hint, "assimilate") && !strings.Contains(hint, "'"+path+"'") {
				t.Errorf("hint %q cannot be pasted", hint)
			}
		})
	}
}
