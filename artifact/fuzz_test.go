package artifact_test

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/davit-sh/davit/artifact"
)

// seeds are the beginnings of real and of tiny executables.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	self, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	file, err := os.Open(self)
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	own := make([]byte, 8<<10)
	if _, err := io.ReadFull(file, own); err != nil {
		f.Fatal(err)
	}
	mac := tinyMachO(macho.CpuArm64, macho.TypeExec)
	return [][]byte{
		own,
		tinyELF{interpreter: "/lib64/ld-linux-x86-64.so.2", versions: []string{"GLIBC_2.34", "weak GLIBC_2.38"}}.bytes(),
		tinyELF{note: "OpenBSD", kind: elf.ET_DYN}.bytes(),
		mac,
		[]byte(universal(mac[:200]))[:0x4000+200],
		[]byte("#!/bin/sh\r\n"),
		[]byte("MZ"),
	}
}

// padded is data with so many zeros behind it, so that headers that speak of a large file may
// be told the truth.
type padded struct {
	data []byte
	size int64
}

func (p padded) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid // as a file does
	}
	n := int(max(0, min(int64(len(b)), p.size-off)))
	clear(b[:n])
	if off < int64(len(p.data)) {
		copy(b[:n], p.data[off:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func FuzzInspect(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, uint32(0))
		f.Add(seed, uint32(64<<20))
	}
	f.Fuzz(func(t *testing.T, data []byte, more uint32) {
		size := int64(len(data)) + int64(more)
		kind, needs, err := artifact.Inspect(padded{data, size}, size)
		soundAnswer(t, kind, needs, err)
	})
}

func FuzzOpen(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "a file")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := artifact.Open(path)
		if err != nil {
			if _, ok := errors.AsType[*artifact.Error](err); !ok || !strings.HasPrefix(err.Error(), path+": ") {
				t.Errorf("error %q of type %T", err, err)
			}
			return
		}
		soundAnswer(t, file.Kind, file.Needs, nil)
		_ = file.Fits(artifact.Platform{OS: "linux", Arch: "amd64", LongBit: "64", Libc: "glibc", LibcVersion: "2.36"})
		if digest, err := file.Digest(t.Context()); err != nil || len(digest) != 64 {
			t.Errorf("digest %q, %v", digest, err)
		}
	})
}

// soundAnswer fails unless an executable was understood or refused, and nothing in between.
func soundAnswer(t *testing.T, kind artifact.Kind, needs artifact.Needs, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, artifact.ErrFormat) && !errors.Is(err, artifact.ErrEmpty) {
			t.Errorf("error %v is of no kind", err)
		}
		return
	}
	switch kind {
	case artifact.Script:
		if needs.Interpreter == "" {
			t.Error("a script without a program")
		}
	case artifact.ELF, artifact.MachO:
		if needs.OS == "" || len(needs.Archs) == 0 {
			t.Errorf("%s that needs %+v", kind, needs)
		}
		if !utf8.ValidString(needs.Interpreter) || bytes.IndexByte([]byte(needs.Interpreter), 0) >= 0 {
			t.Errorf("interpreter %q", needs.Interpreter)
		}
	default:
		t.Errorf("kind %q", kind)
	}
}
