package build

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/narrate"
)

// cargo makes a program in Rust.
type cargo struct {
	recipe Recipe
	Cargo
	tool   string // path of cargo
	rustc  string // path of rustc
	target string // folder of what is built
	native string // target triple of this machine
}

const getCargo = "install Rust, https://rustup.rs"

// newCargo returns the maker, and how the bin was found: "" if the recipe names it.
func newCargo(ctx context.Context, r Recipe, o Cargo) (_ *cargo, why string, err error) {
	c := &cargo{recipe: r, Cargo: o}
	if c.tool, err = needTool(r, "cargo", getCargo); err != nil {
		return nil, "", err
	}
	if c.rustc, err = needTool(r, "rustc", getCargo); err != nil {
		return nil, "", err
	}
	if !exists(filepath.Join(r.Dir, "Cargo.toml")) {
		return nil, "", refuse(ErrRecipe, "say in build.dir where it is", "there is no Cargo.toml in %s", r.Dir)
	}
	meta, err := c.metadata(ctx)
	if err != nil {
		return nil, "", err
	}
	c.target = meta.TargetDirectory
	if why, err = c.choose(meta); err != nil {
		return nil, "", err
	}
	if err := c.findNative(ctx); err != nil {
		return nil, "", err
	}
	return c, why, nil
}

// metadata is what of cargo's own account of a workspace counts here.
type metadata struct {
	TargetDirectory string         `json:"target_directory"`
	Packages        []cargoPackage `json:"packages"`
}

type cargoPackage struct {
	Name       string `json:"name"`
	Manifest   string `json:"manifest_path"`
	DefaultRun string `json:"default_run"`
	Targets    []struct {
		Name string   `json:"name"`
		Kind []string `json:"kind"`
	} `json:"targets"`
}

func (c *cargo) metadata(ctx context.Context) (metadata, error) {
	var m metadata
	out, err := c.ask(ctx, c.tool, "metadata", "--no-deps", "--format-version=1")
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return m, refuse(ErrRecipe, "", "cargo metadata: %w", err)
	}
	return m, nil
}

// askWait is how long the output of a tool is waited for when its end has come, and somebody holds it.
const askWait = 2 * time.Second

// ask returns what a tool answers.
func (c *cargo) ask(ctx context.Context, tool string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.recipe.Dir, environment(c.recipe), askWait
	var complaint tail
	lines := narrate.NewLineWriter(narrate.WithNarrator(ctx, narrate.New(&complaint)), "stderr") // which masks secrets
	cmd.Stderr = lines
	out, err := cmd.Output()
	lines.Close()
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	line, all := complaint.said()
	e := refuse(ErrRecipe, "", "%s: %s", commandLine(filepath.Base(tool), args[:1]), cmp.Or(line, err.Error()))
	if e.Output = all; strings.Contains(strings.Join(all, " "), "rustup") {
		e.Kind = ErrTool // it stands in for a tool that it does not have
	}
	return nil, e
}

// bin is a program of a workspace.
type bin struct {
	pkg, name string
	run       bool // the one that cargo run takes
	here      bool // its package is the one in the directory of the recipe
}

// bins returns the programs of a package, or of all if it is "".
func (m metadata) bins(pkg, dir string) []bin {
	var bins []bin
	here, _ := os.Stat(filepath.Join(dir, "Cargo.toml"))
	for _, p := range m.Packages {
		if pkg != "" && p.Name != pkg {
			continue
		}
		manifest, err := os.Stat(p.Manifest)
		same := err == nil && os.SameFile(manifest, here)
		for _, t := range p.Targets {
			if slices.Contains(t.Kind, "bin") {
				bins = append(bins, bin{p.Name, t.Name, t.Name == p.DefaultRun, same})
			}
		}
	}
	return bins
}

// choose says which of the workspace's programs it is, and why.
func (c *cargo) choose(m metadata) (why string, err error) {
	if err := c.knowsPackage(m); err != nil {
		return "", err
	}
	bins := m.bins(c.Package, c.recipe.Dir)
	rules := []struct {
		why    string
		unique bool // a name: several that have it are an error
		fits   func(bin) bool
	}{
		{"it has the bin", true, func(b bin) bool { return b.name == c.recipe.Name }},
		{"the bin to run is", false, func(b bin) bool { return b.run }},
		{"its one bin is", false, func(bin) bool { return true }},
	}
	if c.Bin != "" {
		rules = rules[:1]
		rules[0].why, rules[0].fits = "", func(b bin) bool { return b.name == c.Bin }
	}
	for _, rule := range rules {
		found := narrowed(bins, rule.fits)
		if len(found) == 1 {
			c.Package, c.Bin = found[0].pkg, found[0].name
			if rule.why == "" {
				return "", nil
			}
			return "There is a Cargo.toml, and " + rule.why + " " + c.Bin, nil
		}
		if len(found) > 1 && rule.unique {
			var packages []string
			for _, b := range found {
				packages = append(packages, b.pkg)
			}
			return "", refuse(ErrRecipe, "say which in build.cargo.package: "+list(packages), "several packages have a bin %s", found[0].name)
		}
	}
	if c.Bin != "" {
		return "", refuse(ErrRecipe, hintBins(bins), "there is no bin %s", c.Bin)
	}
	if len(bins) == 0 {
		return "", refuse(ErrRecipe, hintBins(bins), "there is no bin")
	}
	return "", refuse(ErrRecipe, hintBins(bins), "there are %d bins, and which is %s is not clear", len(bins), c.recipe.Name)
}

func (c *cargo) knowsPackage(m metadata) error {
	var names []string
	for _, p := range m.Packages {
		names = append(names, p.Name)
	}
	if c.Package != "" && !slices.Contains(names, c.Package) {
		return refuse(ErrRecipe, "correct build.cargo.package: "+list(names), "there is no package %s", c.Package)
	}
	return nil
}

// narrowed returns the bins that fit; of several those of the package in the directory itself, if there are any.
func narrowed(bins []bin, fits func(bin) bool) []bin {
	var found, here []bin
	for _, b := range bins {
		if fits(b) {
			found = append(found, b)
			if b.here {
				here = append(here, b)
			}
		}
	}
	if len(here) > 0 {
		return here
	}
	return found
}

func hintBins(bins []bin) string {
	if len(bins) == 0 {
		return "a daemon is a bin: src/main.rs, or [[bin]] in Cargo.toml"
	}
	var names []string
	for _, b := range bins {
		names = append(names, b.name)
	}
	return "say which in build.cargo.bin: " + list(names)
}

func (c *cargo) findNative(ctx context.Context) error {
	out, err := c.ask(ctx, c.rustc, "-vV")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		if triple, ok := strings.CutPrefix(line, "host: "); ok {
			c.native = strings.TrimSpace(triple)
			return nil
		}
	}
	return refuse(ErrTool, getCargo, "rustc does not say for which platform it builds")
}

// rustArchs are Rust's names of Go's architectures; that of arm depends on its version.
var rustArchs = map[string]string{
	"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "riscv64": "riscv64gc", "ppc64le": "powerpc64le", "ppc64": "powerpc64",
	"s390x": "s390x", "loong64": "loongarch64",
}

// rustARM returns Rust's names of an ARM of that version, and of how programs call each other there.
func rustARM(version string) (arch, eabi string) {
	switch version {
	case "5":
		return "armv5te", "eabi"
	case "6":
		return "arm", "eabihf"
	}
	return "armv7", "eabihf"
}

// triple returns the target triple for p.
func (c *cargo) triple(p artifact.Platform) (string, error) {
	if c.Target != "" {
		return c.Target, nil
	}
	arch, eabi := rustArchs[p.GOARCH()], ""
	if p.GOARCH() == "arm" {
		arch, eabi = rustARM(p.ARM)
	}
	if arch != "" {
		switch p.OS {
		case "linux":
			libc := "gnu"
			if p.Libc == "musl" {
				libc = "musl"
			}
			return arch + "-unknown-linux-" + libc + eabi, nil
		case "darwin":
			return arch + "-apple-darwin", nil
		case "freebsd", "netbsd", "openbsd", "dragonfly":
			return arch + "-unknown-" + p.OS, nil
		case "windows":
			return arch + "-pc-windows-gnu", nil
		}
	}
	return "", refuse(ErrRecipe, "name the target triple in build.cargo.target", "Rust's name for %s is not known", p)
}

func (c *cargo) key(p artifact.Platform) (string, error) { return c.triple(p) }

// args are those of cargo build.
func (c *cargo) args(triple string) []string {
	args := []string{"build", "--package", c.Package, "--bin", c.Bin, "--target", triple, "--profile", c.profile()}
	if c.NoDefaultFeatures {
		args = append(args, "--no-default-features")
	}
	if len(c.Features) > 0 {
		args = append(args, "--features", strings.Join(c.Features, ","))
	}
	return args
}

func (c *cargo) profile() string { return cmp.Or(c.Profile, "release") }

// executable is where cargo puts it.
func (c *cargo) executable(p artifact.Platform, triple string) string {
	folder := c.profile()
	if folder == "dev" || folder == "test" {
		folder = "debug"
	} else if folder == "bench" {
		folder = "release"
	}
	name := c.Bin
	if p.OS == "windows" {
		name += ".exe"
	}
	// A target may be described in a file of that name, and cargo zigbuild takes a version of glibc after it.
	return filepath.Join(c.target, plainTriple(strings.TrimSuffix(filepath.Base(triple), ".json")), folder, name)
}

// plainTriple returns a target triple without the version of glibc that cargo zigbuild takes: x86_64-unknown-linux-gnu.2.17.
func plainTriple(triple string) string {
	plain, _, _ := strings.Cut(triple, ".")
	return plain
}

// builder returns the subcommand of cargo, or the program, that can build for a triple: cargo itself for this machine,
// where it was told which linker to take, and wherever nothing better is there.
func (c *cargo) builder(triple string) (program string, before []string) {
	linker := "CARGO_TARGET_" + strings.ToUpper(strings.ReplaceAll(triple, "-", "_")) + "_LINKER"
	if triple == c.native || c.recipe.env(linker) != "" {
		return c.tool, nil
	}
	if _, err := lookPath(c.recipe, "cargo-zigbuild"); err == nil {
		return c.tool, []string{"zigbuild"}
	}
	if path, err := lookPath(c.recipe, "cross"); err == nil {
		return path, nil
	}
	return c.tool, nil
}

// words returns the program that builds for a triple, and its arguments.
func (c *cargo) words(triple string) (program string, args []string) {
	program, before := c.builder(triple)
	args = c.args(triple)
	if len(before) > 0 {
		args = append(before, args[1:]...)
	}
	return program, args
}

func (c *cargo) command(p artifact.Platform) string {
	triple, err := c.triple(p)
	if err != nil {
		return "cargo build"
	}
	program, args := c.words(triple)
	return commandLine(filepath.Base(program), args)
}

func (c *cargo) make(ctx context.Context, p artifact.Platform, _ string) (made, error) {
	triple, err := c.triple(p)
	if err != nil {
		return made{}, err
	}
	program, args := c.words(triple)
	what := commandLine(filepath.Base(program), args[:1])
	if filepath.Base(program) != "cross" {
		if err := c.hasTarget(ctx, triple); err != nil {
			return made{}, err
		}
	}
	path := c.executable(p, triple)
	before, _ := os.Stat(path)
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = c.recipe.Dir, environment(c.recipe)
	if err := execute(ctx, what, cmd); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && triple != c.native && what == "cargo build" && slices.ContainsFunc(e.Output, ofLinker) {
			e.Hint = "a linker for another platform comes with cargo zigbuild: cargo install cargo-zigbuild"
		}
		return made{}, err
	}
	after, err := os.Stat(path)
	if err != nil {
		return made{}, refuse(ErrOutput, "", "%s succeeded and made no file: %w", what, err)
	}
	return made{path: path, tool: strings.TrimSuffix(what, " build"), cached: unchanged(before, after)}, nil
}

// ofLinker reports whether rustc speaks of its linker.
func ofLinker(line string) bool {
	return strings.HasPrefix(line, "error: linking with") || strings.HasPrefix(line, "error: linker")
}

// hasTarget refuses a triple for which Rust's standard library is not there.
func (c *cargo) hasTarget(ctx context.Context, triple string) error {
	if strings.HasSuffix(triple, ".json") {
		return nil // of its user's own making, as its library is
	}
	triple = plainTriple(triple)
	out, err := c.ask(ctx, c.rustc, "--print", "target-libdir", "--target", triple)
	if err == nil && exists(strings.TrimSpace(string(out))) {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return refuse(ErrRecipe, "correct build.cargo.target", "rustc does not know the target %s", triple)
	}
	hint := "rustup target add " + triple
	if _, err := lookPath(c.recipe, "rustup"); err != nil {
		hint = "install rustup, https://rustup.rs, and run: " + hint
	}
	return refuse(ErrTool, hint, "this machine's Rust cannot build for %s: the target is not installed", triple)
}
