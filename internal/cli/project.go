package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/davit-sh/davit/build"
	"github.com/davit-sh/davit/manifest"
	"github.com/davit-sh/davit/narrate"
	"github.com/spf13/pflag"
)

// project are the flags that say which manifest there is, and what it says.
type project struct {
	File     string
	manifest *manifest.Manifest // nil until find or load has found it
}

func (p *project) flags(f *pflag.FlagSet) {
	f.StringVar(&p.File, "file", "", "`FILE` with the manifest; "+manifest.FileName+" here or in a directory above unless given")
}

// find reads the manifest, if there is one. One that was named must be there. Its errors are usage errors.
func (p *project) find() error {
	if p.manifest != nil {
		return nil
	}
	path := p.File
	if path == "" {
		found, err := manifest.Find(".")
		if errors.Is(err, manifest.ErrNotFound) {
			return nil
		}
		if err != nil {
			return asUsage(err)
		}
		path = shortest(found)
	}
	var err error
	p.manifest, err = manifest.Load(path)
	return asUsage(err)
}

// load is find for a command that needs one.
func (p *project) load() error {
	if err := p.find(); err != nil || p.manifest != nil {
		return err
	}
	return usagef("write one: davit init", "%w", manifest.ErrNotFound)
}

// shortest returns path as seen from here, if that is shorter.
func shortest(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}

// builder returns what builds the daemon, and a context that knows the secrets of that. The caller closes it.
func builder(ctx context.Context, d manifest.Daemon) (context.Context, *build.Builder, error) {
	for _, name := range slices.Sorted(maps.Keys(d.Secrets)) {
		if err := d.Secrets[name].Check(); err != nil {
			return ctx, nil, asUsage(fmt.Errorf("secret %s of %s: %w", name, d.Name, err))
		}
	}
	recipe := d.Recipe()
	for _, name := range slices.Sorted(maps.Keys(d.Build.Secrets)) {
		value, err := d.Build.Secrets[name].Read(ctx)
		if err != nil {
			return ctx, nil, asUsage(fmt.Errorf("secret %s of the build of %s: %w", name, d.Name, err))
		}
		recipe.Env = append(recipe.Env, name+"="+value)
		ctx = narrate.WithSecret(ctx, value)
	}
	b, err := build.New(ctx, recipe)
	return ctx, b, err
}
