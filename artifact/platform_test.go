package artifact_test

import (
	"testing"

	"github.com/davit-sh/davit/artifact"
	"pgregory.net/rapid"
)

func TestParseUname(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sysname, machine, os, arch, arm string }{
		{"Linux", "x86_64", "linux", "amd64", ""},
		{"Linux\n", " aarch64\n", "linux", "arm64", "7"},
		{"Linux", "i686", "linux", "386", ""},
		{"Linux", "armv5tejl", "linux", "arm", "5"},
		{"Linux", "armv6l", "linux", "arm", "6"},
		{"Linux", "armv7l", "linux", "arm", "7"},
		{"Linux", "armv8l", "linux", "arm", "7"},
		{"Linux", "armv7b", "linux", "", ""},
		{"Linux", "riscv64", "linux", "riscv64", ""},
		{"Linux", "ppc64le", "linux", "ppc64le", ""},
		{"Linux", "s390x", "linux", "s390x", ""},
		{"Linux", "loongarch64", "linux", "loong64", ""},
		{"Linux", "mips64", "linux", "", ""}, // of either byte order
		{"Darwin", "arm64", "darwin", "arm64", "7"},
		{"Darwin", "x86_64", "darwin", "amd64", ""},
		{"FreeBSD", "amd64", "freebsd", "amd64", ""},
		{"SunOS", "i86pc", "solaris", "", ""},
		{"MINGW64_NT-10.0-19045", "x86_64", "windows", "amd64", ""},
		{"CYGWIN_NT-10.0", "x86_64", "windows", "amd64", ""},
		{"Plan9", "z80", "", "", ""},
		{"", "", "", "", ""},
	} {
		if os, arch := artifact.ParseUname(c.sysname, c.machine); os != c.os || arch != c.arch {
			t.Errorf("ParseUname(%q, %q) = %q, %q; want %q, %q", c.sysname, c.machine, os, arch, c.os, c.arch)
		}
		if arm := artifact.ParseARM(c.machine); arm != c.arm {
			t.Errorf("ParseARM(%q) = %q, want %q", c.machine, arm, c.arm)
		}
	}
}

func TestVersionsAreComparedByNumber(t *testing.T) {
	t.Parallel()
	ascending := []string{"", "1", "2", "2.2", "2.2.5", "2.4", "2.17", "2.31", "2.31.1", "2.38", "10.0"}
	for i, a := range ascending {
		for j, b := range ascending {
			if got, want := artifact.CompareVersions(a, b), min(1, max(-1, i-j)); got != want {
				t.Errorf("%q against %q = %d, want %d", a, b, got, want)
			}
		}
	}
	for _, c := range [][2]string{
		{"2.31", "2.31-13+deb11u5"},
		{"2.39", "2.39 (Ubuntu GLIBC 2.39-0ubuntu8)"},
		{"", "stable"},
		{"02.31", "2.31"},
		{"99999999999999999999", ""}, // no number that counts
	} {
		if got := artifact.CompareVersions(c[0], c[1]); got != 0 {
			t.Errorf("%q against %q = %d, want 0", c[0], c[1], got)
		}
	}
}

func TestComparisonOfVersionsIsAnOrder(t *testing.T) {
	t.Parallel()
	version := rapid.StringMatching(`[0-3.a-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := version.Draw(t, "a"), version.Draw(t, "b"), version.Draw(t, "c")
		if artifact.CompareVersions(a, b) != -artifact.CompareVersions(b, a) {
			t.Errorf("%q and %q", a, b)
		}
		if artifact.CompareVersions(a, b) <= 0 && artifact.CompareVersions(b, c) <= 0 && artifact.CompareVersions(a, c) > 0 {
			t.Errorf("%q, %q and %q", a, b, c)
		}
	})
}
