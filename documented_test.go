package davit_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// selfEvident are methods whose meaning is said by the interface of the standard library.
var selfEvident = map[string]bool{"Error": true, "String": true, "Unwrap": true, "Is": true}

// Whatever a user can name has a comment that says what it means.
func TestEveryExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	packages := map[string][]*ast.File{}
	set := token.NewFileSet()
	for _, s := range sources(t, set, parser.ParseComments) {
		if !s.test && s.file.Name.Name != "main" {
			packages[s.pkg] = append(packages[s.pkg], s.file)
		}
	}
	for name, files := range packages {
		p, err := doc.NewFromFiles(set, files, module+"/"+name)
		if err != nil {
			t.Fatal(err)
		}
		c := docCheck{t, p.Name}
		c.documented("package", p.Name, p.Doc)
		if strings.HasPrefix(name, "internal/") {
			continue
		}
		c.values(p.Consts)
		c.values(p.Vars)
		c.funcs(p.Funcs)
		for _, typ := range p.Types {
			c.documented("type", typ.Name, typ.Doc)
			c.values(typ.Consts)
			c.values(typ.Vars)
			c.funcs(typ.Funcs)
			c.funcs(typ.Methods)
		}
	}
}

// docCheck looks at one package.
type docCheck struct {
	t   *testing.T
	pkg string
}

func (c docCheck) documented(what, name, text string) {
	c.t.Helper()
	if strings.TrimSpace(text) == "" {
		c.t.Errorf("%s: %s %s has no comment", c.pkg, what, name)
	}
}

func (c docCheck) funcs(all []*doc.Func) {
	for _, f := range all {
		if ast.IsExported(f.Name) && !selfEvident[f.Name] {
			c.documented("func", f.Name, f.Doc)
		}
	}
}

// values takes a comment on the group, above a name or beside it.
func (c docCheck) values(groups []*doc.Value) {
	for _, g := range groups {
		for _, spec := range g.Decl.Specs {
			v := spec.(*ast.ValueSpec)
			if ast.IsExported(v.Names[0].Name) {
				c.documented("value", v.Names[0].Name, g.Doc+v.Doc.Text()+v.Comment.Text())
			}
		}
	}
}

// promise is one of the numbered promises: "1. **Nothing half-done.**", or a heading "## 1. Nothing half-done".
var promise = regexp.MustCompile(`(?m)^(?:## )?(\d+\. )(?:\*\*)?([A-Z][^*\n]*?)[.,:]?(?:\*\*|$)`)

func promises(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, found := range promise.FindAllStringSubmatch(string(text), -1) {
		all = append(all, found[1]+found[2])
	}
	return all
}

func TestEveryPromiseHasItsGuarantee(t *testing.T) {
	t.Parallel()
	made, kept := promises(t, "docs/design.md"), promises(t, "docs/guarantees.md")
	if len(made) == 0 || !slices.Equal(made, kept) {
		t.Errorf("docs/design.md promises\n%q, docs/guarantees.md has\n%q", made, kept)
	}
}

var (
	inCode   = regexp.MustCompile("`([^`\\s]+)`")
	testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark|Example)[A-Z]`)
	fileName = regexp.MustCompile(`^[a-z][\w./-]*(\.(go|sh|md)|/)$`)
)

func TestWhatTheGuaranteesNameExists(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{}
	for _, s := range sources(t, token.NewFileSet(), 0) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}
	text, err := os.ReadFile("docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, found := range inCode.FindAllStringSubmatch(string(text), -1) {
		switch name := found[1]; {
		case testName.MatchString(name):
			named++
			if !tests[name] {
				t.Errorf("there is no test %s", name)
			}
		case fileName.MatchString(name):
			named++
			if _, err := os.Stat(name); err != nil {
				t.Error(err)
			}
		}
	}
	if named == 0 {
		t.Error("docs/guarantees.md names no test and no file")
	}
}

// A job's ID travels in the context: only what is about jobs names one.
func TestNoOperationTakesAJobID(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t, token.NewFileSet(), 0) {
		about := slices.Contains([]string{"narrate", "stream"}, strings.Split(s.pkg, "/")[0])
		if s.test || about || place(s.pkg) < product {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			f, ok := n.(*ast.FuncType)
			if !ok {
				return true
			}
			for _, param := range f.Params.List {
				for _, name := range param.Names {
					if strings.Contains(strings.ToLower(name.Name), "job") {
						t.Errorf("%s: the parameter %s of a function: a job travels in the context", s.name, name.Name)
					}
				}
			}
			return true
		})
	}
}
