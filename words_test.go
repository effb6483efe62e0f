package davit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"
)

// words are those of one side of a conversation, and where each stands.
type words map[string]string

// known fails the test for each of the words that the other side does not know.
func (w words) known(t *testing.T, to words, trouble string) {
	t.Helper()
	if len(w) == 0 || len(to) == 0 {
		t.Fatalf("no words were found: %d, %d; this test does not understand the sources any more", len(w), len(to))
	}
	for _, word := range slices.Sorted(maps.Keys(w)) {
		if to[word] == "" {
			t.Errorf("%s: %q %s", w[word], word, trouble)
		}
	}
}

// Both sides of a conversation are read from their sources: no word of either is lost on the other.
func TestScriptsAndProgramKnowEachOthersWords(t *testing.T) {
	script, program := readScripts(t), readProgram(t)
	script.tells.known(t, program.hears, "is told by a script, and nothing listens for it")
	program.hears.known(t, script.tells, "is waited for, and no script tells it")
	program.tells.known(t, script.matches, "is said to a script, and none listens for it")
	script.hears.known(t, program.mentions, "is waited for by a script, and nothing says it")
	script.facts.known(t, program.facts, "is told as a fact, which nothing takes")
	program.facts.known(t, script.facts, "is taken as a fact, which no script tells")
	complaints := words{}
	for word := range refusals {
		complaints[word] = "conversation.go"
	}
	script.complaints.known(t, complaints, "is a complaint of a script's that nothing knows")
	complaints.known(t, script.complaints, "is known as a complaint, and no script complains of it")
}

func TestEveryFactIsTaken(t *testing.T) {
	for key := range readScripts(t).facts {
		changes := false
		for _, value := range []string{"Linux", "x86_64", "1", "a b"} {
			f := facts{tools: map[string]string{}, free: -1}
			f.add(key + " " + value)
			changes = changes || !reflect.DeepEqual(f, facts{tools: map[string]string{}, free: -1})
		}
		if !changes {
			t.Errorf("the fact %q changes nothing", key)
		}
	}
}

// scriptWords are what the scripts say and listen for, and all that they match anything with: a word
// may be heard in one place and heeded in another.
type scriptWords struct{ tells, hears, matches, facts, complaints words }

func readScripts(t *testing.T) scriptWords {
	t.Helper()
	files, err := filepath.Glob("scripts/*.sh")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	s := scriptWords{words{}, words{}, words{}, words{}, words{}}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s.read(t, name, string(text))
	}
	return s
}

func (s scriptWords) read(t *testing.T, name, text string) {
	t.Helper()
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), name)
	if err != nil {
		t.Fatal(err)
	}
	syntax.Walk(file, func(node syntax.Node) bool {
		switch node := node.(type) {
		case *syntax.CallExpr:
			s.call(t, name, node.Args)
		case *syntax.CaseClause:
			param, ok := node.Word.Parts[0].(*syntax.ParamExp)
			for _, item := range node.Items {
				for _, pattern := range item.Patterns {
					word := static(pattern)
					s.note(s.matches, name, word)
					if ok && param.Param.Value == "word" && word != "*" {
						s.note(s.hears, name, word)
					}
				}
			}
		}
		return true
	})
}

// call takes the words of one command. What it passes on from elsewhere, "$@", is found there.
func (s scriptWords) call(t *testing.T, name string, args []*syntax.Word) {
	t.Helper()
	var said []string
	for _, arg := range args {
		said = append(said, static(arg))
	}
	said = append(said, "", "", "", "")
	switch said[0] {
	case "trap":
		if said[1] != "-" {
			s.read(t, name, said[1])
		}
	case "fact":
		s.note(s.facts, name, said[1])
	case "tell", "later":
		s.note(s.tells, name, said[1])
	}
	complaint := map[string]string{"fail": said[1], "end failed": said[2], "tell failed": said[2], "tell end failed": said[3]}
	for _, begin := range []string{said[0], said[0] + " " + said[1], said[0] + " " + said[1] + " " + said[2]} {
		s.note(s.complaints, name, complaint[begin])
	}
}

func (s scriptWords) note(to words, name, word string) {
	if word != "" {
		to[word] = name
	}
}

// static returns a word of the shell's that has nothing to expand, else "".
func static(word *syntax.Word) string {
	text := ""
	for _, part := range word.Parts {
		switch part := part.(type) {
		case *syntax.Lit:
			text += part.Value
		case *syntax.SglQuoted:
			text += part.Value
		case *syntax.DblQuoted:
			inside := static(&syntax.Word{Parts: part.Parts})
			if inside == "" {
				return ""
			}
			text += inside
		default:
			return ""
		}
	}
	return text
}

// programWords are what the program says, listens for, and mentions at all.
type programWords struct{ tells, hears, facts, mentions words }

func readProgram(t *testing.T) programWords {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	p := programWords{words{}, words{}, words{}, words{}}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			p.look(name, node)
			return true
		})
	}
	return p
}

// speaking are the methods that say their first word to a script, hearing those that wait for it.
var (
	speaking = []string{"say", "Say", "Send", "part", "stop"}
	hearing  = []string{"hear", "hearFacts", "wait"}
)

func (p programWords) look(name string, node ast.Node) {
	switch node := node.(type) {
	case *ast.BasicLit:
		p.note(p.mentions, name, node)
	case *ast.BinaryExpr:
		if isFirst(node.X) {
			p.note(p.hears, name, node.Y)
		}
	case *ast.SwitchStmt:
		if node.Tag != nil && isFirst(node.Tag) {
			p.cases(p.hears, name, node)
		}
	case *ast.FuncDecl:
		if node.Name.Name == "add" && node.Recv != nil {
			p.takes(name, node)
		}
	case *ast.CallExpr:
		p.call(name, node)
	}
}

func (p programWords) call(name string, node *ast.CallExpr) {
	called, ok := node.Fun.(*ast.SelectorExpr)
	switch {
	case !ok:
	case slices.Contains(hearing, called.Sel.Name):
		for _, arg := range node.Args {
			p.note(p.hears, name, arg)
		}
	case called.Sel.Name == "Contains" && slices.ContainsFunc(node.Args, isFirst):
		ast.Inspect(node.Args[0], func(node ast.Node) bool {
			p.note(p.hears, name, node)
			return true
		})
	case slices.Contains(speaking, called.Sel.Name):
		for _, arg := range node.Args {
			if p.note(p.tells, name, arg) {
				return
			}
		}
	}
}

// takes looks at the facts that are taken: the cases of the switch on a fact's key.
func (p programWords) takes(name string, node *ast.FuncDecl) {
	for _, statement := range node.Body.List {
		if s, ok := statement.(*ast.SwitchStmt); ok {
			p.cases(p.facts, name, s)
		}
	}
}

func (p programWords) cases(to words, name string, s *ast.SwitchStmt) {
	for _, clause := range s.Body.List {
		for _, value := range clause.(*ast.CaseClause).List {
			p.note(to, name, value)
		}
	}
}

var oneWord = regexp.MustCompile(`^[a-z]+$`)

// note takes a node if it is a literal of one word, and reports whether it was.
func (p programWords) note(to words, name string, node ast.Node) bool {
	literal, ok := node.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return false
	}
	word, err := strconv.Unquote(literal.Value)
	if err != nil || !oneWord.MatchString(word) {
		return false
	}
	to[word] = name
	return true
}

// isFirst reports whether an expression is the first of what a script said.
func isFirst(node ast.Expr) bool {
	selector, ok := node.(*ast.SelectorExpr)
	return ok && selector.Sel.Name == "First"
}
