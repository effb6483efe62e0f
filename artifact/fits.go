package artifact

import (
	"fmt"
	"slices"
	"strings"
)

// Fits returns nil if a host of platform p can run the file as far as both are known, else a
// [*MismatchError] that says why not and what to build instead.
func (f *File) Fits(p Platform) error {
	for _, check := range []func(Needs, Platform) (reason, hint string){
		fitsPlatform, fitsARM, fitsLibc, fitsLibcVersion,
	} {
		if reason, hint := check(f.Needs, p); reason != "" {
			return &MismatchError{Path: f.Path, Needs: f.Needs, Host: p, Reason: f.Name() + " " + reason, Hint: hint}
		}
	}
	return nil
}

func fitsPlatform(n Needs, p Platform) (reason, hint string) {
	if known(n.OS, p.OS) && n.OS != p.OS || !fitsArch(n, p) {
		return fmt.Sprintf("is built for %s, the host is %s", n, p), n.rebuild(p)
	}
	return "", ""
}

func fitsArch(n Needs, p Platform) bool {
	if len(n.Archs) == 0 || p.Arch == "" {
		return true
	}
	return slices.ContainsFunc(n.Archs, func(arch string) bool { return p.runs(arch, n.static()) })
}

// runs says whether the host starts programs of an architecture. A static one needs only the
// kernel: it may be as wide as that, or be 386 on amd64. A dynamic one needs the libraries of
// its kind, and macOS may lack Rosetta: those are held to the host's own.
func (p Platform) runs(arch string, static bool) bool {
	if arch == p.GOARCH() {
		return true
	}
	return static && (arch == p.Arch || arch == "386" && p.Arch == "amd64")
}

func fitsARM(n Needs, p Platform) (reason, hint string) {
	if known(n.ARM, p.ARM) && compareVersions(n.ARM, p.ARM) > 0 {
		return fmt.Sprintf("is built for ARMv%s, the host is ARMv%s", n.ARM, p.ARM), n.rebuild(p)
	}
	return "", ""
}

func fitsLibc(n Needs, p Platform) (reason, hint string) {
	if !known(n.Libc, p.Libc) || n.Libc == p.Libc {
		return "", ""
	}
	reason = fmt.Sprintf("is linked against %s (%s), the host has %s", n.Libc, n.Interpreter, p.Libc)
	return reason, n.relink(p, "build it statically, or on a system with "+p.Libc)
}

func fitsLibcVersion(n Needs, p Platform) (reason, hint string) {
	if n.Libc != "glibc" || p.Libc != "glibc" || n.LibcVersion == "" || !isVersion(p.LibcVersion) ||
		compareVersions(n.LibcVersion, p.LibcVersion) <= 0 {
		return "", ""
	}
	reason = fmt.Sprintf("wants GLIBC_%s, the host has %s", n.LibcVersion, p.LibcVersion)
	return reason, n.relink(p, "build it statically, or on a system with glibc "+p.LibcVersion+" or older")
}

// known says whether both sides of a comparison are.
func known(need, have string) bool { return need != "" && have != "" }

// rebuild says how to build the same program for another platform.
func (n Needs) rebuild(p Platform) string {
	if n.GoVersion != "" {
		return goBuild(p)
	}
	return "build it for " + p.String() + cargoBuild(p)
}

// relink says how to build the same program free of the host's C library.
func (n Needs) relink(p Platform, otherwise string) string {
	if n.GoVersion != "" {
		return "CGO_ENABLED=0 " + goBuild(p)
	}
	return otherwise + cargoBuild(p)
}

func goBuild(p Platform) string {
	var env []string
	for _, v := range []struct{ name, value string }{{"GOOS", p.OS}, {"GOARCH", p.GOARCH()}, {"GOARM", p.ARM}} {
		if v.value != "" && (v.name != "GOARM" || p.GOARCH() == "arm") {
			env = append(env, v.name+"="+v.value)
		}
	}
	return strings.Join(append(env, "go build"), " ")
}

// targets are Rust's names by platform; on Linux those that need no C library of the host.
var targets = map[string]string{
	"linux/amd64": "x86_64-unknown-linux-musl", "linux/arm64": "aarch64-unknown-linux-musl",
	"linux/386": "i686-unknown-linux-musl", "darwin/amd64": "x86_64-apple-darwin",
	"darwin/arm64": "aarch64-apple-darwin", "freebsd/amd64": "x86_64-unknown-freebsd",
}

// cargoBuild returns the command for a Rust program, as the end of a hint; nothing in a file
// that a host reads tells Rust from C.
func cargoBuild(p Platform) string {
	if target := targets[p.String()]; target != "" {
		return "; in Rust: cargo build --release --target " + target
	}
	return ""
}
