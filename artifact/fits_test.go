package artifact_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/davit-sh/davit/artifact"
)

// The executables and hosts that the table below brings together.
var (
	goARM64  = artifact.Needs{OS: "linux", Archs: []string{"arm64"}, GoVersion: "go1.26.0"}
	goAMD64  = artifact.Needs{OS: "linux", Archs: []string{"amd64"}, GoVersion: "go1.26.0"}
	go386    = artifact.Needs{OS: "linux", Archs: []string{"386"}, GoVersion: "go1.26.0"}
	goARM7   = artifact.Needs{OS: "linux", Archs: []string{"arm"}, ARM: "7", GoVersion: "go1.26.0"}
	goMac    = artifact.Needs{OS: "darwin", Archs: []string{"arm64"}, GoVersion: "go1.26.0"}
	fatMac   = artifact.Needs{OS: "darwin", Archs: []string{"amd64", "arm64"}}
	glibc    = artifact.Needs{OS: "linux", Archs: []string{"amd64"}, Interpreter: "/lib64/ld-linux-x86-64.so.2", Libc: "glibc", LibcVersion: "2.38"}
	cgo      = artifact.Needs{OS: "linux", Archs: []string{"amd64"}, Interpreter: "/lib64/ld-linux-x86-64.so.2", Libc: "glibc", LibcVersion: "2.38", GoVersion: "go1.26.0"}
	glibcARM = artifact.Needs{OS: "linux", Archs: []string{"arm64"}, Interpreter: "/lib/ld-linux-aarch64.so.1", Libc: "glibc", LibcVersion: "2.17"}
	glibc386 = artifact.Needs{OS: "linux", Archs: []string{"386"}, Interpreter: "/lib/ld-linux.so.2", Libc: "glibc", LibcVersion: "2.17"}
	musl     = artifact.Needs{OS: "linux", Archs: []string{"amd64"}, Interpreter: "/lib/ld-musl-x86_64.so.1", Libc: "musl"}
	script   = artifact.Needs{Interpreter: "/bin/sh"}

	bookworm = artifact.Platform{OS: "linux", Arch: "amd64", LongBit: "64", Libc: "glibc", LibcVersion: "2.36"}
	bullseye = artifact.Platform{OS: "linux", Arch: "amd64", LongBit: "64", Libc: "glibc", LibcVersion: "2.31-13+deb11u5"}
	trixie   = artifact.Platform{OS: "linux", Arch: "amd64", LongBit: "64", Libc: "glibc", LibcVersion: "2.41"}
	alpine   = artifact.Platform{OS: "linux", Arch: "amd64", LongBit: "64", Libc: "musl", LibcVersion: "1.2.5"}
	pi64     = artifact.Platform{OS: "linux", Arch: "arm64", ARM: "7", LongBit: "64", Libc: "glibc", LibcVersion: "2.36"}
	pi32     = artifact.Platform{OS: "linux", Arch: "arm64", ARM: "7", LongBit: "32", Libc: "glibc", LibcVersion: "2.36"}
	piZero   = artifact.Platform{OS: "linux", Arch: "arm", ARM: "6", LongBit: "32", Libc: "glibc", LibcVersion: "2.36"}
	macMini  = artifact.Platform{OS: "darwin", Arch: "arm64", LongBit: "64"}
	freebsd  = artifact.Platform{OS: "freebsd", Arch: "amd64", LongBit: "64"}
)

func TestFits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		needs  artifact.Needs
		host   artifact.Platform
		reason string // "" if it fits
		hint   string
	}{
		{"the same platform", goAMD64, bookworm, "", ""},
		{"a static program on musl", goAMD64, alpine, "", ""},
		{"a script anywhere", script, macMini, "", ""},
		{"a host of which nothing is known", cgo, artifact.Platform{}, "", ""},
		{"a static 386 program on amd64", go386, bookworm, "", ""},
		{"a static 64-bit program on a 64-bit kernel that carries 32-bit programs", goARM64, pi32, "", ""},
		{"an ARM program on such a kernel", goARM7, pi32, "", ""},
		{"a universal program", fatMac, macMini, "", ""},
		{"an older glibc is wanted than there is", glibc, trixie, "", ""},
		{"glibc of a version that is not known", glibc, artifact.Platform{OS: "linux", Arch: "amd64", Libc: "glibc"}, "", ""},
		{"a C library that is not known", glibc, artifact.Platform{OS: "linux", Arch: "amd64"}, "", ""},
		{"musl on musl", musl, alpine, "", ""},

		{
			"another architecture", goARM64, bookworm,
			"worker is built for linux/arm64, the host is linux/amd64", "GOOS=linux GOARCH=amd64 go build",
		},
		{
			"another architecture, not Go", glibcARM, bookworm,
			"worker is built for linux/arm64, the host is linux/amd64",
			"build it for linux/amd64; in Rust: cargo build --release --target x86_64-unknown-linux-musl",
		},
		{
			"another system", goMac, pi64,
			"worker is built for darwin/arm64, the host is linux/arm64", "GOOS=linux GOARCH=arm64 go build",
		},
		{
			"another system, universal", fatMac, freebsd,
			"worker is built for darwin/amd64+arm64, the host is freebsd/amd64",
			"build it for freebsd/amd64; in Rust: cargo build --release --target x86_64-unknown-freebsd",
		},
		{
			"another system, of unknown architecture", goMac,
			artifact.Platform{OS: "linux"},
			"worker is built for darwin/arm64, the host is linux", "GOOS=linux go build",
		},
		{
			"a host that Rust has no target for", glibc,
			artifact.Platform{OS: "linux", Arch: "s390x"},
			"worker is built for linux/amd64, the host is linux/s390x", "build it for linux/s390x",
		},
		{
			"a dynamic 64-bit program where programs are 32-bit", glibcARM, pi32,
			"worker is built for linux/arm64, the host is linux/arm", "build it for linux/arm",
		},
		{
			"a dynamic 386 program on amd64", glibc386, bookworm,
			"worker is built for linux/386, the host is linux/amd64", "build it for linux/amd64; in Rust",
		},
		{
			"a 64-bit program on a 32-bit kernel", goARM64, piZero,
			"worker is built for linux/arm64, the host is linux/arm", "GOOS=linux GOARCH=arm GOARM=6 go build",
		},
		{
			"a newer ARM", goARM7, piZero,
			"worker is built for ARMv7, the host is ARMv6", "GOOS=linux GOARCH=arm GOARM=6 go build",
		},
		{
			"glibc on musl", glibc, alpine,
			"worker is linked against glibc (/lib64/ld-linux-x86-64.so.2), the host has musl",
			"build it statically, or on a system with musl; in Rust: cargo build --release --target x86_64-unknown-linux-musl",
		},
		{
			"cgo on musl", cgo, alpine,
			"worker is linked against glibc (/lib64/ld-linux-x86-64.so.2), the host has musl",
			"CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build",
		},
		{
			"musl on glibc", musl, bookworm,
			"worker is linked against musl (/lib/ld-musl-x86_64.so.1), the host has glibc",
			"build it statically, or on a system with glibc; in Rust",
		},
		{
			"a newer glibc", glibc, bullseye,
			"worker wants GLIBC_2.38, the host has 2.31-13+deb11u5",
			"build it statically, or on a system with glibc 2.31-13+deb11u5 or older; in Rust",
		},
		{
			"a newer glibc, cgo", cgo, bookworm,
			"worker wants GLIBC_2.38, the host has 2.36", "CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &artifact.File{Path: "/tmp/worker", Needs: c.needs}
			err := f.Fits(c.host)
			if c.reason == "" {
				if err != nil {
					t.Errorf("%s on %+v: %v", c.needs, c.host, err)
				}
				return
			}
			m, ok := errors.AsType[*artifact.MismatchError](err)
			if !ok || !errors.Is(err, artifact.ErrPlatform) || m.Path != f.Path || m.Host != c.host {
				t.Fatalf("error %#v, want a *MismatchError of kind ErrPlatform", err)
			}
			if err.Error() != c.reason {
				t.Errorf("reason %q\nwant   %q", err, c.reason)
			}
			if !strings.HasPrefix(m.Hint, c.hint) {
				t.Errorf("hint %q\nwant %q", m.Hint, c.hint)
			}
		})
	}
}

func TestPlatformsAreNamedInGosWords(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]artifact.Platform{
		"linux/amd64": bookworm, "linux/arm64": pi64, "linux/arm": pi32, "darwin/arm64": macMini,
		"linux": {OS: "linux"}, "arm64": {Arch: "arm64"}, "unknown": {},
		"linux/386": {OS: "linux", Arch: "amd64", LongBit: "32"}, "linux/riscv64": {OS: "linux", Arch: "riscv64", LongBit: "32"},
	} {
		if got := p.String(); got != want {
			t.Errorf("%+v is named %s, want %s", p, got, want)
		}
	}
}
