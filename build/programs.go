package build

import (
	"context"
	"path/filepath"
)

// Program is one of those that a source tree makes.
type Program struct {
	Name  string // as its tool names it
	Go    *Go
	Cargo *Cargo
}

// Programs returns the programs in Go and Rust that the source in dir makes.
func Programs(ctx context.Context, dir string) ([]Program, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	var all []Program
	if above(dir, "go.mod") != "" {
		mains, err := mainPackages(ctx, dir, nil)
		if err != nil {
			return nil, err
		}
		for _, pkg := range mains {
			all = append(all, Program{Name: filepath.Base(filepath.Join(dir, pkg)), Go: &Go{Package: pkg}})
		}
	}
	if !exists(filepath.Join(dir, "Cargo.toml")) {
		return all, nil
	}
	tool, err := needTool(Recipe{Dir: dir}, "cargo", getCargo)
	if err != nil {
		return nil, err
	}
	c := &cargo{recipe: Recipe{Dir: dir}, tool: tool}
	meta, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range meta.bins("", dir) {
		all = append(all, Program{Name: b.name, Cargo: &Cargo{Bin: b.name}})
	}
	return all, nil
}
