package artifact

import (
	"cmp"
	"strconv"
	"strings"
)

// Platform is what a look at a host found. An empty field is not known, and refuses nothing.
type Platform struct {
	OS          string // Go name: linux, darwin, freebsd …
	Arch        string // Go name of what the kernel runs; see GOARCH
	ARM         string // the highest GOARM that an arm host runs: 5, 6 or 7
	LongBit     string // "32" or "64", from getconf LONG_BIT: the width of the host's programs
	Libc        string // glibc or musl
	LibcVersion string // 2.31, or with a distribution's suffix: 2.31-13+deb11u5
}

// narrow are the 32-bit companions of architectures whose kernels run both.
var narrow = map[string]string{"arm64": "arm", "amd64": "386"}

// GOARCH returns the architecture to build for: Arch, or its 32-bit companion where a 64-bit
// kernel carries 32-bit programs, as on many a Raspberry Pi.
func (p Platform) GOARCH() string {
	if small := narrow[p.Arch]; small != "" && p.LongBit == "32" {
		return small
	}
	return p.Arch
}

// String names the platform in Go's words: linux/amd64.
func (p Platform) String() string {
	if p.OS == "" || p.Arch == "" {
		return cmp.Or(p.OS+p.GOARCH(), "unknown")
	}
	return p.OS + "/" + p.GOARCH()
}

// systems are Go's names by what uname -s prints, in lower case.
var systems = map[string]string{
	"linux": "linux", "darwin": "darwin", "freebsd": "freebsd", "openbsd": "openbsd", "netbsd": "netbsd",
	"dragonfly": "dragonfly", "sunos": "solaris", "aix": "aix",
}

// processors are Go's names by what uname -m prints, in lower case. MIPS is missing on
// purpose: uname does not tell its byte order.
var processors = map[string]string{
	"x86_64": "amd64", "amd64": "amd64", "i386": "386", "i486": "386", "i586": "386", "i686": "386", "x86": "386",
	"aarch64": "arm64", "arm64": "arm64", "arm64e": "arm64",
	"riscv64": "riscv64", "riscv": "riscv64", // FreeBSD names the family
	"ppc64le": "ppc64le", "powerpc64le": "ppc64le", "ppc64": "ppc64", "powerpc64": "ppc64",
	"s390x": "s390x", "loongarch64": "loong64",
}

// ParseUname returns Go's names for what uname -s and uname -m print. A name that it does not
// know becomes "", which refuses nothing.
func ParseUname(sysname, machine string) (os, arch string) {
	sysname, machine = tidy(sysname), tidy(machine)
	os, arch = systems[sysname], processors[machine]
	for _, windows := range []string{"mingw", "msys", "cygwin", "windows"} {
		if strings.HasPrefix(sysname, windows) {
			os = "windows"
		}
	}
	if arch == "" && ParseARM(machine) != "" {
		arch = "arm"
	}
	return os, arch
}

// ParseARM returns the highest GOARM that a machine runs, by what uname -m prints: armv6l gives
// "6", aarch64 gives "7" for its 32-bit programs. It is "" for a machine that is not ARM, or does not say.
func ParseARM(machine string) string {
	switch machine = tidy(machine); {
	case strings.HasSuffix(machine, "b"): // armv7b is big-endian
		return ""
	case strings.HasPrefix(machine, "armv5"):
		return "5"
	case strings.HasPrefix(machine, "armv6"):
		return "6"
	case strings.HasPrefix(machine, "armv7"), strings.HasPrefix(machine, "armv8"), processors[machine] == "arm64":
		return "7"
	}
	return ""
}

func tidy(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// compareVersions compares dotted numbers by number: 2.4 is before 2.38. What follows the
// numbers does not count; no number at all is before every other.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y int
		x, a = number(a)
		y, b = number(b)
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// number takes the first of dotted numbers off s: its value, or -1 if there is none.
func number(s string) (value int, rest string) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	value, err := strconv.Atoi(s[:digits])
	if err != nil {
		return -1, ""
	}
	rest, more := strings.CutPrefix(s[digits:], ".")
	if !more {
		return value, ""
	}
	return value, rest
}

// isVersion says whether s begins with a number.
func isVersion(s string) bool {
	n, _ := number(s)
	return n >= 0
}
