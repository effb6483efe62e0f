package davit_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
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
