package artifact_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/internal/testhost"
)

func TestGoProgramsTellTheirPlatform(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		os, arch, arm string
		kind          artifact.Kind
	}{
		{"linux", "amd64", "", artifact.ELF},
		{"linux", "arm64", "", artifact.ELF},
		{"linux", "386", "", artifact.ELF},
		{"linux", "arm", "5", artifact.ELF},
		{"linux", "arm", "7", artifact.ELF},
		{"darwin", "amd64", "", artifact.MachO},
		{"darwin", "arm64", "", artifact.MachO},
	} {
		t.Run(c.os+"/"+c.arch+c.arm, func(t *testing.T) {
			t.Parallel()
			path := goProgram(t, "GOOS="+c.os, "GOARCH="+c.arch, "GOARM="+c.arm)
			f := open(t, path)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if f.Kind != c.kind || f.Size != info.Size() || f.Path != path || f.Name() != "hello" {
				t.Errorf("kind %s, size %d, path %s, name %s; want %s, %d, %s, hello",
					f.Kind, f.Size, f.Path, f.Name(), c.kind, info.Size(), path)
			}
			want := artifact.Needs{OS: c.os, Archs: []string{c.arch}, ARM: c.arm, GoVersion: runtime.Version()}
			if !reflect.DeepEqual(f.Needs, want) {
				t.Errorf("needs %+v, want %+v", f.Needs, want)
			}
			cutShortIsRefused(t, path)
		})
	}
}

// cutShortIsRefused cuts the executable at path at many places.
func cutShortIsRefused(t *testing.T, path string) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{5, 16, 40, 63, 64, 200, 4096, len(whole) / 2, len(whole) * 9 / 10, len(whole) - 1} {
		cut := write(t, t.TempDir(), "cut", string(whole[:n]))
		if _, err := artifact.Open(cut); !errors.Is(err, artifact.ErrFormat) {
			t.Errorf("cut to %d of %d bytes: error %v, want ErrFormat", n, len(whole), err)
		}
	}
}

func TestAWindowsProgramIsRefused(t *testing.T) {
	t.Parallel()
	_, err := artifact.Open(goProgram(t, "GOOS=windows", "GOARCH=amd64"))
	refused(t, err, artifact.ErrFormat, "is a Windows program", "GOOS=linux go build")
}

func TestAUniversalProgramNamesItsArchitectures(t *testing.T) {
	t.Parallel()
	intel, err := os.ReadFile(goProgram(t, "GOOS=darwin", "GOARCH=amd64"))
	if err != nil {
		t.Fatal(err)
	}
	apple, err := os.ReadFile(goProgram(t, "GOOS=darwin", "GOARCH=arm64"))
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, write(t, t.TempDir(), "both", universal(intel, apple)))
	if got := f.Needs.String(); f.Kind != artifact.MachO || got != "darwin/amd64+arm64" {
		t.Errorf("kind %s, needs %s", f.Kind, got)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if err := f.Fits(artifact.Platform{OS: "darwin", Arch: arch}); err != nil {
			t.Errorf("%s: %v", arch, err)
		}
	}
	cutShortIsRefused(t, f.Path)
}

// native are the names by which C programs are checked on the machine that runs the tests.
func native(t *testing.T) (interpreter string) {
	t.Helper()
	interpreter = map[string]string{
		"amd64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1",
	}[runtime.GOARCH]
	if runtime.GOOS != "linux" || interpreter == "" {
		t.Skip("SKIPPED, NOT TESTED: C programs are built for linux/amd64 and linux/arm64 only")
	}
	return interpreter
}

const hello = "#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n"

func TestADynamicCProgramNamesItsLibraryAndVersion(t *testing.T) {
	t.Parallel()
	interpreter := native(t)
	f := open(t, cProgram(t, hello))
	n := f.Needs
	if n.OS != "linux" || n.Archs[0] != runtime.GOARCH || n.Interpreter != interpreter || n.Libc != "glibc" || n.GoVersion != "" {
		t.Errorf("needs %+v", n)
	}
	if want := newestGLIBC(t, f.Path); n.LibcVersion != want {
		t.Errorf("glibc %q, objdump says %q", n.LibcVersion, want)
	}
	cutShortIsRefused(t, f.Path)
}

// newestGLIBC asks binutils, which comes with gcc, for the versions that a program wants.
func newestGLIBC(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command(testhost.Need(t, "objdump"), "-p", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	newest := ""
	for word := range strings.FieldsSeq(string(out)) {
		if v, ok := strings.CutPrefix(word, "GLIBC_"); ok && artifact.CompareVersions(v, newest) > 0 {
			newest = v
		}
	}
	if newest == "" {
		t.Fatalf("objdump finds no version in %s", path)
	}
	return newest
}

func TestAStaticCProgramNeedsNoLibrary(t *testing.T) {
	t.Parallel()
	native(t)
	for name, flag := range map[string]string{"static": "-static", "position-independent": "-static-pie"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := open(t, cProgram(t, hello, flag)).Needs
			if want := (artifact.Needs{OS: "linux", Archs: []string{runtime.GOARCH}}); !reflect.DeepEqual(n, want) {
				t.Errorf("needs %+v, want %+v", n, want)
			}
		})
	}
}

func TestWhatIsNoProgramYetIsRefused(t *testing.T) {
	t.Parallel()
	native(t)
	for _, c := range []struct {
		name  string
		flags []string
		what  string
		hint  string
	}{
		{"object file", []string{"-c"}, "is an object file", "link it into a program first"},
		{"shared library", []string{"-shared", "-fPIC"}, "is a shared library", "name the program that uses it"},
		{"shared library with a name", []string{"-shared", "-fPIC", "-Wl,-soname,libhello.so.1"}, "is a shared library", "name the program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := artifact.Open(cProgram(t, hello, c.flags...))
			refused(t, err, artifact.ErrFormat, c.what, c.hint)
		})
	}
}

func TestThisTestIsAProgramThatFitsHere(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, self)
	if err := f.Fits(artifact.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}); err != nil {
		t.Error(err)
	}
	if f.Needs.GoVersion != runtime.Version() || f.Name() != filepath.Base(self) {
		t.Errorf("needs %+v, name %s", f.Needs, f.Name())
	}
}
