package build

import (
	"context"
	"errors"
	"fmt"
	gobuild "go/build"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// choose finds out what to build where the recipe does not say it, and tells how. Of a source in both languages it is
// the bin that has the name of the daemon, else the program in Go, else the bin.
func choose(ctx context.Context, r Recipe) (maker, string, error) {
	inGo, inRust := above(r.Dir, "go.mod") != "", exists(filepath.Join(r.Dir, "Cargo.toml"))
	if !inGo && !inRust {
		return nil, "", refuse(ErrRecipe, "say in build of the manifest how "+r.Name+" is made: go, cargo, command or prebuilt",
			"%s has neither a go.mod nor a Cargo.toml", r.Dir)
	}
	if !inRust {
		return asMaker(newGo(ctx, r, Go{}))
	}
	c, why, err := newCargo(ctx, r, Cargo{})
	if inGo && (err != nil || c.Bin != r.Name) {
		if g, why, err := newGo(ctx, r, Go{}); err == nil {
			return g, why, nil
		}
	}
	return asMaker(c, why, err)
}

func asMaker(m maker, why string, err error) (maker, string, error) { return m, why, err }

// goPackage returns the package of the program, and why it is that one.
func goPackage(ctx context.Context, r Recipe, tags []string) (pkg, why string, err error) {
	mains, err := mainPackages(ctx, r.Dir, tags)
	switch {
	case ctx.Err() != nil:
		return "", "", context.Cause(ctx)
	case err != nil:
		return "", "", refuse(ErrRecipe, "say in build.go.package where the program is", "look for a program in Go: %w", err)
	case len(mains) == 0:
		return "", "", refuse(ErrRecipe, "say in build.go.package where the program is", "there is no package main below %s", r.Dir)
	case len(mains) == 1:
		return mains[0], fmt.Sprintf("There is a go.mod, and the one package main is %s", mains[0]), nil
	}
	for _, pkg := range []string{"./cmd/" + r.Name, "./" + r.Name} {
		if slices.Contains(mains, pkg) {
			return pkg, fmt.Sprintf("There is a go.mod; of %d packages main %s has the name of the daemon", len(mains), pkg), nil
		}
	}
	var named []string
	for _, pkg := range mains {
		if filepath.Base(filepath.Join(r.Dir, pkg)) == r.Name {
			named = append(named, pkg)
		}
	}
	if len(named) == 1 {
		return named[0], fmt.Sprintf("There is a go.mod; of %d packages main %s has the name of the daemon", len(mains), named[0]), nil
	}
	return "", "", refuse(ErrRecipe, "say which in build.go.package: "+list(mains), "there are %d packages main below %s, and which is %s is not clear", len(mains), r.Dir, r.Name)
}

// list writes the first of many names.
func list(names []string) string {
	const shown = 10
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + fmt.Sprintf(", and %d more", len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// mostFolders bounds the search for programs: a source tree that is larger says where they are.
const mostFolders = 20_000

// mainPackages returns the packages main of the module that dir is in, at dir and below: ".", "./cmd/worker".
func mainPackages(ctx context.Context, dir string, tags []string) ([]string, error) {
	return findMains(ctx, dir, tags, mostFolders)
}

// findMains is mainPackages in at most so many folders.
func findMains(ctx context.Context, dir string, tags []string, most int) ([]string, error) {
	dir, err := filepath.EvalSymlinks(dir) // WalkDir follows none, not even the first
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{} // folders with Go files
	var mains []string
	folders := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == dir:
			return err
		case err != nil:
			return nil
		case !d.IsDir():
			if folder := filepath.Dir(path); isSource(d.Name()) && !seen[folder] {
				seen[folder] = true
				if is, _ := hasMain(folder, tags); is {
					mains = append(mains, localPackage(dir, folder))
				}
			}
			return nil
		case path != dir && (skipped(d.Name()) || exists(filepath.Join(path, "go.mod"))):
			return fs.SkipDir
		}
		if folders++; folders > most {
			return fmt.Errorf("%s has more than %d folders", dir, most)
		}
		return nil
	})
	slices.Sort(mains)
	return mains, err
}

func isSource(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}

// localPackage names the package in a folder below dir as the go command does: ".", "./cmd/worker".
func localPackage(dir, folder string) string {
	if folder == dir {
		return "."
	}
	return "." + filepath.ToSlash(strings.TrimPrefix(folder, strings.TrimSuffix(dir, string(filepath.Separator))))
}

// skipped are folders that the go command does not look into, and those that may be huge.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") ||
		slices.Contains([]string{"testdata", "vendor", "node_modules", "target"}, name)
}

// hasMain reports whether the files of a directory are a package main, here or on a Linux host. If they are not, unsure
// is that they may be one on another system, or that they contradict each other.
func hasMain(dir string, tags []string) (is, unsure bool) {
	for _, system := range []string{"linux", runtime.GOOS} {
		context := gobuild.Default
		context.GOOS, context.CgoEnabled, context.BuildTags = system, true, tags
		pkg, err := context.ImportDir(dir, 0)
		if err == nil && pkg.Name == "main" && len(pkg.GoFiles)+len(pkg.CgoFiles) > 0 { // not of tests alone
			return true, false
		}
		_, none := errors.AsType[*gobuild.NoGoError](err)
		unsure = unsure || err != nil && (!none || len(pkg.IgnoredGoFiles) > 0)
	}
	return false, unsure
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// above returns the path of the file of that name in dir or the nearest folder above it; "" if there is none.
func above(dir, name string) string {
	for {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}
