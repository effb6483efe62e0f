// Package build makes the executable of a daemon for the platform of a host: from Go or Rust source,
// by any command, or by finding one that is there already.
package build

import (
	"path/filepath"
	"strings"
)

// Recipe says how the executable of a daemon is made. At most one of Go, Cargo, Command and Prebuilt
// is set; if none is, [New] looks at the source and chooses.
type Recipe struct {
	// Name is that of the daemon; it chooses among several programs of a source tree.
	Name string
	// Dir is the directory of the source, which commands run in.
	Dir string
	// Env is added to our own environment for whatever is run: NAME=value.
	Env []string

	Go       *Go
	Cargo    *Cargo
	Command  *Command
	Prebuilt string // path with {os}, {arch} and {libc} in it, relative to Dir
}

// validate refuses what no source could be built by.
func (r Recipe) validate() error {
	if r.Name == "" || r.Name != filepath.Base(r.Name) || strings.HasPrefix(r.Name, ".") {
		return refuse(ErrRecipe, "name it like a file: worker", "%q is no name of a daemon", r.Name)
	}
	ways := 0
	for _, is := range []bool{r.Go != nil, r.Cargo != nil, r.Command != nil, r.Prebuilt != ""} {
		if is {
			ways++
		}
	}
	if ways > 1 {
		return refuse(ErrRecipe, "say one of go, cargo, command and prebuilt", "there are %d ways to make %s", ways, r.Name)
	}
	return nil
}

// env returns what a variable is for whatever is run.
func (r Recipe) env(name string) string {
	value, _ := lookupEnv(environment(r), name)
	return value
}

// Go is a program in Go.
type Go struct {
	Package string   `json:"package,omitempty" jsonschema:"package of the program, as go build takes it: ./cmd/worker; found if it is left out"`
	Tags    []string `json:"tags,omitempty" jsonschema:"build tags"`
	LDFlags string   `json:"ldflags,omitempty" jsonschema:"flags of the linker: -s -w -X main.version=1.0"`
	Flags   []string `json:"flags,omitempty" jsonschema:"further flags of go build"`
	CGO     bool     `json:"cgo,omitempty" jsonschema:"build with cgo, which needs a C compiler for the host's platform"`
}

// Cargo is a program in Rust.
type Cargo struct {
	Package           string   `json:"package,omitempty" jsonschema:"package of the workspace; only needed if several have that bin"`
	Bin               string   `json:"bin,omitempty" jsonschema:"bin to build; found if it is left out"`
	Features          []string `json:"features,omitempty" jsonschema:"features to switch on"`
	NoDefaultFeatures bool     `json:"no_default_features,omitempty" jsonschema:"leave the default features out"`
	Profile           string   `json:"profile,omitempty" jsonschema:"profile to build with; release if it is left out"`
	Target            string   `json:"target,omitempty" jsonschema:"target triple; follows from the host's platform and C library if it is left out"`
}

// Command is any command that makes an executable. It is given to /bin/sh, with these in its environment:
// DAVIT_OS and DAVIT_ARCH in Go's words, DAVIT_LIBC (glibc, musl or empty) and DAVIT_OUTPUT, the path of the
// file to make.
type Command struct {
	Run string
	// Output is the path of the file that it makes, relative to Dir, with {os}, {arch} and {libc} in it.
	// If it is empty the command makes the file at $DAVIT_OUTPUT, which is in a fresh directory.
	Output string
}
