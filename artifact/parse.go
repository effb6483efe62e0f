package artifact

import (
	"fmt"
	"slices"
	"strings"
)

// builtSystems and builtArchs are what Go builds for, as far as daemons run there.
var (
	builtSystems = []string{"linux", "darwin", "freebsd", "openbsd", "netbsd", "dragonfly", "solaris", "illumos", "aix", "windows"}
	builtArchs   = []string{
		"amd64", "arm64", "arm", "386", "riscv64", "ppc64le", "ppc64", "s390x", "loong64", "mips", "mipsle", "mips64", "mips64le",
	}
)

// ParsePlatform reads how a user writes a platform: os/arch or os/arch/libc, in Go's words, as in
// linux/arm64 or linux/amd64/musl. The arch may be armv5, armv6 or armv7.
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return Platform{}, fmt.Errorf("%q is not a platform: it is os/arch or os/arch/libc, as in linux/arm64", s)
	}
	p := Platform{OS: parts[0], Arch: parts[1]}
	if !slices.Contains(builtSystems, p.OS) {
		return Platform{}, fmt.Errorf("%q is not a platform: the system is one of %s", s, strings.Join(builtSystems, ", "))
	}
	if version, ok := strings.CutPrefix(p.Arch, "armv"); ok && ParseARM(p.Arch) == version {
		p.Arch, p.ARM = "arm", version
	}
	if !slices.Contains(builtArchs, p.Arch) {
		return Platform{}, fmt.Errorf("%q is not a platform: the architecture is one of %s, armv5 to armv7", s, strings.Join(builtArchs, ", "))
	}
	if len(parts) == 3 {
		if p.Libc = parts[2]; p.OS != "linux" || p.Libc != "glibc" && p.Libc != "musl" {
			return Platform{}, fmt.Errorf("%q is not a platform: the C library is glibc or musl, of linux", s)
		}
	}
	return p, nil
}
