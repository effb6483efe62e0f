package build

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/davit-sh/davit/artifact"
)

// cargo makes a program in Rust.
type cargo struct {
	recipe Recipe
	Cargo
	tool   string
	target string // folder of what is built
	native string // target triple of this machine
}

const getCargo = "install Rust, https://rustup.rs"

func newCargo(ctx context.Context, r Recipe, o Cargo) (*cargo, error) {
	tool, err := lookPath("cargo", getCargo)
	if err != nil {
		return nil, err
	}
	if _, err := lookPath("rustc", getCargo); err != nil {
		return nil, err
	}
	if !exists(filepath.Join(r.Dir, "Cargo.toml")) {
		return nil, refuse(ErrRecipe, "say in build.dir where it is", "there is no Cargo.toml in %s", r.Dir)
	}
	c := &cargo{recipe: r, Cargo: o, tool: tool}
	meta, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	c.target = meta.TargetDirectory
	if err := c.choose(meta); err != nil {
		return nil, err
	}
	return c, c.findNative(ctx)
}

// metadata is what of cargo's own account of a workspace counts here.
type metadata struct {
	TargetDirectory string `json:"target_directory"`
	Packages        []struct {
		Name       string `json:"name"`
		DefaultRun string `json:"default_run"`
		Targets    []struct {
			Name string   `json:"name"`
			Kind []string `json:"kind"`
		} `json:"targets"`
	} `json:"packages"`
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

// ask returns what a tool answers.
func (c *cargo) ask(ctx context.Context, tool string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir, cmd.Env = c.recipe.Dir, environment(c.recipe.Env)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
	first := lines[0]
	if i := slices.IndexFunc(lines, tells); i >= 0 {
		first = lines[i]
	}
	e := refuse(ErrRecipe, "", "%s: %s", commandLine(filepath.Base(tool), args[:1]), cmp.Or(strings.TrimSpace(first), err.Error()))
	e.Output = lines
	return nil, e
}

// bin is a program of a workspace.
type bin struct{ pkg, name string }

// bins returns the programs of a package, or of all.
func (m metadata) bins(pkg string) (all []bin) {
	for _, p := range m.Packages {
		for _, t := range p.Targets {
			if slices.Contains(t.Kind, "bin") && (pkg == "" || p.Name == pkg) {
				all = append(all, bin{p.Name, t.Name})
			}
		}
	}
	return all
}

// defaultRun returns the program that a package, or the first that says it, runs if none is named.
func (m metadata) defaultRun(pkg string) string {
	for _, p := range m.Packages {
		if p.DefaultRun != "" && (pkg == "" || p.Name == pkg) {
			return p.DefaultRun
		}
	}
	return ""
}

// choose says which of the workspace's programs it is.
func (c *cargo) choose(m metadata) error {
	bins := m.bins(c.Package)
	for _, name := range []string{c.Bin, c.recipe.Name, m.defaultRun(c.Package)} {
		var found []bin
		for _, b := range bins {
			if name != "" && b.name == name {
				found = append(found, b)
			}
		}
		switch {
		case len(found) == 1:
			c.Package, c.Bin = found[0].pkg, found[0].name
			return nil
		case len(found) > 1:
			return refuse(ErrRecipe, "say which in build.cargo.package: "+found[0].pkg+" or "+found[1].pkg, "several packages have a bin %s", name)
		case name != "" && name == c.Bin:
			return refuse(ErrRecipe, hintBins(bins), "there is no bin %s", name)
		}
	}
	if len(bins) != 1 {
		return refuse(ErrRecipe, hintBins(bins), "there are %d bins, and which is %s is not clear", len(bins), c.recipe.Name)
	}
	c.Package, c.Bin = bins[0].pkg, bins[0].name
	return nil
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
	out, err := c.ask(ctx, "rustc", "-vV")
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

// rustArchs are Rust's names of Go's architectures.
var rustArchs = map[string]string{
	"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "riscv64": "riscv64gc", "ppc64le": "powerpc64le", "s390x": "s390x",
	"loong64": "loongarch64",
}

// triple returns the target triple for p.
func (c *cargo) triple(p artifact.Platform) (string, error) {
	if c.Target != "" {
		return c.Target, nil
	}
	arch, eabi := rustArchs[p.GOARCH()], ""
	if p.GOARCH() == "arm" {
		arch, eabi = "armv7", "eabihf"
		if p.ARM == "5" || p.ARM == "6" {
			arch = "arm"
		}
		if p.ARM == "5" {
			eabi = "eabi"
		}
	}
	if arch == "" {
		return "", refuse(ErrRecipe, "name the target triple in build.cargo.target", "Rust's name for %s is not known", p)
	}
	switch p.OS {
	case "linux":
		libc := "gnu"
		if p.Libc == "musl" {
			libc = "musl"
		}
		return arch + "-unknown-linux-" + libc + eabi, nil
	case "darwin":
		return arch + "-apple-darwin", nil
	case "freebsd", "netbsd":
		return arch + "-unknown-" + p.OS, nil
	case "windows":
		return arch + "-pc-windows-gnu", nil
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
	return filepath.Join(c.target, triple, folder, name)
}

// builder returns the subcommand of cargo, or the program, that can build for a triple: cargo itself for this machine
// and wherever nothing better is there.
func (c *cargo) builder(triple string) (program string, before []string) {
	if triple == c.native {
		return c.tool, nil
	}
	if _, err := exec.LookPath("cargo-zigbuild"); err == nil {
		return c.tool, []string{"zigbuild"}
	}
	if path, err := exec.LookPath("cross"); err == nil {
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
	cmd.Dir, cmd.Env = c.recipe.Dir, environment(c.recipe.Env)
	if err := execute(ctx, what, cmd); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && triple != c.native && what == "cargo build" {
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

// hasTarget refuses a triple for which Rust's standard library is not there.
func (c *cargo) hasTarget(ctx context.Context, triple string) error {
	out, err := c.ask(ctx, "rustc", "--print", "target-libdir", "--target", triple)
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
	if _, err := exec.LookPath("rustup"); err != nil {
		hint = "install rustup, https://rustup.rs, and run: " + hint
	}
	return refuse(ErrTool, hint, "this machine's Rust cannot build for %s: the target is not installed", triple)
}
