package artifact

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"path"
	"strings"
)

// elfImage is an ELF file as a loader sees it: program headers and what they lead to. The
// layout is that of elf(5).
type elfImage struct {
	*elf.File
	header  *elfHeader
	dynamic map[elf.DynTag]uint64 // PT_DYNAMIC; nil in most static files
}

func readELF(r io.ReaderAt, size int64) (Needs, error) {
	h, err := readELFHeader(r, size)
	if err != nil {
		return Needs{}, err
	}
	file, err := elf.NewFile(h.bare(r))
	if err != nil {
		return Needs{}, errDamaged("ELF", err)
	}
	e := &elfImage{File: file, header: h}
	e.readDynamic()
	if err := e.refuse(size); err != nil {
		return Needs{}, err
	}
	n := Needs{OS: e.os(), Archs: []string{e.arch()}, Interpreter: e.interpreter()}
	if n.OS == "linux" {
		n.Libc = libcOf(n.Interpreter)
	}
	if n.Libc == "glibc" {
		n.LibcVersion = e.glibc()
	}
	n.addBuildInfo(h.full(r))
	return n, nil
}

// refuse refuses what is no program, or not all of one.
func (e *elfImage) refuse(size int64) error {
	switch e.Type {
	case elf.ET_EXEC, elf.ET_DYN:
	case elf.ET_REL:
		return refusal(ErrFormat, "link it into a program first", "is an object file")
	case elf.ET_CORE:
		return refusal(ErrFormat, "name the program that left it", "is a core dump")
	default:
		return errDamaged("ELF", e.Type)
	}
	loads := 0
	for _, p := range e.Progs {
		if end := p.Off + p.Filesz; end > uint64(size) {
			return errCutShort(end, size)
		}
		if p.Type == elf.PT_LOAD {
			loads++
		}
	}
	if loads == 0 {
		return errDamaged("ELF", "it has nothing to load")
	}
	if e.isLibrary() {
		return refusal(ErrFormat, "name the program that uses it", "is a shared library")
	}
	return nil
}

// isLibrary tells a shared library from a static position-independent program, which has no
// interpreter either. In doubt it is a program.
func (e *elfImage) isLibrary() bool {
	if e.Type != elf.ET_DYN || e.prog(elf.PT_INTERP) != nil {
		return false
	}
	if elf.DynFlag1(e.dynamic[elf.DT_FLAGS_1])&elf.DF_1_PIE != 0 {
		return false
	}
	_, named := e.dynamic[elf.DT_SONAME]
	return named || e.Entry == 0
}

func (e *elfImage) prog(t elf.ProgType) *elf.Prog {
	for _, p := range e.Progs {
		if p.Type == t {
			return p
		}
	}
	return nil
}

// start returns up to n bytes from the start of a segment.
func start(p *elf.Prog, n uint64) []byte {
	data := make([]byte, min(n, p.Filesz))
	got, _ := p.ReadAt(data, 0)
	return data[:got]
}

// interpreter returns the path in PT_INTERP.
func (e *elfImage) interpreter() string {
	p := e.prog(elf.PT_INTERP)
	if p == nil {
		return ""
	}
	name, _, _ := bytes.Cut(start(p, 4096), []byte{0}) // PATH_MAX
	return strings.ToValidUTF8(string(name), "\ufffd")
}

// libcOf names the C library that a dynamic linker on Linux belongs to; "" if it is not known.
func libcOf(interpreter string) string {
	for _, l := range []struct{ prefix, libc string }{
		{"ld-musl-", "musl"},
		{"ld-uClibc", "uclibc"},
		{"linker", "bionic"},
		{"ld-linux", "glibc"},
		{"ld64.so.", "glibc"},
		{"ld.so.1", "glibc"},
	} {
		if strings.HasPrefix(path.Base(interpreter), l.prefix) {
			return l.libc
		}
	}
	return ""
}

// abis are the systems that mark their files in the ELF header.
var abis = map[elf.OSABI]string{
	elf.ELFOSABI_FREEBSD: "freebsd", elf.ELFOSABI_NETBSD: "netbsd",
	elf.ELFOSABI_OPENBSD: "openbsd", elf.ELFOSABI_SOLARIS: "solaris",
}

// notes are the systems that mark them with a note instead.
var notes = map[string]string{
	"FreeBSD": "freebsd", "NetBSD": "netbsd", "OpenBSD": "openbsd", "DragonFly": "dragonfly",
}

// os returns the system by its mark; a file without one is for Linux, which leaves none.
func (e *elfImage) os() string {
	if name, ok := abis[e.OSABI]; ok {
		return name
	}
	for _, p := range e.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		if name, ok := notes[e.noteName(start(p, 12+16))]; ok {
			return name
		}
	}
	return "linux"
}

// noteName returns the owner of a segment's first note.
func (e *elfImage) noteName(note []byte) string {
	if len(note) < 12 {
		return ""
	}
	size, rest := e.ByteOrder.Uint32(note), note[12:]
	if uint64(size) > uint64(len(rest)) {
		return ""
	}
	return strings.TrimRight(string(rest[:size]), "\x00")
}

// machines are Go's names by machine, for 64 and 32 bits and both byte orders.
var machines = map[elf.Machine]struct{ le64, be64, le32, be32 string }{
	elf.EM_X86_64:    {le64: "amd64", le32: "amd64p32"},
	elf.EM_386:       {le32: "386"},
	elf.EM_AARCH64:   {le64: "arm64", be64: "arm64be"},
	elf.EM_ARM:       {le32: "arm", be32: "armbe"},
	elf.EM_RISCV:     {le64: "riscv64", le32: "riscv"},
	elf.EM_PPC64:     {le64: "ppc64le", be64: "ppc64"},
	elf.EM_PPC:       {be32: "ppc"},
	elf.EM_S390:      {be64: "s390x", be32: "s390"},
	elf.EM_LOONGARCH: {le64: "loong64"},
	elf.EM_MIPS:      {le64: "mips64le", be64: "mips64", le32: "mipsle", be32: "mips"},
	elf.EM_SPARCV9:   {be64: "sparc64"},
}

// arch returns Go's name of the machine, or ELF's own if Go has none.
func (e *elfImage) arch() string {
	m, wide, little := machines[e.Machine], e.Class == elf.ELFCLASS64, e.Data == elf.ELFDATA2LSB
	name := ""
	switch {
	case wide && little:
		name = m.le64
	case wide:
		name = m.be64
	case little:
		name = m.le32
	default:
		name = m.be32
	}
	if name == "" {
		name = strings.ToLower(strings.TrimPrefix(e.Machine.String(), "EM_"))
	}
	return name
}

// readDynamic reads the table that the dynamic linker goes by.
func (e *elfImage) readDynamic() {
	p := e.prog(elf.PT_DYNAMIC)
	if p == nil {
		return
	}
	e.dynamic = map[elf.DynTag]uint64{}
	table := start(p, 64<<10)
	width := e.header.width
	for ; len(table) >= 2*width; table = table[2*width:] {
		tag := elf.DynTag(e.header.word(table[:width]))
		if tag == elf.DT_NULL {
			return
		}
		e.dynamic[tag] = e.header.word(table[width : 2*width])
	}
}

// at fills buf with what is loaded at an address and returns how much of it there is.
func (e *elfImage) at(addr uint64, buf []byte) int {
	for _, p := range e.Progs {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			n, _ := p.ReadAt(buf, int64(addr-p.Vaddr))
			return n
		}
	}
	return 0
}

// decode reads a structure at an address.
func (e *elfImage) decode(addr uint64, into any) bool {
	buf := make([]byte, binary.Size(into))
	if e.at(addr, buf) < len(buf) {
		return false
	}
	_, err := binary.Decode(buf, e.ByteOrder, into)
	return err == nil
}

// verneed and vernaux are a library and a version that is needed of it, as in the Linux
// Standard Base, Core, "Symbol Version Requirements".
type verneed struct {
	Version, Count  uint16
	File, Aux, Next uint32
}

type vernaux struct {
	Hash         uint32
	Flags, Other uint16
	Name, Next   uint32
}

// weakVersion marks a version that the dynamic linker does not insist on (VER_FLG_WEAK).
const weakVersion = 0x2

// maxVersions bounds the entries read; large programs have a few dozen.
const maxVersions = 4096

// glibc returns the newest version of glibc that the dynamic linker will insist on: "2.38".
func (e *elfImage) glibc() string {
	newest, left := "", maxVersions
	need, libs := e.dynamic[elf.DT_VERNEED], e.dynamic[elf.DT_VERNEEDNUM]
	for ; libs > 0 && left > 0; libs-- {
		var lib verneed
		if !e.decode(need, &lib) {
			break
		}
		for aux, n := need+uint64(lib.Aux), lib.Count; n > 0 && left > 0; n-- {
			var v vernaux
			if !e.decode(aux, &v) {
				break
			}
			if name := e.glibcVersion(v); v.Flags&weakVersion == 0 && compareVersions(name, newest) > 0 {
				newest = name
			}
			aux += uint64(v.Next)
			left--
		}
		need += uint64(lib.Next)
		left--
	}
	return newest
}

// glibcVersion returns the version that an entry names, or "" if it is not one of glibc's.
func (e *elfImage) glibcVersion(v vernaux) string {
	buf := make([]byte, 64)
	buf = buf[:e.at(e.dynamic[elf.DT_STRTAB]+uint64(v.Name), buf)]
	name, _, _ := bytes.Cut(buf, []byte{0})
	version, ok := strings.CutPrefix(string(name), "GLIBC_")
	switch {
	case version == "ABI_DT_RELR":
		return "2.36" // the release that learned to load what -z pack-relative-relocs makes
	case !ok || !isVersion(version): // GLIBC_PRIVATE
		return ""
	}
	return version
}
