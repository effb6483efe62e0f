package build

import (
	"context"
	"crypto/rand"
	"debug/buildinfo"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

const (
	goMod = "module example.com/worker\n\ngo 1.26.0\n"
	// goMain is a program that prints what the linker, and a build tag, made of it.
	goMain = "package main\n\nvar version, extra = \"none\", \"\"\n\nfunc main() { println(\"version\", version+extra) }\n"
	// goLib is no program.
	goLib = "package worker\n"
)

func goTree(t testing.TB) string {
	return tree(t, map[string]string{"go.mod": goMod, "main.go": goMain})
}

func TestGoBuildsForTheHost(t *testing.T) {
	t.Parallel()
	b := builder(t, Recipe{Dir: goTree(t), Go: &Go{Package: "."}})
	for _, tc := range []struct {
		name string
		host artifact.Platform
		want string
		arm  string
	}{
		{"a PC", platform("amd64"), "linux/amd64", ""},
		{"a PC with musl", artifact.Platform{OS: "linux", Arch: "amd64", Libc: "musl"}, "linux/amd64", ""},
		{"a server with ARM", platform("arm64"), "linux/arm64", ""},
		{"an ARM of version 7", artifact.Platform{OS: "linux", Arch: "arm", ARM: "7"}, "linux/arm", "7"},
		{"an ARM of version 6", artifact.Platform{OS: "linux", Arch: "arm", ARM: "6"}, "linux/arm", "6"},
		{"32-bit programs on a 64-bit ARM", artifact.Platform{OS: "linux", Arch: "arm64", LongBit: "32", ARM: "7", Libc: "glibc"}, "linux/arm", "7"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := build(t, b, tc.host)
			n := o.File.Needs
			if n.String() != tc.want || n.ARM != tc.arm || n.Interpreter != "" || o.Tool != "go" {
				t.Errorf("built by %s for %s, ARM %q, interpreter %q", o.Tool, n, n.ARM, n.Interpreter)
			}
		})
	}
}

func TestGoTellsWhatItDoes(t *testing.T) {
	t.Parallel()
	ctx, rec := told(t)
	dir := goTree(t)
	fresh := "package main\n\nvar _ = `" + rand.Text() + "`\n" // that no cache has
	if err := os.WriteFile(filepath.Join(dir, "fresh.go"), []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
	b := builder(t, Recipe{Dir: dir, Go: &Go{Package: ".", LDFlags: "-s -w"}})
	o, err := b.Build(ctx, platform("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if got := rec.Actions(); !slices.Equal(got, []string{"building", "build_complete"}) {
		t.Errorf("told %q", got)
	}
	events := rec.Events()
	if got := events[0].Message; got != "🔨 Building worker for linux/amd64: go build -v -trimpath '-ldflags=-s -w' ." {
		t.Errorf("told %q", got)
	}
	if !slices.ContainsFunc(events, func(e narrate.Event) bool { return e.Kind == narrate.Output && e.Message == "example.com/worker" }) {
		t.Error("what was compiled is not told")
	}
	last := events[len(events)-1].Attrs
	if last["bytes"] != o.File.Size || last["tool"] != "go" || last["cached"] != false || last["platform"] != "linux/amd64" {
		t.Errorf("told %v", last)
	}
	if b.Chosen() != "" || b.Name() != "worker" {
		t.Errorf("chosen %q, name %q", b.Chosen(), b.Name())
	}
}

func TestGoHeedsItsOptions(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"go.mod": goMod, "lib.go": goLib,
		"cmd/worker/main.go":   goMain,
		"cmd/worker/tagged.go": "//go:build special\n\npackage main\n\nfunc init() { extra = \" with extras\" }\n",
	})
	b := builder(t, Recipe{Dir: dir, Env: []string{"GOAMD64=v1"}, Go: &Go{
		Package: "./cmd/worker", Tags: []string{"special", "other"}, LDFlags: "-s -w -X 'main.version=v7 of a test'", Flags: []string{"-gcflags=-N"},
	}})
	o := build(t, b, here)
	if got := says(t, o); got != "version v7 of a test with extras" {
		t.Errorf("it says %q", got)
	}
	info, err := buildinfo.ReadFile(o.File.Path)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	if set["-gcflags"] != "-N" || set["-trimpath"] != "true" || set["-tags"] != "special,other" || set["CGO_ENABLED"] != "0" {
		t.Errorf("built with %v", set)
	}
}

func TestGoUsesCgoOnlyIfAsked(t *testing.T) {
	t.Parallel()
	testhost.Need(t, "gcc")
	dir := tree(t, map[string]string{"go.mod": goMod, "main.go": "package main\n\n// int seven(void) { return 7; }\nimport \"C\"\n\nfunc main() { println(C.seven()) }\n"})
	_, err := builder(t, Recipe{Dir: dir, Go: &Go{Package: "."}}).Build(quiet(t), here)
	refused(t, err, ErrFailed, "build constraints exclude all Go files", "")

	if got := says(t, build(t, builder(t, Recipe{Dir: dir, Go: &Go{Package: ".", CGO: true}}), here)); got != "7" {
		t.Errorf("it says %q", got)
	}
}

func TestCgoForAnotherPlatformNeedsACompiler(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, hint string
		host       artifact.Platform
	}{
		{"ARM", "CC=arm-linux-gnueabihf-gcc", artifact.Platform{OS: "linux", Arch: "arm", ARM: "7"}},
		{"RISC-V", "CC=riscv64-linux-gnu-gcc", platform("riscv64")},
		{"32-bit programs on a 64-bit ARM", "CC=arm-linux-gnueabihf-gcc", artifact.Platform{OS: "linux", Arch: "arm64", LongBit: "32"}},
		{"another system", "CC=PROGRAM", artifact.Platform{OS: "freebsd", Arch: "amd64"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{"go.mod": goMod, "main.go": "package main\n\nimport \"C\"\n\nfunc main() {}\n"})
			r := Recipe{Dir: dir, Go: &Go{Package: ".", CGO: true}}
			ctx, rec := told(t)
			_, err := builder(t, r).Build(ctx, tc.host)
			refused(t, err, ErrTool, "needs a C compiler for that, and CC is not set", tc.hint)
			if len(rec.Events()) > 0 {
				t.Errorf("something was done: %v", rec.Events())
			}
			r.Env = []string{"CC=no-such-cc"}
			if _, err := builder(t, r).maker.key(tc.host); err != nil {
				t.Error(err)
			}
			if tc.host.OS == "linux" && tc.host.ARM != "" { // once: it takes long
				_, err = builder(t, r).Build(ctx, tc.host)
				refused(t, err, ErrFailed, `C compiler "no-such-cc" not found`, "")
			}
		})
	}
}

func TestGoLinksOnlyWhatHasChanged(t *testing.T) {
	t.Parallel()
	dir := goTree(t)
	version := func(v string) Recipe { return Recipe{Dir: dir, Go: &Go{Package: ".", LDFlags: "-X main.version=" + v}} }
	for _, step := range []struct {
		name   string
		recipe Recipe
		before func(kept string)
		cached bool
		want   string
	}{
		{"the first time it is built", version("1"), nil, false, "version 1"},
		{"it is there already the second time", version("1"), nil, true, "version 1"},
		{"another flag of the linker makes another", version("2"), nil, false, "version 2"},
		{
			"a change of the source makes another", version("2"), func(string) {
				write(t, filepath.Join(dir, "main.go"), strings.Replace(goMain, `"version"`, `"release"`, 1))
			}, false, "release 2",
		},
		{"which is there the next time", version("2"), nil, true, "release 2"},
		{
			"one that was altered where it is kept is not taken", version("2"), func(kept string) {
				write(t, kept, strings.Replace(read(t, kept), "release", "rElEaSe", 1))
			}, false, "release 2",
		},
		{
			"nor one that was cut short", version("2"), func(kept string) {
				write(t, kept, read(t, kept)[:100_000])
			}, false, "release 2",
		},
		{"nor one that is empty", version("2"), func(kept string) { write(t, kept, "") }, false, "release 2"},
		{"and then it is there again", version("2"), nil, true, "release 2"},
	} {
		b := builder(t, step.recipe)
		if step.before != nil {
			step.before(b.maker.(*golang).kept(here))
		}
		o := build(t, b, here)
		if got := says(t, o); o.Cached != step.cached || got != step.want {
			t.Errorf("%s: cached %v; it says %q, want %q", step.name, o.Cached, got, step.want)
		}
	}
	kept := builder(t, version("2")).maker.(*golang).kept(here)
	if entries, _ := os.ReadDir(filepath.Dir(kept)); len(entries) != 1 {
		t.Errorf("kept: %v", entries)
	}
}

func TestGoBuildsWhereNothingCanBeKept(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", filepath.Join(goTree(t), "main.go", "cache"))
	dir := goTree(t)
	for range 2 {
		if o := build(t, builder(t, Recipe{Dir: dir}), here); o.Cached || says(t, o) != "version none" {
			t.Errorf("cached %v", o.Cached)
		}
	}
}

func TestBuildersOfADaemonDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	dir := goTree(t)
	var all sync.WaitGroup
	for _, v := range []string{"1", "2", "3", "4"} {
		b := builder(t, Recipe{Dir: dir, Go: &Go{Package: ".", LDFlags: "-X main.version=" + v}})
		all.Go(func() {
			for range 3 {
				o, err := b.Build(quiet(t), here)
				if err != nil {
					t.Error(err)
				} else if got := says(t, o); got != "version "+v {
					t.Errorf("%s says %q", v, got)
				}
			}
		})
	}
	all.Wait()
}

func TestACompileErrorIsShownAsItIs(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"go.mod": goMod, "main.go": "package main\n\nfunc main() {\n\tnothing()\n\tnor(this)\n}\n"})
	b := builder(t, Recipe{Dir: dir})
	ctx, rec := told(t)
	_, err := b.Build(ctx, here)
	e := refused(t, err, ErrFailed, "go build failed (exit status 1): ./main.go:4:2: undefined: nothing", "")
	want := []string{
		"# example.com/worker", "./main.go:4:2: undefined: nothing", "./main.go:5:2: undefined: nor", "./main.go:5:6: undefined: this",
	}
	lines := printed(rec) // before those are the packages that are compiled
	last := lines[max(0, len(lines)-len(want)):]
	if !slices.Equal(last, want) || !slices.Equal(e.Output, lines[max(0, len(lines)-tailLines):]) {
		t.Errorf("kept %q\ntold %q\nwant %q", e.Output, lines, want)
	}
	_, again := b.Build(ctx, here)
	if again != err || len(printed(rec)) != len(lines) {
		t.Errorf("it was tried again: %v", again)
	}
}

func TestWhichProgramInGo(t *testing.T) {
	t.Parallel()
	files := func(names ...string) map[string]string {
		all := map[string]string{"go.mod": goMod}
		for _, name := range names {
			all[name] = goMain
		}
		return all
	}
	for _, tc := range []struct {
		name           string
		files          map[string]string
		recipe         Recipe
		chosen, pkg    string
		refusal, hints string
	}{
		{
			name: "one in the directory itself", files: files("main.go"),
			chosen: "There is a go.mod, and the one package main is .", pkg: ".",
		},
		{
			name: "one below", files: files("deep/er/main.go"), recipe: Recipe{Go: &Go{}},
			chosen: "There is a go.mod, and the one package main is ./deep/er", pkg: "./deep/er",
		},
		{
			name: "of several the one in cmd with the name of the daemon", files: files("main.go", "cmd/worker/main.go", "tools/worker/main.go"),
			chosen: "There is a go.mod; of 3 packages main ./cmd/worker has the name of the daemon", pkg: "./cmd/worker",
		},
		{
			name: "of several the one with the name of the daemon", files: files("main.go", "services/worker/main.go"),
			chosen: "There is a go.mod; of 2 packages main ./services/worker has the name of the daemon", pkg: "./services/worker",
		},
		{
			name: "several, and none has the name", files: files("cmd/a/main.go", "cmd/b/main.go"),
			refusal: "there are 2 packages main below", hints: "say which in build.go.package: ./cmd/a, ./cmd/b",
		},
		{
			name: "several, and two have the name", files: files("a/worker/main.go", "b/worker/main.go"),
			refusal: "which is worker is not clear", hints: "./a/worker, ./b/worker",
		},
		{
			name: "more than one likes to read", files: files("a/main.go", "b/main.go", "c/main.go", "d/main.go", "e/main.go", "f/main.go",
				"g/main.go", "h/main.go", "i/main.go", "j/main.go", "k/main.go", "l/main.go"),
			refusal: "there are 12 packages main", hints: "./i, ./j, and 2 more",
		},
		{
			name: "none", files: map[string]string{"go.mod": goMod, "lib.go": goLib, "main_test.go": goMain},
			refusal: "there is no package main below", hints: "say in build.go.package where the program is",
		},
		{
			name: "only tests", files: map[string]string{"go.mod": goMod, "main_test.go": goMain},
			refusal: "there is no package main below", hints: "say in build.go.package where the program is",
		},
		{
			name: "one that is named and is a library", files: map[string]string{"go.mod": goMod, "lib.go": goLib, "cmd/a/main.go": goMain},
			recipe:  Recipe{Go: &Go{Package: "."}},
			refusal: ". is not a program: it has no package main", hints: "name one of ./cmd/a",
		},
		{
			name: "one that is named and is not there", files: files("cmd/a/main.go"), recipe: Recipe{Go: &Go{Package: "./cmd/b"}},
			refusal: "the package ./cmd/b is not there", hints: "name one of ./cmd/a",
		},
		{
			name: "one that is named where there is none", files: map[string]string{"go.mod": goMod, "lib.go": goLib}, recipe: Recipe{Go: &Go{Package: "./cmd"}},
			refusal: "the package ./cmd is not there", hints: "there is none below",
		},
		{
			name: "a flag in place of a package", files: files("main.go"), recipe: Recipe{Go: &Go{Package: "-toolexec=x"}},
			refusal: `"-toolexec=x" is not a package`, hints: "./cmd/worker",
		},
		{
			name:  "one that build tags switch on",
			files: map[string]string{"go.mod": goMod, "lib.go": goLib, "cmd/main.go": "//go:build special\n\n" + goMain}, recipe: Recipe{Go: &Go{Tags: []string{"special"}}},
			chosen: "There is a go.mod, and the one package main is ./cmd", pkg: "./cmd",
		},
		{
			name: "one for this system only, beside a program that is ignored",
			files: map[string]string{
				"go.mod": goMod, "main_linux.go": goMain, "main_darwin.go": goMain, "main_windows.go": goMain,
				"gen.go": "//go:build ignore\n\npackage gen\n", "gen/gen.go": "//go:build ignore\n\n" + goMain,
			},
			chosen: "There is a go.mod, and the one package main is .", pkg: ".",
		},
		{
			name: "none in folders that the go command does not look into",
			files: files("main.go", "vendor/x/main.go", "testdata/main.go", ".hidden/main.go", "_old/main.go", "node_modules/x/main.go",
				"target/x/main.go"),
			chosen: "There is a go.mod, and the one package main is .", pkg: ".",
		},
		{
			name:   "none in a module of its own",
			files:  map[string]string{"go.mod": goMod, "main.go": goMain, "tools/go.mod": goMod, "tools/main.go": goMain},
			chosen: "There is a go.mod, and the one package main is .", pkg: ".",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := tc.recipe
			r.Name, r.Dir = "worker", tree(t, tc.files)
			b, err := New(t.Context(), r)
			if tc.refusal != "" {
				refused(t, err, ErrRecipe, tc.refusal, tc.hints)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := b.maker.(*golang).Package; b.Chosen() != tc.chosen || got != tc.pkg {
				t.Errorf("%s: %s", got, b.Chosen())
			}
		})
	}
}

func TestWhatWasChosenIsToldAndBuilt(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"go.mod": goMod, "cmd/other/main.go": goLib, "cmd/worker/main.go": goMain})
	ctx, rec := told(t)
	o, err := builder(t, Recipe{Dir: dir}).Build(ctx, here)
	if err != nil {
		t.Fatal(err)
	}
	if got := rec.Events()[0]; got.Action != "build_choice" || got.Message != "🧭 There is a go.mod, and the one package main is ./cmd/worker" {
		t.Errorf("told %q", got.Message)
	}
	if got := says(t, o); got != "version none" {
		t.Errorf("it says %q", got)
	}
}

func TestGoDecidesWhatCannotBeSeen(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, pkg string
		files     map[string]string
	}{
		{"a file", "./main.go", map[string]string{"main.go": goMain, "lib.go": goLib}},
		{"a path of the module", "example.com/worker/cmd", map[string]string{"cmd/main.go": goMain}},
		{"a package that only flags make one", "./cmd", map[string]string{"cmd/main.go": "//go:build special\n\n" + goMain}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.files["go.mod"] = goMod
			b := builder(t, Recipe{Dir: tree(t, tc.files), Go: &Go{Package: tc.pkg, Flags: []string{"-tags=special"}}})
			if got := says(t, build(t, b, here)); got != "version none" {
				t.Errorf("it says %q", got)
			}
		})
	}
}

func TestALibraryByItsPathIsNoProgram(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"go.mod": goMod, "lib.go": goLib})
	_, err := builder(t, Recipe{Dir: dir, Go: &Go{Package: "example.com/worker"}}).Build(quiet(t), here)
	refused(t, err, ErrOutput, "go succeeded, but: ", "link it into a program first")
}

func TestTheDirectoryOfTheSource(t *testing.T) {
	t.Parallel()
	t.Run("may be below the go.mod", func(t *testing.T) {
		t.Parallel()
		dir := tree(t, map[string]string{"go.mod": goMod, "lib.go": goLib, "services/worker/main.go": goMain})
		o := build(t, builder(t, Recipe{Dir: filepath.Join(dir, "services")}), here)
		if got := says(t, o); got != "version none" {
			t.Errorf("it says %q", got)
		}
	})
	t.Run("may be a symbolic link", func(t *testing.T) {
		t.Parallel()
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(goTree(t), link); err != nil {
			t.Fatal(err)
		}
		if got := says(t, build(t, builder(t, Recipe{Dir: link}), here)); got != "version none" {
			t.Errorf("it says %q", got)
		}
	})
	t.Run("must be there", func(t *testing.T) {
		t.Parallel()
		_, err := New(t.Context(), Recipe{Name: "worker", Dir: filepath.Join(goTree(t), "nowhere")})
		refused(t, err, ErrRecipe, "the source of worker", "")
	})
	t.Run("must be one", func(t *testing.T) {
		t.Parallel()
		_, err := New(t.Context(), Recipe{Name: "worker", Dir: filepath.Join(goTree(t), "main.go")})
		refused(t, err, ErrRecipe, "main.go is not a directory", "")
	})
	t.Run("must say what to build", func(t *testing.T) {
		t.Parallel()
		_, err := New(t.Context(), Recipe{Name: "worker", Dir: tree(t, map[string]string{"README": ""})})
		refused(t, err, ErrRecipe, "has neither a go.mod nor a Cargo.toml", "go, cargo, command or prebuilt")
	})
}

func TestARelativeDirectoryIsThatOfNew(t *testing.T) {
	dir := goTree(t)
	t.Chdir(filepath.Dir(dir))
	b := builder(t, Recipe{Dir: filepath.Base(dir)})
	t.Chdir("/")
	if got := says(t, build(t, b, here)); got != "version none" {
		t.Errorf("it says %q", got)
	}
}

func TestARelativeFolderForTemporaryFilesIsThatOfBuild(t *testing.T) {
	dir := goTree(t)
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", ".")
	t.Setenv("GOTMPDIR", t.TempDir())
	if got := says(t, build(t, builder(t, Recipe{Dir: dir}), here)); got != "version none" {
		t.Errorf("it says %q", got)
	}
}

func TestAMissingToolIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name       string
		files      map[string]string
		recipe     Recipe
		what, hint string
	}{
		{"go", map[string]string{"go.mod": goMod, "main.go": goMain}, Recipe{}, "there is no go on this machine", "install Go, https://go.dev/dl"},
		{"cargo", map[string]string{"Cargo.toml": ""}, Recipe{}, "there is no cargo on this machine", "install Rust, https://rustup.rs"},
		{"sh", nil, Recipe{Command: &Command{Run: "make"}}, "there is no sh on this machine", "POSIX shell"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.recipe.Name, tc.recipe.Dir = "worker", tree(t, tc.files)
			write(t, filepath.Join(tc.recipe.Dir, "README"), "")
			t.Run("on our PATH", func(t *testing.T) {
				t.Setenv("PATH", t.TempDir())
				_, err := New(t.Context(), tc.recipe)
				refused(t, err, ErrTool, tc.what, tc.hint)
			})
			t.Run("on the PATH of the recipe", func(t *testing.T) {
				tc.recipe.Env = []string{"PATH=" + t.TempDir()}
				_, err := New(t.Context(), tc.recipe)
				refused(t, err, ErrTool, tc.what, tc.hint)
			})
			t.Run("and not taken from the directory that we are in", func(t *testing.T) {
				write(t, filepath.Join(tc.recipe.Dir, tc.name), "#!/bin/sh\n")
				t.Chdir(tc.recipe.Dir)
				t.Setenv("PATH", ".")
				_, err := New(t.Context(), Recipe{Name: "worker", Dir: ".", Command: tc.recipe.Command})
				refused(t, err, ErrTool, tc.what, tc.hint)
			})
		})
	}
}

func TestTheRecipesPathIsWhereToolsAre(t *testing.T) {
	bin := t.TempDir()
	if err := os.Symlink(testhost.Need(t, "go"), filepath.Join(bin, "go")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	o := build(t, builder(t, Recipe{Dir: goTree(t), Env: []string{"PATH=relative:" + bin}}), here)
	if got := says(t, o); got != "version none" {
		t.Errorf("it says %q", got)
	}
}

func TestTheSearchForProgramsEnds(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"go.mod": goMod, "main.go": goMain, "a/b/c/main.go": goMain, "docs/README": ""})
	if got, err := findMains(t.Context(), dir, nil, 5); err != nil || !slices.Equal(got, []string{".", "./a/b/c"}) {
		t.Errorf("found %q, %v", got, err)
	}
	if _, err := findMains(t.Context(), dir, nil, 4); err == nil || !strings.Contains(err.Error(), "has more than 4 folders") {
		t.Errorf("error %v", err)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := New(ctx, Recipe{Name: "worker", Dir: dir}); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}
