package build

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/narrate"
)

// script is a program for any host.
const script = "#!/bin/sh\necho at work\n"

func TestACommandIsToldForWhatItBuilds(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"README": ""})
	for _, tc := range []struct {
		name   string
		output string
		host   artifact.Platform
		want   string // of the output what follows the directory; "" for a fresh one
		words  string
	}{
		{"a PC with glibc", "", platform("amd64"), "", "linux amd64 glibc of-the-recipe"},
		{"a PC with musl", "out/{os}-{arch}-{libc}/it", artifact.Platform{OS: "linux", Arch: "amd64", Libc: "musl"}, "out/linux-amd64-musl/it", "linux amd64 musl of-the-recipe"},
		{"a Mac, which has neither", "{os}.{arch}", artifact.Platform{OS: "darwin", Arch: "arm64"}, "darwin.arm64", "darwin arm64  of-the-recipe"},
		{"32-bit programs on a 64-bit ARM", "one", artifact.Platform{OS: "linux", Arch: "arm64", LongBit: "32", Libc: "glibc"}, "one", "linux arm glibc of-the-recipe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := builder(t, Recipe{Dir: dir, Env: []string{"OWN=of-the-recipe", "DAVIT_ARCH=wrong"}, Command: &Command{
				Run:    `echo "$DAVIT_OS $DAVIT_ARCH $DAVIT_LIBC $OWN"; echo "$DAVIT_OUTPUT"; echo "$PWD"; mkdir -p "${DAVIT_OUTPUT%/*}"; printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`,
				Output: tc.output,
			}})
			ctx, rec := told(t)
			o, err := b.Build(ctx, tc.host)
			if err != nil {
				t.Fatal(err)
			}
			said := printed(rec)
			output := filepath.Join(dir, tc.want)
			if tc.want == "" {
				output = o.File.Path
			}
			if want := []string{tc.words, output, dir}; !slices.Equal(said, want) {
				t.Errorf("it was told %q, want %q", said, want)
			}
			if o.Tool != "command" || o.Cached || o.File.Name() != "worker" {
				t.Errorf("made %+v, %s", o, o.File.Path)
			}
		})
	}
}

func TestACommandThatMakesNothingOfUse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, run, output string
		kind              error // of package artifact; nil if it does not come to that
		what, hint        string
	}{
		{"nothing", "exit 0", "", nil, "the command succeeded, and did not make /", "have it write to $DAVIT_OUTPUT"},
		{"nothing at its own place", "exit 0", "out/{arch}", nil, "did not make ", "correct build.output"},
		{"an empty file", `: >"$DAVIT_OUTPUT"`, "", artifact.ErrEmpty, "the command succeeded, but: ", "build it again"},
		{"an empty file at its own place", `: >it`, "it", artifact.ErrEmpty, "a source/it: is empty", "build it again"},
		{"a directory", `mkdir "$DAVIT_OUTPUT"`, "", artifact.ErrDirectory, "is a directory", "name the executable itself"},
		{"a pipe", `mkfifo "$DAVIT_OUTPUT"`, "", artifact.ErrNotRegular, "is a named pipe", "write the executable to a file"},
		{"text that is no script", `echo hello >"$DAVIT_OUTPUT"`, "", artifact.ErrFormat, "the command succeeded, but: ", "#!/bin/sh"},
		{"a file below another", "exit 0", "README/it", nil, "not a directory", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{"README": "read me"})
			_, err := builder(t, Recipe{Dir: dir, Command: &Command{Run: tc.run, Output: tc.output}}).Build(quiet(t), platform("amd64"))
			refused(t, err, ErrOutput, tc.what, tc.hint)
			if tc.kind != nil && !errors.Is(err, tc.kind) {
				t.Errorf("%v is not of the kind %q", err, tc.kind)
			}
		})
	}
}

func TestACommandThatBuildsForAnotherPlatform(t *testing.T) {
	t.Parallel()
	dir := goTree(t)
	for _, output := range []string{"", "it"} {
		ctx, rec := told(t)
		b := builder(t, Recipe{Dir: dir, Command: &Command{Run: `GOOS=linux GOARCH=amd64 go build -o "$DAVIT_OUTPUT" .`, Output: output}})
		_, err := b.Build(ctx, platform("arm64"))
		e := refused(t, err, ErrOutput, "is built for linux/amd64, the host is linux/arm64", "have the command build for $DAVIT_OS/$DAVIT_ARCH")
		if !errors.Is(e, artifact.ErrPlatform) || slices.Contains(rec.Actions(), "build_complete") {
			t.Errorf("%v, told %q", e, rec.Actions())
		}
	}
}

func TestACommandThatFailsShowsItsLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, run, what, last string }{
		{"by its last line", "echo one >&2; echo two >&2; exit 3", "the command failed (exit status 3): ", "two"},
		{"by the line of a compiler", "echo 'main.c:3:1: error: no'; echo make: failed; exit 2", "the command failed (exit status 2): main.c:3:1: error: no", "make: failed"},
		{"by a line that is told as narration", "echo '[ERROR] Main: error: no such symbol'; exit 1", "[ERROR] Main: error: no such symbol", "[ERROR] Main: error: no such symbol"},
		{"by a signal", "echo out of memory; kill -KILL $$", "the command failed (signal: killed): out of memory", "out of memory"},
		{"and says so if there are none", "exit 1", "the command failed (exit status 1) and said nothing", ""},
		{"and that it is not there", "no-such-program", "(exit status 127): ", "not found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := builder(t, Recipe{Dir: t.TempDir(), Command: &Command{Run: tc.run}}).Build(quiet(t), here)
			e := refused(t, err, ErrFailed, tc.what, "")
			if last := strings.Join(e.Output[max(0, len(e.Output)-1):], ""); !strings.Contains(last, tc.last) {
				t.Errorf("kept %q", e.Output)
			}
		})
	}
}

func TestACommandThatLeavesItsFileAlone(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"worker.sh": script})
	for i, want := range []bool{false, true, false, true} {
		if i == 2 {
			write(t, filepath.Join(dir, "worker.sh"), script+"# of the next version\n")
		}
		b := builder(t, Recipe{Dir: dir, Command: &Command{Run: `cmp -s worker.sh out || cp worker.sh out`, Output: "out"}})
		ctx, rec := told(t)
		o, err := b.Build(ctx, here)
		if err != nil {
			t.Fatal(err)
		}
		last := rec.Events()[len(rec.Events())-1].Message
		if o.Cached != want || strings.Contains(last, "is built already") != want || read(t, o.File.Path) != read(t, filepath.Join(dir, "worker.sh")) {
			t.Errorf("run %d: cached %v, told %q", i, o.Cached, last)
		}
	}
}

func TestAFileOfAnEarlierRunIsNotTaken(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"on": ""})
	b := builder(t, Recipe{Dir: dir, Command: &Command{Run: `[ ! -e on ] || printf '#!/bin/sh\n' >"$DAVIT_OUTPUT"`}})
	build(t, b, platform("amd64"))
	if err := os.Remove(filepath.Join(dir, "on")); err != nil {
		t.Fatal(err)
	}
	_, err := b.Build(quiet(t), platform("arm64"))
	refused(t, err, ErrOutput, "did not make", "$DAVIT_OUTPUT")
}

func TestPlatformsThatShareAPlaceDoNotTakeEachOthersFile(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"README": ""})
	// The command fails if another runs at the same time.
	b := builder(t, Recipe{Dir: dir, Command: &Command{
		Run:    `mkdir busy && printf '#!/bin/sh\n# for %s %s\n' $DAVIT_ARCH $DAVIT_LIBC >out && sleep 0.1 && rmdir busy`,
		Output: "out",
	}})
	hosts := []artifact.Platform{platform("amd64"), platform("arm64"), platform("riscv64"), {OS: "linux", Arch: "amd64", Libc: "musl"}}
	made := make([]Output, len(hosts))
	var all sync.WaitGroup
	for i, host := range hosts {
		all.Go(func() {
			var err error
			if made[i], err = b.Build(quiet(t), host); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	for i, host := range hosts {
		if _, err := made[i].File.Digest(t.Context()); err != nil {
			t.Error(err)
		}
		if got := read(t, made[i].File.Path); got != "#!/bin/sh\n# for "+host.Arch+" "+host.Libc+"\n" {
			t.Errorf("for %s: %q", host.Arch, got)
		}
	}
}

func TestRecipesThatMeanNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tc := range []struct {
		name       string
		recipe     Recipe
		what, hint string
	}{
		{"no command", Recipe{Command: &Command{Run: " \n"}}, "the command of worker is empty", "say what to run"},
		{"an unknown placeholder of a command", Recipe{Command: &Command{Run: "make", Output: "out/{platform}"}}, `{platform} in "out/{platform}" means nothing`, "{os}, {arch} and {libc}"},
		{"an unknown placeholder of a path", Recipe{Prebuilt: "bin/{OS}"}, "{OS}", "{os}, {arch} and {libc}"},
		{"a placeholder without a name", Recipe{Prebuilt: "bin/{}"}, "{}", "{os}, {arch} and {libc}"},
		{"no name", Recipe{Name: "-", Prebuilt: "bin"}, `"" is no name of a daemon`, "worker"},
		{"a path for a name", Recipe{Name: "../worker", Prebuilt: "bin"}, `"../worker" is no name`, "worker"},
		{"two ways", Recipe{Go: &Go{}, Cargo: &Cargo{}}, "there are 2 ways to make worker", "one of go, cargo, command and prebuilt"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.recipe.Dir = dir
			switch tc.recipe.Name {
			case "":
				tc.recipe.Name = "worker"
			case "-":
				tc.recipe.Name = ""
			}
			_, err := New(t.Context(), tc.recipe)
			refused(t, err, ErrRecipe, tc.what, tc.hint)
		})
	}
}

func TestPrebuilt(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"bin/worker-linux-amd64": script, "bin/worker-linux-arm-musl": script, "bin/empty": ""})
	for _, tc := range []struct {
		name, path string
		host       artifact.Platform
		want       string // path below the directory
		kind       error
	}{
		{"it is found", "bin/worker-{os}-{arch}", platform("amd64"), "bin/worker-linux-amd64", nil},
		{"by an absolute path", filepath.Join(dir, "bin/worker-{os}-{arch}"), platform("amd64"), "bin/worker-linux-amd64", nil},
		{
			"for 32-bit programs and musl", "./bin/worker-{os}-{arch}-{libc}",
			artifact.Platform{OS: "linux", Arch: "arm64", LongBit: "32", Libc: "musl"},
			"bin/worker-linux-arm-musl", nil,
		},
		{"it is not there", "bin/worker-{os}-{arch}", platform("arm64"), "bin/worker-linux-arm64", os.ErrNotExist},
		{"it is empty", "bin/empty", platform("arm64"), "bin/empty", artifact.ErrEmpty},
		{"it is a directory", "bin", platform("arm64"), "bin", artifact.ErrDirectory},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := builder(t, Recipe{Dir: dir, Prebuilt: tc.path})
			ctx, rec := told(t)
			o, err := b.Build(ctx, tc.host)
			want := filepath.Join(dir, tc.want)
			if b.Command(tc.host) != want || rec.Events()[0].Message != "🔨 Looking for worker for "+tc.host.String()+": "+want {
				t.Errorf("told %q", rec.Events()[0].Message)
			}
			if tc.kind != nil {
				if e, ok := errors.AsType[*artifact.Error](err); !ok || !errors.Is(err, tc.kind) || e.Path != want {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if o.File.Path != want || o.Tool != "prebuilt" || !o.Cached {
				t.Errorf("found %+v, %s", o, o.File.Path)
			}
		})
	}
}

func TestAPrebuiltFileForAnotherPlatform(t *testing.T) {
	t.Parallel()
	dir := goTree(t)
	o := build(t, builder(t, Recipe{Dir: dir}), platform("amd64"))
	b := builder(t, Recipe{Dir: dir, Prebuilt: o.File.Path})
	_, err := b.Build(quiet(t), platform("arm64"))
	if _, ok := errors.AsType[*artifact.MismatchError](err); !ok {
		t.Errorf("error %v", err)
	}
	build(t, b, platform("amd64")) // the host that it is for has it all the same
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	ctx, rec := told(t)
	ctx = narrate.WithSecret(ctx, "hunter2")
	b := builder(t, Recipe{Dir: t.TempDir(), Env: []string{"TOKEN=hunter2"}, Command: &Command{
		Run: `: hunter2; printf 'the to'; printf 'ken is hunt'; printf 'er2\n' >&1; echo "error: bad token $TOKEN"; exit 1`,
	}})
	_, err := b.Build(ctx, here)
	e := refused(t, err, ErrFailed, "error: bad token "+narrate.Mask, "")
	all := e.Error() + strings.Join(e.Output, "\n")
	for _, event := range rec.Events() {
		line, err := event.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		all += string(line)
	}
	if strings.Contains(all, "hunter2") || strings.Count(all, narrate.Mask) < 7 {
		t.Errorf("told or kept: %s", all)
	}
}
