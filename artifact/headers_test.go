package artifact_test

import (
	"debug/elf"
	"debug/macho"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/davit-sh/davit/artifact"
)

func openBytes(t *testing.T, file []byte) (*artifact.File, error) {
	t.Helper()
	return artifact.Open(write(t, t.TempDir(), "worker", string(file)))
}

func TestELFHeadersTellWhatAHostNeeds(t *testing.T) {
	t.Parallel()
	const glibc = "/lib64/ld-linux-x86-64.so.2"
	for _, c := range []struct {
		name string
		file tinyELF
		want artifact.Needs
	}{
		{"static", tinyELF{}, artifact.Needs{OS: "linux", Archs: []string{"amd64"}}},
		{
			"glibc, the newest version counts",
			tinyELF{interpreter: glibc, versions: []string{"GLIBC_2.4", "GLIBC_2.38", "GLIBC_2.2.5"}},
			artifact.Needs{Interpreter: glibc, Libc: "glibc", LibcVersion: "2.38"},
		},
		{
			"glibc, a weak version does not",
			tinyELF{interpreter: glibc, versions: []string{"weak GLIBC_2.38", "GLIBC_2.2.5"}},
			artifact.Needs{Interpreter: glibc, Libc: "glibc", LibcVersion: "2.2.5"},
		},
		{
			"glibc, private and others' versions do not",
			tinyELF{interpreter: glibc, versions: []string{"GLIBC_PRIVATE", "GLIBCXX_3.4.30", "GLIBC_2.17"}},
			artifact.Needs{Interpreter: glibc, Libc: "glibc", LibcVersion: "2.17"},
		},
		{
			"glibc, packed relocations are a version",
			tinyELF{interpreter: glibc, versions: []string{"GLIBC_2.34", "GLIBC_ABI_DT_RELR"}},
			artifact.Needs{Interpreter: glibc, Libc: "glibc", LibcVersion: "2.36"},
		},
		{
			"musl",
			tinyELF{interpreter: "/lib/ld-musl-aarch64.so.1", machine: elf.EM_AARCH64},
			artifact.Needs{Archs: []string{"arm64"}, Interpreter: "/lib/ld-musl-aarch64.so.1", Libc: "musl"},
		},
		{
			"bionic",
			tinyELF{interpreter: "/system/bin/linker64", machine: elf.EM_AARCH64},
			artifact.Needs{Archs: []string{"arm64"}, Interpreter: "/system/bin/linker64", Libc: "bionic"},
		},
		{
			"uClibc",
			tinyELF{interpreter: "/lib/ld-uClibc.so.0"},
			artifact.Needs{Interpreter: "/lib/ld-uClibc.so.0", Libc: "uclibc"},
		},
		{
			"an interpreter that nobody knows",
			tinyELF{interpreter: "/opt/own/loader"},
			artifact.Needs{Interpreter: "/opt/own/loader"},
		},
		{
			"big-endian",
			tinyELF{machine: elf.EM_S390, order: binary.BigEndian, interpreter: "/lib/ld64.so.1", versions: []string{"GLIBC_2.34"}},
			artifact.Needs{Archs: []string{"s390x"}, Interpreter: "/lib/ld64.so.1", Libc: "glibc", LibcVersion: "2.34"},
		},
		{"a machine by its byte order", tinyELF{machine: elf.EM_PPC64}, artifact.Needs{Archs: []string{"ppc64le"}}},
		{"a machine without a name in Go", tinyELF{machine: elf.EM_SH}, artifact.Needs{Archs: []string{"sh"}}},
		{
			"FreeBSD by its mark",
			tinyELF{osabi: elf.ELFOSABI_FREEBSD, interpreter: "/libexec/ld-elf.so.1"},
			artifact.Needs{OS: "freebsd", Interpreter: "/libexec/ld-elf.so.1"},
		},
		{"OpenBSD by its note", tinyELF{note: "OpenBSD"}, artifact.Needs{OS: "openbsd"}},
		{"a note of nobody", tinyELF{note: "GNU"}, artifact.Needs{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := openBytes(t, c.file.bytes())
			if err != nil {
				t.Fatal(err)
			}
			if c.want.OS == "" {
				c.want.OS = "linux"
			}
			if c.want.Archs == nil {
				c.want.Archs = []string{"amd64"}
			}
			sameNeeds(t, f.Needs, c.want)
		})
	}
}

func TestMachOHeadersTellWhatAHostNeeds(t *testing.T) {
	t.Parallel()
	intel, apple := tinyMachO(macho.CpuAmd64, macho.TypeExec), tinyMachO(macho.CpuArm64, macho.TypeExec)
	for _, c := range []struct {
		name string
		file string
		want string
	}{
		{"thin", string(apple), "darwin/arm64"},
		{"universal", universal(intel, apple), "darwin/amd64+arm64"},
		{"universal with one processor twice", universal(apple, apple, intel), "darwin/arm64+amd64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := openBytes(t, []byte(c.file))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Needs.String(); got != c.want || f.Kind != artifact.MachO {
				t.Errorf("%s, %s; want %s", f.Kind, got, c.want)
			}
		})
	}
}

func TestDamagedHeadersAreRefused(t *testing.T) {
	t.Parallel()
	sound := tinyELF{interpreter: "/lib64/ld-linux-x86-64.so.2", versions: []string{"GLIBC_2.34"}}.bytes()
	mac := tinyMachO(macho.CpuArm64, macho.TypeExec)
	both := []byte(universal(mac, tinyMachO(macho.CpuAmd64, macho.TypeExec)))
	for _, c := range []struct {
		name string
		file []byte
		what string
	}{
		{"four bytes", sound[:4], "ends within its first header"},
		{"half a header", sound[:40], "ends within its first header"},
		{"cut short", sound[:len(sound)-1], "is cut short: its headers speak of 4096 bytes, it has 4095"},
		{"no such class", forged(sound, elf.EI_CLASS, 9), "is a damaged ELF"},
		{"no such byte order", forged(sound, elf.EI_DATA, 9), "is a damaged ELF"},
		{"no such type", forged(sound, 16, 0x77), "is a damaged ELF"},
		{"an object file", forged(sound, 16, byte(elf.ET_REL)), "is an object file"},
		{"a core dump", forged(sound, 16, byte(elf.ET_CORE)), "is a core dump"},
		{"no program headers", forged(sound, 56, 0, 0), "nothing to load"},
		{"nothing to load", forged(sound, 0x40, 6), "nothing to load"},
		{"65,535 program headers", forged(sound, 56, 0xff, 0xff), "too many program headers"},
		{"program headers of no size", forged(sound, 54, 0, 0), "is a damaged ELF"},
		{"program headers beyond the end", forged(sound, 32, 0, 0, 0, 0x7f), "is a damaged ELF"},
		{"a segment beyond the end", forged(sound, 0x40+32, 0xff, 0xff, 0xff), "is cut short"},
		{"a segment that wraps around", forged(sound, 0x40+8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "is a damaged ELF"},
		{"a section table beyond the end", forged(sound, 40, 0, 0x20), "is cut short"},
		{"a section table that wraps around", forged(sound, 40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 3, 0), "is cut short"},
		{"Mach-O, half a header", mac[:20], "it has no header"},
		{"Mach-O, cut short", mac[:len(mac)-1], "is cut short"},
		{"Mach-O, no commands", mac[:40], "is cut short"},
		{"Mach-O, a gigabyte of commands", forged(mac, 20, 0, 0, 0, 0x40), "too many load commands"},
		{"Mach-O, a command of no size", forged(mac, 36, 0, 0, 0, 0), "a load command has a wrong size"},
		{"Mach-O, a command that ends beyond all", forged(mac, 36, 0xff), "a load command has a wrong size"},
		{"Mach-O, a segment that wraps around", forged(mac, 32+40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "is cut short"},
		{"Mach-O, object file", tinyMachO(macho.CpuArm64, macho.TypeObj), "is an object file"},
		{"Mach-O, shared library", tinyMachO(macho.CpuArm64, macho.TypeDylib), "is a shared library"},
		{"Mach-O, bundle", tinyMachO(macho.CpuArm64, macho.TypeBundle), "is a shared library"},
		{"Mach-O, no such type", tinyMachO(macho.CpuArm64, 99), "is a damaged Mach-O"},
		{"Mach-O, no such processor", tinyMachO(99, macho.TypeExec), "is a damaged Mach-O"},
		{"universal, cut short", both[:len(both)-1], "is cut short"},
		{"universal, within its header", both[:20], "ends within its first header"},
		{"universal, more slices than there are", forged(both, 7, 42), "it has no header"},
		{"universal, a slice that is none", forged(both, 0x4000, 0), "it has no header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := openBytes(t, c.file)
			refused(t, err, artifact.ErrFormat, c.what, "")
		})
	}
}

func TestForgedTablesAreReadToABound(t *testing.T) {
	t.Parallel()
	versions := make([]string, 40)
	for i := range versions {
		versions[i] = "GLIBC_2.34"
	}
	sound := tinyELF{interpreter: "/lib64/ld-linux-x86-64.so.2", versions: versions}.bytes()
	endless := strings.Replace(string(sound), "\x01\x00\x28\x00", "\x01\x00\xff\xff", 1) // 65,535 versions of one library
	if endless == string(sound) {
		t.Fatal("the table of versions was not found")
	}
	f, err := openBytes(t, []byte(endless))
	if err != nil {
		t.Fatal(err)
	}
	if f.Needs.LibcVersion != "2.34" {
		t.Errorf("needs %+v", f.Needs)
	}
}

func sameNeeds(t *testing.T, got, want artifact.Needs) {
	t.Helper()
	if got.OS != want.OS || got.Archs[0] != want.Archs[0] || len(got.Archs) != 1 || got.ARM != want.ARM ||
		got.Interpreter != want.Interpreter || got.Libc != want.Libc || got.LibcVersion != want.LibcVersion {
		t.Errorf("needs %+v\nwant  %+v", got, want)
	}
}
