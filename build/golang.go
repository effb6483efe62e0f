package build

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/host"
)

// golang makes a program in Go.
type golang struct {
	recipe Recipe
	Go
	tool string
}

// newGo returns the maker, and how the program was found: "" if the recipe names it.
func newGo(ctx context.Context, r Recipe, g Go) (_ *golang, why string, err error) {
	tool, err := needTool(r, "go", "install Go, https://go.dev/dl, or say in PATH where it is")
	if err != nil {
		return nil, "", err
	}
	if g.Package == "" {
		if g.Package, why, err = goPackage(ctx, r, g.Tags); err != nil {
			return nil, "", err
		}
	}
	if strings.HasPrefix(g.Package, "-") {
		return nil, "", refuse(ErrRecipe, "write it as go build takes it: ./cmd/worker", "%q is not a package", g.Package)
	}
	if strings.HasPrefix(g.Package, ".") {
		if err := needMain(ctx, filepath.Join(r.Dir, g.Package), g, r); err != nil {
			return nil, "", err
		}
	}
	return &golang{recipe: r, Go: g, tool: tool}, why, nil
}

// needMain refuses a directory that is no program in Go. Where it is not certain the go command decides.
func needMain(ctx context.Context, dir string, g Go, r Recipe) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return nil
	}
	if err == nil {
		if is, unsure := hasMain(dir, g.Tags); is || unsure {
			return nil
		}
	}
	hint := "name the package of the program; there is none below " + r.Dir
	if mains, _ := mainPackages(ctx, r.Dir, g.Tags); len(mains) > 0 {
		hint = "name one of " + list(mains)
	}
	if err != nil {
		return refuse(ErrRecipe, hint, "the package %s is not there: %w", g.Package, err)
	}
	return refuse(ErrRecipe, hint, "%s is not a program: it has no package main", g.Package)
}

func (g *golang) key(p artifact.Platform) (string, error) {
	key := p.String()
	if p.GOARCH() == "arm" {
		key += "/" + cmp.Or(p.ARM, "7")
	}
	if !g.CGO {
		return key, nil
	}
	if key += "/" + p.Libc; !g.nativeC(p) && g.recipe.env("CC") == "" {
		return "", refuse(ErrTool, "set it, as in CC="+crossCC(p)+", in build.env of the manifest; or leave cgo out",
			"building with cgo for %s needs a C compiler for that, and CC is not set", p)
	}
	return key, nil
}

// nativeC reports whether the C compiler of this machine compiles for p.
func (*golang) nativeC(p artifact.Platform) bool {
	return p.OS == runtime.GOOS && p.GOARCH() == runtime.GOARCH
}

// crossCompilers are Debian's names of C compilers.
var crossCompilers = map[string]string{
	"linux/amd64": "x86_64-linux-gnu-gcc", "linux/arm64": "aarch64-linux-gnu-gcc", "linux/arm": "arm-linux-gnueabihf-gcc",
	"linux/386": "i686-linux-gnu-gcc", "linux/riscv64": "riscv64-linux-gnu-gcc",
}

func crossCC(p artifact.Platform) string { return cmp.Or(crossCompilers[p.String()], "PROGRAM") }

func (g *golang) args(output string) []string {
	args := []string{"build", "-v", "-trimpath"}
	if len(g.Tags) > 0 {
		args = append(args, "-tags="+strings.Join(g.Tags, ","))
	}
	if g.LDFlags != "" {
		args = append(args, "-ldflags="+g.LDFlags)
	}
	args = append(args, g.Flags...)
	if output != "" {
		args = append(args, "-o", output)
	}
	return append(args, g.Package)
}

func (g *golang) command(artifact.Platform) string { return commandLine("go", g.args("")) }

// commandLine writes a command as one would type it.
func commandLine(program string, args []string) string {
	words := []string{program}
	for _, arg := range args {
		if strings.ContainsFunc(arg, func(r rune) bool { return !strings.ContainsRune(plainRunes, r) }) {
			arg = host.Quote(arg)
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

const plainRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%"

// platformEnv is the environment that makes the go command build for p.
func (g *golang) platformEnv(p artifact.Platform) []string {
	cgo := "0"
	if g.CGO {
		cgo = "1"
	}
	env := []string{"GOOS=" + p.OS, "GOARCH=" + p.GOARCH(), "CGO_ENABLED=" + cgo}
	if p.GOARCH() == "arm" && p.ARM != "" {
		env = append(env, "GOARM="+p.ARM)
	}
	return env
}

func (g *golang) make(ctx context.Context, p artifact.Platform, dir string) (made, error) {
	output := filepath.Join(dir, g.recipe.Name)
	kept := g.kept(p)
	seeded := seed(output, kept)
	if seeded != nil {
		defer seeded.Close() // not before the comparison: no other file can have its identity till then
	}
	cmd := exec.Command(g.tool, g.args(output)...)
	cmd.Dir = g.recipe.Dir
	cmd.Env = environment(g.recipe, g.platformEnv(p)...)
	if err := execute(ctx, "go build", cmd); err != nil {
		return made{}, err
	}
	after, err := os.Stat(output)
	if err != nil {
		return made{}, refuse(ErrOutput, "", "go build succeeded and made no file: %w", err)
	}
	// The go command leaves a file alone that it would make again, and replaces any other.
	cached := false
	if seeded != nil {
		before, err := seeded.Stat()
		cached = err == nil && os.SameFile(before, after)
	}
	if !cached {
		keep(output, kept)
	}
	return made{path: output, tool: "go", cached: cached}, nil
}

// kept returns the path where the last executable for a platform is kept; "" if nothing can be kept. The go
// command caches what it compiles, but not what it links: that takes longer than all the rest, and it
// leaves it out when the file is there already.
func (g *golang) kept(p artifact.Platform) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	place := sha256.Sum256([]byte(g.recipe.Dir + "\x00" + g.recipe.Name + "\x00" + g.Package))
	return filepath.Join(cache, "davit", "build", hex.EncodeToString(place[:8]), strings.ReplaceAll(p.String(), "/", "-")+p.ARM)
}
