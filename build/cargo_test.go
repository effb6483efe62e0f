package build

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

const rustMain = "fn main() { println!(\"at work\"); }\n"

// cargoToml is the manifest of a package, with more at its end.
func cargoToml(name, more string) string {
	return fmt.Sprintf("[package]\nname = %q\nversion = \"0.1.0\"\nedition = \"2021\"\n%s", name, more)
}

// crate is a package with these programs, of which main.rs has the name of the package.
func crate(name, more string, programs ...string) map[string]string {
	files := map[string]string{"Cargo.toml": cargoToml(name, more)}
	for _, p := range programs {
		if p != "main" {
			p = "bin/" + p
		}
		files["src/"+p+".rs"] = rustMain
	}
	return files
}

// workspace is one of these packages, each in the folder of its name.
func workspace(more string, crates map[string]map[string]string) map[string]string {
	all := map[string]string{}
	var members []string
	for folder, files := range crates {
		members = append(members, fmt.Sprintf("%q", folder))
		for name, text := range files {
			all[filepath.Join(folder, name)] = text
		}
	}
	slices.Sort(members)
	all["Cargo.toml"] = more + "[workspace]\nresolver = \"2\"\nmembers = [" + strings.Join(members, ", ") + "]\n"
	return all
}

func needCargo(t testing.TB) {
	testhost.Need(t, "cargo")
	testhost.Need(t, "rustc")
}

func TestCargoBuildsForThisMachine(t *testing.T) {
	t.Parallel()
	needCargo(t)
	dir := tree(t, crate("worker", "", "main"))
	for i, want := range []bool{false, true, false} {
		if i == 2 {
			write(t, filepath.Join(dir, "src/main.rs"), strings.Replace(rustMain, "at work", "at work again", 1))
		}
		b := builder(t, Recipe{Dir: dir})
		ctx, rec := told(t)
		o, err := b.Build(ctx, here)
		if err != nil {
			t.Fatal(err)
		}
		triple := b.maker.(*cargo).native
		if i == 0 && !strings.Contains(strings.Join(printed(rec), "\n"), "Compiling worker v0.1.0") {
			t.Errorf("printed %q", printed(rec))
		}
		if got := rec.Events()[1].Message; !strings.HasSuffix(got, ": cargo build --package worker --bin worker --target "+triple+" --profile release") {
			t.Errorf("told %q", got)
		}
		if o.Cached != want || o.Tool != "cargo" || o.File.Path != filepath.Join(dir, "target", triple, "release", "worker") {
			t.Errorf("run %d: %+v, %s", i, o, o.File.Path)
		}
		if got := says(t, o); got != "at work" && i < 2 || got != "at work again" && i == 2 {
			t.Errorf("run %d: it says %q", i, got)
		}
		if o.File.Needs.String() != here.String() {
			t.Errorf("built for %s", o.File.Needs)
		}
	}
}

func TestCargoHeedsItsOptions(t *testing.T) {
	t.Parallel()
	needCargo(t)
	files := crate("worker", "[features]\ndefault = [\"plain\"]\nplain = []\nfast = []\nfine = []\n[profile.small]\ninherits = \"release\"\n", "main")
	files["src/main.rs"] = `fn main() { println!("plain {} fast {} fine {} debug {}", cfg!(feature = "plain"), cfg!(feature = "fast"), cfg!(feature = "fine"), cfg!(debug_assertions)); }`
	dir := tree(t, files)
	for _, tc := range []struct {
		name, says, folder string
		cargo              Cargo
	}{
		{"features", "plain true fast true fine true debug false", "release", Cargo{Features: []string{"fast", "fine"}}},
		{"no default features", "plain false fast false fine false debug false", "release", Cargo{NoDefaultFeatures: true}},
		{"the profile of development", "plain true fast false fine false debug true", "debug", Cargo{Profile: "dev"}},
		{"the profile of benchmarks", "plain true fast false fine false debug false", "release", Cargo{Profile: "bench"}},
		{"a profile of its own", "plain true fast false fine false debug false", "small", Cargo{Profile: "small"}},
	} {
		o := build(t, builder(t, Recipe{Dir: dir, Cargo: &tc.cargo}), here)
		if got := says(t, o); got != tc.says || filepath.Base(filepath.Dir(o.File.Path)) != tc.folder {
			t.Errorf("%s: it says %q; %s", tc.name, got, o.File.Path)
		}
	}
	_, err := builder(t, Recipe{Dir: dir, Cargo: &Cargo{Features: []string{"none"}}}).Build(quiet(t), here)
	refused(t, err, ErrFailed, "cargo build failed (exit status 101): error: ", "")
}

func TestCargoHeedsTheTargetDirectory(t *testing.T) {
	needCargo(t)
	files := crate("worker", "", "main")
	t.Run("of the recipe", func(t *testing.T) {
		t.Parallel()
		target := filepath.Join(t.TempDir(), "the target")
		o := build(t, builder(t, Recipe{Dir: tree(t, files), Env: []string{"CARGO_TARGET_DIR=" + target}}), here)
		if !strings.HasPrefix(o.File.Path, target+"/") || says(t, o) != "at work" {
			t.Errorf("it is at %s", o.File.Path)
		}
	})
	t.Run("of the configuration, relative to that", func(t *testing.T) {
		t.Parallel()
		dir := tree(t, files)
		write(t, filepath.Join(dir, ".cargo/config.toml"), "[build]\ntarget-dir = \"elsewhere\"\n")
		o := build(t, builder(t, Recipe{Dir: dir}), here)
		if !strings.HasPrefix(o.File.Path, filepath.Join(dir, "elsewhere")+"/") {
			t.Errorf("it is at %s", o.File.Path)
		}
	})
	t.Run("of our environment", func(t *testing.T) {
		target := t.TempDir()
		t.Setenv("CARGO_TARGET_DIR", target)
		o := build(t, builder(t, Recipe{Dir: tree(t, files)}), here)
		if !strings.HasPrefix(o.File.Path, target+"/") {
			t.Errorf("it is at %s", o.File.Path)
		}
	})
}

func TestWhichProgramInRust(t *testing.T) {
	t.Parallel()
	needCargo(t)
	two := workspace("", map[string]map[string]string{"one": crate("one", "", "worker"), "two": crate("two", "", "worker", "other")})
	for _, tc := range []struct {
		name          string
		files         map[string]string
		dir           string // below
		cargo         *Cargo
		chosen, want  string // want is PACKAGE/BIN
		refusal, hint string
	}{
		{name: "the only one", files: crate("app", "", "main"), chosen: "There is a Cargo.toml, and its one bin is app", want: "app/app"},
		{name: "the one with the name of the daemon", files: crate("app", "", "main", "worker"), chosen: "There is a Cargo.toml, and it has the bin worker", want: "app/worker"},
		{
			name: "the one that cargo run takes", files: crate("app", "default-run = \"b\"\n", "a", "b"), cargo: &Cargo{},
			chosen: "There is a Cargo.toml, and the bin to run is b", want: "app/b",
		},
		{name: "the one that is named", files: crate("app", "default-run = \"b\"\n", "a", "b", "worker"), cargo: &Cargo{Bin: "a"}, want: "app/a"},
		{
			name: "several, and it is not clear", files: crate("app", "", "a", "b"),
			refusal: "there are 2 bins, and which is worker is not clear", hint: "say which in build.cargo.bin: a, b",
		},
		{name: "one that is named and is not there", files: crate("app", "", "a"), cargo: &Cargo{Bin: "c"}, refusal: "there is no bin c", hint: "build.cargo.bin: a"},
		{
			name: "a library", files: map[string]string{"Cargo.toml": cargoToml("app", ""), "src/lib.rs": ""},
			refusal: "there is no bin", hint: "a daemon is a bin: src/main.rs",
		},
		{
			name: "of a workspace the one with the name of the daemon", want: "b/worker", chosen: "There is a Cargo.toml, and it has the bin worker",
			files: workspace("", map[string]map[string]string{"a": crate("a", "", "main"), "b": crate("b", "", "worker"), "c": crate("c", "default-run = \"x\"\n", "x", "y")}),
		},
		{
			name: "several packages have it", files: two,
			refusal: "several packages have a bin worker", hint: "say which in build.cargo.package: one, two",
		},
		{name: "and one of those is named", files: two, cargo: &Cargo{Package: "two"}, want: "two/worker", chosen: "There is a Cargo.toml, and it has the bin worker"},
		{name: "and the directory is that of one of those", files: two, dir: "one", want: "one/worker", chosen: "There is a Cargo.toml, and it has the bin worker"},
		{
			name: "of a workspace the only one of the package in the directory", dir: "b", want: "b/b", chosen: "There is a Cargo.toml, and its one bin is b",
			files: workspace("", map[string]map[string]string{"a": crate("a", "", "x", "y"), "b": crate("b", "", "main")}),
		},
		{name: "a package that is not there", files: two, cargo: &Cargo{Package: "three"}, refusal: "there is no package three", hint: "correct build.cargo.package: one, two"},
		{
			name: "a manifest that is none", files: map[string]string{"Cargo.toml": "[package]\nname = worker\n"},
			refusal: "cargo metadata: error: ", hint: "",
		},
		{name: "no manifest", files: map[string]string{"README": ""}, cargo: &Cargo{}, refusal: "there is no Cargo.toml in", hint: "say in build.dir where it is"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, err := New(t.Context(), Recipe{Name: "worker", Dir: filepath.Join(tree(t, tc.files), tc.dir), Cargo: tc.cargo})
			if tc.refusal != "" {
				refused(t, err, ErrRecipe, tc.refusal, tc.hint)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c := b.maker.(*cargo)
			if got := c.Package + "/" + c.Bin; got != tc.want || b.Chosen() != tc.chosen {
				t.Errorf("%s: %q", got, b.Chosen())
			}
		})
	}
}

func TestASourceInGoAndRust(t *testing.T) {
	t.Parallel()
	needCargo(t)
	both := func(bin, pkg string) map[string]string {
		files := crate(bin, "", "main")
		files["go.mod"], files[pkg] = goMod, goMain
		return files
	}
	for _, tc := range []struct {
		name   string
		files  map[string]string
		chosen string
	}{
		{"the bin has the name", both("worker", "main.go"), "There is a Cargo.toml, and it has the bin worker"},
		{"the bin has another", both("helper", "cmd/worker/main.go"), "There is a go.mod, and the one package main is ./cmd/worker"},
		{"there is no program in Go", both("app", "lib_test.go"), "There is a Cargo.toml, and its one bin is app"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := builder(t, Recipe{Dir: tree(t, tc.files)}).Chosen(); got != tc.chosen {
				t.Errorf("chosen: %s", got)
			}
		})
	}
	t.Run("neither is clear, and the one of Rust is told", func(t *testing.T) {
		t.Parallel()
		files := crate("app", "", "a", "b")
		files["go.mod"] = goMod
		_, err := New(t.Context(), Recipe{Name: "worker", Dir: tree(t, files)})
		refused(t, err, ErrRecipe, "there are 2 bins", "a, b")
	})
}

func TestSourceInGoNeedsNoCargo(t *testing.T) {
	bin := t.TempDir()
	if err := os.Symlink(testhost.Need(t, "go"), filepath.Join(bin, "go")); err != nil {
		t.Fatal(err)
	}
	files := crate("worker", "", "main")
	files["go.mod"], files["main.go"] = goMod, goMain
	b := builder(t, Recipe{Dir: tree(t, files), Env: []string{"PATH=" + bin}})
	if got := b.Chosen(); got != "There is a go.mod, and the one package main is ." {
		t.Errorf("chosen: %s", got)
	}
}

func TestACompileErrorOfRustIsShownAsItIs(t *testing.T) {
	t.Parallel()
	needCargo(t)
	files := crate("worker", "", "main")
	files["src/main.rs"] = "fn main() {\n    nothing();\n}\n"
	ctx, rec := told(t)
	_, err := builder(t, Recipe{Dir: tree(t, files)}).Build(ctx, here)
	e := refused(t, err, ErrFailed, "cargo build failed (exit status 101): error[E0425]: cannot find function `nothing` in this scope", "")
	for _, want := range []string{"error[E0425]: cannot find function `nothing` in this scope", " --> src/main.rs:2:5", "2 |     nothing();"} {
		if !slices.Contains(e.Output, want) {
			t.Errorf("%q is missing in %q", want, e.Output)
		}
	}
	if !slices.Equal(printed(rec), e.Output) {
		t.Errorf("told %q", printed(rec))
	}
}

// fakeRustc returns a folder with a rustc that says to have the library of every target but the missing one.
func fakeRustc(t testing.TB, missing string) string {
	t.Helper()
	bin := t.TempDir()
	write(t, filepath.Join(bin, "rustc"), fmt.Sprintf(`#!/bin/sh
case "$*" in
"--print target-libdir --target "%s) echo /nowhere ;;
"--print target-libdir"*) echo / ;;
*) exec %q "$@" ;;
esac
`, missing, testhost.Need(t, "rustc")))
	return bin
}

func TestARustTargetThatIsNotInstalled(t *testing.T) {
	t.Parallel()
	needCargo(t)
	dir := tree(t, crate("worker", "", "main"))
	bin := fakeRustc(t, "riscv64gc-unknown-linux-musl")
	write(t, filepath.Join(bin, "rustup"), "#!/bin/sh\n")
	host := artifact.Platform{OS: "linux", Arch: "riscv64", Libc: "musl"}
	_, err := builder(t, Recipe{Dir: dir, Env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}}).Build(quiet(t), host)
	e := refused(t, err, ErrTool, "cannot build for riscv64gc-unknown-linux-musl: the target is not installed", "rustup target add riscv64gc-unknown-linux-musl")
	if !strings.HasPrefix(e.Hint, "rustup") {
		t.Errorf("hint %q", e.Hint)
	}

	if err := os.Remove(filepath.Join(bin, "rustup")); err != nil {
		t.Fatal(err)
	}
	cargo := testhost.Need(t, "cargo")
	write(t, filepath.Join(bin, "cargo"), "#!/bin/sh\nexec "+cargo+" \"$@\"\n")
	_, err = builder(t, Recipe{Dir: dir, Env: []string{"PATH=" + bin}}).Build(quiet(t), host)
	refused(t, err, ErrTool, "the target is not installed", "install rustup, https://rustup.rs, and run: rustup target add ")
}

func TestARustTargetThatNobodyKnows(t *testing.T) {
	t.Parallel()
	needCargo(t)
	dir := tree(t, crate("worker", "", "main"))
	_, err := builder(t, Recipe{Dir: dir, Cargo: &Cargo{Target: "pdp11-dec-unix"}}).Build(quiet(t), here)
	refused(t, err, ErrRecipe, "rustc does not know the target pdp11-dec-unix", "correct build.cargo.target")

	b := builder(t, Recipe{Dir: dir})
	_, err = b.Build(quiet(t), artifact.Platform{OS: "plan9", Arch: "amd64"})
	refused(t, err, ErrRecipe, "Rust's name for plan9/amd64 is not known", "build.cargo.target")
	if got := b.Command(artifact.Platform{}); got != "cargo build" {
		t.Errorf("command %q", got)
	}
}

func TestRustupSpeaksForWhatItDoesNotHave(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	for _, name := range []string{"cargo", "rustc"} {
		write(t, filepath.Join(bin, name), "#!/bin/sh\necho \"error: rustup could not choose a version of $0 to run, $SECRET\" >&2; echo 'help: run rustup default stable' >&2; exit 1\n")
	}
	ctx := narrate.WithSecret(quiet(t), "hunter2")
	_, err := New(ctx, Recipe{Name: "worker", Dir: tree(t, crate("worker", "", "main")), Env: []string{"SECRET=hunter2", "PATH=" + bin}})
	e := refused(t, err, ErrTool, "cargo metadata: error: rustup could not choose a version of ", "")
	if len(e.Output) != 2 || e.Output[1] != "help: run rustup default stable" || !strings.HasSuffix(e.Error(), "to run, "+narrate.Mask) {
		t.Errorf("%v; kept %q", e, e.Output)
	}
}

func TestTripleOfAPlatform(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		host artifact.Platform
		want string
	}{
		{platform("amd64"), "x86_64-unknown-linux-gnu"},
		{artifact.Platform{OS: "linux", Arch: "amd64"}, "x86_64-unknown-linux-gnu"},
		{artifact.Platform{OS: "linux", Arch: "amd64", Libc: "musl"}, "x86_64-unknown-linux-musl"},
		{artifact.Platform{OS: "linux", Arch: "amd64", LongBit: "32", Libc: "glibc"}, "i686-unknown-linux-gnu"},
		{platform("386"), "i686-unknown-linux-gnu"},
		{platform("arm64"), "aarch64-unknown-linux-gnu"},
		{artifact.Platform{OS: "linux", Arch: "arm64", Libc: "musl"}, "aarch64-unknown-linux-musl"},
		{artifact.Platform{OS: "linux", Arch: "arm64", LongBit: "32", ARM: "7", Libc: "glibc"}, "armv7-unknown-linux-gnueabihf"},
		{artifact.Platform{OS: "linux", Arch: "arm", ARM: "7", Libc: "glibc"}, "armv7-unknown-linux-gnueabihf"},
		{artifact.Platform{OS: "linux", Arch: "arm", ARM: "7", Libc: "musl"}, "armv7-unknown-linux-musleabihf"},
		{artifact.Platform{OS: "linux", Arch: "arm", ARM: "6", Libc: "glibc"}, "arm-unknown-linux-gnueabihf"},
		{artifact.Platform{OS: "linux", Arch: "arm", ARM: "6", Libc: "musl"}, "arm-unknown-linux-musleabihf"},
		{artifact.Platform{OS: "linux", Arch: "arm", ARM: "5", Libc: "glibc"}, "armv5te-unknown-linux-gnueabi"},
		{artifact.Platform{OS: "linux", Arch: "arm", ARM: "5", Libc: "musl"}, "armv5te-unknown-linux-musleabi"},
		{platform("riscv64"), "riscv64gc-unknown-linux-gnu"},
		{platform("ppc64le"), "powerpc64le-unknown-linux-gnu"},
		{platform("ppc64"), "powerpc64-unknown-linux-gnu"},
		{platform("s390x"), "s390x-unknown-linux-gnu"},
		{platform("loong64"), "loongarch64-unknown-linux-gnu"},
		{artifact.Platform{OS: "darwin", Arch: "arm64"}, "aarch64-apple-darwin"},
		{artifact.Platform{OS: "darwin", Arch: "amd64"}, "x86_64-apple-darwin"},
		{artifact.Platform{OS: "freebsd", Arch: "amd64"}, "x86_64-unknown-freebsd"},
		{artifact.Platform{OS: "openbsd", Arch: "arm64"}, "aarch64-unknown-openbsd"},
		{artifact.Platform{OS: "netbsd", Arch: "amd64"}, "x86_64-unknown-netbsd"},
		{artifact.Platform{OS: "windows", Arch: "amd64"}, "x86_64-pc-windows-gnu"},
		{platform("mips"), ""},
		{artifact.Platform{OS: "aix", Arch: "ppc64"}, ""},
	} {
		got, err := (&cargo{}).triple(tc.host)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%+v: %q, %v; want %q", tc.host, got, err, tc.want)
		}
	}
}

func TestEveryTripleIsOneThatRustKnows(t *testing.T) {
	t.Parallel()
	needCargo(t)
	out, err := exec.Command("rustc", "--print", "target-list").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields(string(out))
	for arch := range rustArchs {
		for _, arm := range []string{"", "5", "6", "7"} {
			if arch = platform(arch).Arch; arm != "" {
				arch = "arm"
			}
			for _, libc := range []string{"", "musl"} {
				if arch == "loong64" || arch == "s390x" && libc == "musl" {
					continue // which older releases of Rust do not have
				}
				triple, err := (&cargo{}).triple(artifact.Platform{OS: "linux", Arch: arch, ARM: arm, Libc: libc})
				if err != nil || !slices.Contains(known, triple) {
					t.Errorf("%s is unknown, %v", triple, err)
				}
			}
		}
	}
}

func TestWhereCargoPutsAnExecutable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ system, triple, profile, want string }{
		{"linux", "aarch64-unknown-linux-gnu", "", "/t/aarch64-unknown-linux-gnu/release/worker"},
		{"linux", "aarch64-unknown-linux-gnu.2.17", "dev", "/t/aarch64-unknown-linux-gnu/debug/worker"},
		{"linux", "targets/own.json", "test", "/t/own/debug/worker"},
		{"windows", "x86_64-pc-windows-gnu", "bench", "/t/x86_64-pc-windows-gnu/release/worker.exe"},
	} {
		c := &cargo{target: "/t", Cargo: Cargo{Bin: "worker", Profile: tc.profile}}
		if got := c.executable(artifact.Platform{OS: tc.system}, tc.triple); got != tc.want {
			t.Errorf("%s: %s", tc.triple, got)
		}
	}
}

func TestWhichBuilderOfRustIsUsed(t *testing.T) {
	t.Parallel()
	needCargo(t)
	other := platform("arm64")
	if runtime.GOARCH == "arm64" {
		other = platform("amd64")
	}
	triple, err := (&cargo{}).triple(other)
	if err != nil {
		t.Fatal(err)
	}
	linker := "CARGO_TARGET_" + strings.ToUpper(strings.ReplaceAll(triple, "-", "_")) + "_LINKER=/bin/false"
	for _, tc := range []struct {
		name     string
		host     artifact.Platform
		programs []string // that are on PATH
		env      []string
		target   string
		want     string // the command; "" is cargo's own
		tool     string
	}{
		{"cargo for this machine, whatever there is", here, []string{"cargo-zigbuild", "cross"}, nil, "", "cargo build", "cargo"},
		{"cargo zigbuild for another", other, []string{"cargo-zigbuild", "cross"}, nil, "", "cargo zigbuild", "cargo zigbuild"},
		{"with the version of glibc that is asked for", other, []string{"cargo-zigbuild"}, nil, triple + ".2.17", "cargo zigbuild", "cargo zigbuild"},
		{"cross for another", other, []string{"cross"}, nil, "", "cross build", "cross"},
		{"cargo for another if there is nothing else", other, nil, nil, "", "cargo build", ""},
		{"cargo for another if it has a linker for that", other, []string{"cargo-zigbuild", "cross"}, []string{linker}, "", "cargo build", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bin := fakeRustc(t, "none")
			asked := filepath.Join(t.TempDir(), "asked")
			for _, program := range tc.programs {
				write(t, filepath.Join(bin, program), fmt.Sprintf("#!/bin/sh\necho \"$0 $*\" >%q\nout=$CARGO_TARGET_DIR/%s/release\nmkdir -p \"$out\"\nprintf '#!/bin/sh\\necho at work\\n' >\"$out/worker\"\n", asked, triple))
			}
			b := builder(t, Recipe{
				Dir: tree(t, crate("worker", "", "main")), Cargo: &Cargo{Target: tc.target},
				Env: append(tc.env, "CARGO_TARGET_DIR="+t.TempDir(), "PATH="+bin+":"+pathWithout(t, "cross", "cargo-zigbuild")),
			})
			want := triple
			if tc.target != "" {
				want = tc.target
			} else if tc.host == here {
				want = b.maker.(*cargo).native
			}
			args := " --package worker --bin worker --target " + want + " --profile release"
			if got := b.Command(tc.host); got != tc.want+args {
				t.Errorf("command %q", got)
			}
			o, err := b.Build(quiet(t), tc.host)
			if tc.tool == "" { // it has no library, or no linker
				refused(t, err, ErrFailed, "cargo build failed", "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if o.Tool != tc.tool {
				t.Errorf("built by %s", o.Tool)
			}
			if tc.host == here {
				if exists(asked) {
					t.Errorf("asked %s", read(t, asked))
				}
				return
			}
			if got := strings.TrimSpace(read(t, asked)); got != filepath.Join(bin, tc.programs[0])+" "+strings.Fields(tc.want)[1]+args {
				t.Errorf("asked %q", got)
			}
		})
	}
}

// pathWithout returns our PATH without the folders that have these programs.
func pathWithout(t testing.TB, programs ...string) string {
	t.Helper()
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !slices.ContainsFunc(programs, func(p string) bool { return exists(filepath.Join(dir, p)) }) {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, ":")
}

func TestALinkerForAnotherPlatformIsHintedAtOnlyIfItIsMissing(t *testing.T) {
	t.Parallel()
	needCargo(t)
	for _, tc := range []struct{ name, prints, hint string }{
		{"the linker", "error: linking with `cc` failed: exit status: 1", "cargo install cargo-zigbuild"},
		{"that there is none", "error: linker `aarch64-linux-gnu-gcc` not found", "cargo install cargo-zigbuild"},
		{"the source", "error[E0425]: cannot find function `nothing` in this scope", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bin := fakeRustc(t, "none")
			write(t, filepath.Join(bin, "cargo"), fmt.Sprintf("#!/bin/sh\n[ \"$1\" = build ] || exec %q \"$@\"\necho '%s'\nexit 101\n", testhost.Need(t, "cargo"), tc.prints))
			b := builder(t, Recipe{Dir: tree(t, crate("worker", "", "main")), Env: []string{"PATH=" + bin + ":" + pathWithout(t, "cross", "cargo-zigbuild")}})
			_, err := b.Build(quiet(t), platform("riscv64"))
			refused(t, err, ErrFailed, "cargo build failed (exit status 101): "+tc.prints, tc.hint)
		})
	}
}

func TestCargoThatMakesNoFile(t *testing.T) {
	t.Parallel()
	needCargo(t)
	bin := fakeRustc(t, "none")
	write(t, filepath.Join(bin, "cargo"), fmt.Sprintf("#!/bin/sh\n[ \"$1\" = build ] || exec %q \"$@\"\n", testhost.Need(t, "cargo")))
	_, err := builder(t, Recipe{Dir: tree(t, crate("worker", "", "main")), Env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}}).Build(quiet(t), here)
	if refused(t, err, ErrOutput, "cargo build succeeded and made no file", ""); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
