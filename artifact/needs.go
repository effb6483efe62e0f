package artifact

import (
	"bytes"
	"debug/buildinfo"
	"io"
	"slices"
	"strings"
)

// Kind says how a host starts a file.
type Kind string

// The kinds of file that hosts can start; [Open] refuses all others.
const (
	ELF    Kind = "elf"    // Linux, the BSDs, Solaris
	MachO  Kind = "macho"  // macOS, thin or universal
	Script Kind = "script" // text whose first line is #! and a program
)

// Needs is what an executable asks of a host, read from its headers. An empty field asks for
// nothing, or is not known.
type Needs struct {
	OS    string   // Go name: linux, darwin, freebsd …
	Archs []string // Go names; more than one only in a universal Mach-O
	ARM   string   // the GOARM an arm executable was built for by Go: 5, 6 or 7

	// Interpreter is the program on the host that starts this one: the dynamic linker of an
	// ELF file ("" if it is static), or the program that a script's first line names.
	Interpreter string

	Libc        string // glibc, musl, bionic or uclibc, for a dynamic Linux executable
	LibcVersion string // the newest glibc that it has symbols from: 2.38
	GoVersion   string // the Go release that built it: go1.26.0
}

// String names the platform in Go's words: linux/arm64, darwin/amd64+arm64.
func (n Needs) String() string {
	if n.OS == "" && len(n.Archs) == 0 {
		return "any platform"
	}
	return n.OS + "/" + strings.Join(n.Archs, "+")
}

// static says whether it is a Linux executable that brings all its code along.
func (n Needs) static() bool { return n.OS == "linux" && n.Interpreter == "" }

// addBuildInfo adds what the Go linker recorded, if it was Go's; the headers win over it.
func (n *Needs) addBuildInfo(r io.ReaderAt) {
	info, err := buildinfo.Read(r)
	if err != nil {
		return // not built by Go
	}
	n.GoVersion = info.GoVersion
	for _, s := range info.Settings {
		switch {
		case s.Key == "GOOS" && s.Value == "illumos":
			n.OS = "solaris" // what uname -s says there
		case s.Key == "GOOS" && s.Value != "android": // Linux to uname -s, with another libc
			n.OS = s.Value
		case s.Key == "GOARM" && slices.Contains(n.Archs, "arm"):
			n.ARM, _, _ = strings.Cut(s.Value, ",") // "7,hardfloat"
		}
	}
}

// headSize is how much of a file tells its kind, and the longest first line of a script.
const headSize = 4096

func inspect(r io.ReaderAt, size int64) (Kind, Needs, error) {
	if size == 0 {
		return "", Needs{}, refusal(ErrEmpty, "build it again, and wait until the build has finished", "is empty")
	}
	head := make([]byte, min(size, headSize))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return "", Needs{}, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		needs, err := readELF(r, size)
		return ELF, needs, err
	case isMachO(head):
		needs, err := readMachO(r, size)
		return MachO, needs, err
	case bytes.HasPrefix(head, []byte("#!")):
		needs, err := readScript(head)
		return Script, needs, err
	}
	return "", Needs{}, refuseForeign(head)
}

// readScript reads the first line as execve(2) does: one program, and at most one argument.
func readScript(head []byte) (Needs, error) {
	line, _, _ := bytes.Cut(head[len("#!"):], []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return Needs{}, refusal(ErrFormat, `take the carriage returns out: sed -i 's/\r$//' FILE`,
			"is a script with Windows line ends, which no host can start")
	}
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return Needs{}, refusal(ErrFormat, "begin it with #!/bin/sh", "is a script whose first line names no program")
	}
	return Needs{Interpreter: words[0]}, nil
}

// headerBudget bounds what is read of one executable to learn its needs: headers are a few
// kilobytes, and Go's linker records its build near the front of the data.
const headerBudget = 16 << 20

// headers is an executable as the standard parsers may see it: with another beginning, and only
// so much of it. Beyond the budget it reads as cut off.
//
// The beginning is replaced to hide tables that a host never reads when it starts a program
// (ELF sections, Mach-O symbols): they may be large, stripped or forged, and the parsers would
// copy each name in them.
type headers struct {
	r    io.ReaderAt
	head []byte
	left int64
}

func (h *headers) ReadAt(p []byte, off int64) (int, error) {
	if h.left -= int64(len(p)); h.left < 0 {
		return 0, io.EOF
	}
	n, err := h.r.ReadAt(p, off)
	if off < int64(len(h.head)) {
		copy(p[:n], h.head[off:])
	}
	return n, err
}

// errCutShort refuses a file that ends before its headers say it does.
func errCutShort(promised uint64, size int64) error {
	return refusal(ErrFormat, "build or copy it again, to the end", "is cut short: its headers speak of %d bytes, it has %d",
		promised, size)
}

// errDamaged refuses a file whose headers make no sense.
func errDamaged(format string, why any) error {
	return refusal(ErrFormat, "build or copy it again", "is a damaged %s executable: %v", format, why)
}
