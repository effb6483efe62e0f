package davit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/davit-sh/davit"

// house lists the packages from the roof to the cellar: a package imports only what stands below
// it, or beside it under the same name (host/ssh imports host). docs/design.md says what each is.
var house = []string{
	"examples", "bench", "cmd", "internal/cli", "internal/demo", "server", "client", "job", "fleet", "manifest",
	"", // the product
	"scripts", "service", "health", "build", "artifact", "host", "stream", "deadline", "narrate",
	"internal/testhost", "internal/spelling",
}

// product is the place of the root package: it and all below are the library.
var product = slices.Index(house, "")

// unwanted are imports that a package must not have, directly or through others.
var unwanted = []struct {
	path   string // and all below it
	why    string
	except []string // packages, of the library's, that may
}{
	{"github.com/nats-io", "a program that embeds Davit brings its own way to keep jobs", nil},
	{"github.com/danielgtaylor/huma", "an HTTP API is one way to use the library, not part of it", nil},
	{"github.com/spf13", "a library has options, not flags", nil},
	{"github.com/vbauerster/mpb", "bars are drawn by whoever owns the terminal", nil},
	{"golang.org/x/term", "questions are asked by whoever owns the terminal", nil},
	{"testing", "what tests need must not be in users' programs", []string{"stream/streamtest", "host/hosttest", "host/internal/world", "internal/testhost"}},
}

// source is a file of Go.
type source struct {
	pkg  string // path within the module
	name string
	test bool
	file *ast.File
}

// sources parses all files of the module with this mode, for whatever system they are.
func sources(t *testing.T, files *token.FileSet, mode parser.Mode) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (base == "testdata" || base == "tools" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(base) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(files, name, nil, mode)
		if err != nil {
			return err
		}
		pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(name)), ".")
		all = append(all, source{pkg: pkg, name: name, test: strings.HasSuffix(base, "_test.go"), file: file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// place returns where in the house a package stands, or -1.
func place(pkg string) int {
	return slices.IndexFunc(house, func(name string) bool { return pkg == name || name != "" && below(pkg, name) })
}

func below(pkg, folder string) bool { return strings.HasPrefix(pkg, folder+"/") }

// ours returns the path within the module of an import of it.
func ours(imported string) (pkg string, ok bool) {
	if imported == module {
		return "", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func TestImportsPointDownTheHouse(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t, token.NewFileSet(), parser.ImportsOnly) {
		if place(s.pkg) < 0 {
			t.Errorf("%s: package %s has no place in the house: give it one, here and in docs/design.md", s.name, s.pkg)
		}
		for _, spec := range s.file.Imports {
			imported, mine := ours(strings.Trim(spec.Path.Value, `"`))
			if !mine || s.test {
				continue
			}
			same := strings.SplitN(s.pkg, "/", 2)[0] == strings.SplitN(imported, "/", 2)[0]
			switch from, to := place(s.pkg), place(imported); {
			case imported == "internal/testhost":
				t.Errorf("%s imports %s: hosts for tests are started by tests", s.name, imported)
			case s.pkg == "narrate" || s.pkg == "internal/testhost":
				t.Errorf("%s imports %s: %s imports nothing of ours, so that all may import it", s.name, imported, s.pkg)
			case (s.pkg == "deadline" || s.pkg == "stream") && imported != "narrate":
				t.Errorf("%s imports %s: %s works with any work that is narrated, and knows no other package", s.name, imported, s.pkg)
			case to < from && !same, to == from && !same && s.pkg != imported:
				t.Errorf("%s imports %s, which stands above it", s.name, path.Join("davit", imported))
			}
		}
	}
}

func TestTheLibraryDoesNotImportWhatItsUsersMayNotWant(t *testing.T) {
	t.Parallel()
	libraries := map[string]bool{}
	for _, s := range sources(t, token.NewFileSet(), parser.ImportsOnly) {
		if at := place(s.pkg); at >= product && !s.test {
			libraries[s.pkg] = true
		}
	}
	for pkg := range libraries {
		out, err := exec.Command("go", "list", "-deps", "./"+pkg).Output()
		if err != nil {
			t.Fatalf("go list ./%s: %v", pkg, err)
		}
		for _, u := range unwanted {
			if slices.Contains(u.except, pkg) {
				continue
			}
			for imported := range strings.FieldsSeq(string(out)) {
				if imported == u.path || below(imported, u.path) {
					t.Errorf("%s imports %s: %s", path.Join("davit", pkg), imported, u.why)
				}
			}
		}
	}
}
