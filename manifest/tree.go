package manifest

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize is how many bytes a manifest may have.
const MaxSize = 1 << 20

// kind is what a value of YAML is.
type kind int

const (
	nothing kind = iota
	text
	number
	boolean
	list
	mapping
)

// String returns the kind in words.
func (k kind) String() string {
	return [...]string{"nothing", "a string", "a number", "a boolean", "a list", "a mapping"}[k]
}

// node is a value of a manifest. Aliases share theirs, so that a node must not be changed.
type node struct {
	kind    kind
	at      place
	text    string // of what is no list and no mapping: as it was written, but for quotes
	items   []*node
	entries []entry // in their order, what << brought last
	size    int     // what it counts against maxNodes
	open    bool    // it is an anchor's, and not complete yet
}

// entry is a key of a mapping and its value.
type entry struct {
	key   string
	at    place
	value *node
}

// get returns the entry of a key, or nil.
func (n *node) get(key string) *entry {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

// readTree reads YAML: one document, a mapping.
func readTree(file string, data []byte) (*node, *source, error) {
	content, src, err := plainText(file, data)
	if err != nil {
		return nil, src, err
	}
	tokens := lexer.Tokenize(content)
	if err := vet(tokens, src); err != nil {
		return nil, src, err
	}
	body, err := parse(tokens, src)
	if err != nil {
		return nil, src, err
	}
	r := &reader{src: src, anchors: map[string]*node{}}
	root, err := r.node(body)
	if err != nil {
		return nil, src, err
	}
	switch root.kind {
	case mapping:
		return root, src, nil
	case nothing:
		return nil, src, src.wrong(place{1, 1}, emptyHint, "there is nothing in the manifest")
	}
	return nil, src, src.wrong(root.at, emptyHint, "a manifest must be a mapping, not %v", root.kind)
}

const emptyHint = "a manifest says daemons: and hosts:"

// parse returns the only document, nil if it is empty.
func parse(tokens token.Tokens, src *source) (body ast.Node, err error) {
	defer func() {
		if recover() != nil {
			body, err = nil, src.wrong(place{1, 1}, "", "this cannot be read as YAML")
		}
	}()
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(err, src)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			return nil, src.wrong(start(doc.Body), "", "a second document begins here; a manifest is one")
		}
		body = doc.Body
	}
	return body, nil
}

// syntaxHints are said where the parser's message has their words.
var syntaxHints = []struct{ words, hint string }{
	{"reserved character", `put text that begins with @ or a backtick in quotes: "@rack=a"`},
	{"mapping value is not allowed", `put text that has ": " in it in quotes`},
	{"',' or '", "put text that has { or [ in it in quotes"},
	{"could not find end character", "close the quotes"},
	{"could not find flow", "close the bracket"},
}

func syntaxError(err error, src *source) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return src.wrong(place{1, 1}, "", "this cannot be read as YAML")
	}
	p, message, hint := at(e.GetToken()), strings.ReplaceAll(e.GetMessage(), "\t", `\t`), ""
	if strings.Contains(message, "tab character") || strings.Contains(message, `'\t'`) {
		return src.wrong(src.find(place{p.line, 1}, "\t"), "indent with spaces", "a tab cannot indent")
	}
	for _, h := range syntaxHints {
		if strings.Contains(message, h.words) {
			hint = h.hint
			break
		}
	}
	return src.wrong(p, hint, "this is not YAML: %s", message)
}

func at(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{t.Position.Line, t.Position.Column}
}

// start returns where a value begins; the parser gives the colon of a mapping.
func start(n ast.Node) place {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return start(n.Values[0])
		}
	case *ast.MappingValueNode:
		return at(n.Key.GetToken())
	}
	return at(n.GetToken())
}

// reader makes nodes of what the parser found.
type reader struct {
	src     *source
	anchors map[string]*node
	count   int
}

// spend counts what stands at p.
func (r *reader) spend(size int, p place) error {
	if r.count += size; r.count > maxNodes {
		return tooMuch(r.src, p)
	}
	return nil
}

func (r *reader) node(n ast.Node) (*node, error) {
	switch n := n.(type) {
	case nil:
		return &node{size: 1, at: place{1, 1}}, nil
	case *ast.AnchorNode:
		return r.anchor(n)
	case *ast.AliasNode:
		return r.alias(n)
	case *ast.MappingNode:
		return r.mapping(n.Values, start(n))
	case *ast.MappingValueNode:
		return r.mapping([]*ast.MappingValueNode{n}, start(n))
	case *ast.SequenceNode:
		return r.list(n)
	}
	kind, text, ok := scalar(n)
	if !ok {
		return nil, r.src.wrong(start(n), "", "this has no place in a manifest")
	}
	// A long text counts as several values: with aliases it may stand in thousands of places.
	v := &node{kind: kind, text: text, at: start(n), size: 1 + len(text)/1024}
	return v, r.spend(v.size, v.at)
}

// scalar returns a single value and its text as it was written.
func scalar(n ast.Node) (kind, string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return text, n.Value, true
	case *ast.LiteralNode:
		return text, n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return number, n.GetToken().Value, true
	case *ast.BoolNode:
		return boolean, n.GetToken().Value, true
	case *ast.NullNode:
		return nothing, n.GetToken().Value, true
	}
	return nothing, "", false
}

func (r *reader) anchor(n *ast.AnchorNode) (*node, error) {
	v := &node{open: true}
	r.anchors[n.Name.GetToken().Value] = v
	inside, err := r.node(n.Value)
	if err != nil {
		return nil, err
	}
	*v = *inside
	return v, nil
}

func (r *reader) alias(n *ast.AliasNode) (*node, error) {
	p, name := start(n), n.Value.GetToken().Value
	v, ok := r.anchors[name]
	switch {
	case !ok:
		return nil, r.src.wrong(p, "", "there is no anchor &%s before this", name)
	case v.open:
		return nil, r.src.wrong(p, "", "*%s stands inside of &%s itself, and would never end", name, name)
	}
	return v, r.spend(v.size, p)
}

func (r *reader) list(n *ast.SequenceNode) (*node, error) {
	v := &node{kind: list, at: start(n), size: 1}
	if err := r.spend(1, v.at); err != nil {
		return nil, err
	}
	for _, value := range n.Values {
		item, err := r.node(value)
		if err != nil {
			return nil, err
		}
		v.items = append(v.items, item)
		v.size += item.size
	}
	return v, nil
}

func (r *reader) mapping(values []*ast.MappingValueNode, p place) (*node, error) {
	v := &node{kind: mapping, at: p, size: 1}
	if err := r.spend(1, p); err != nil {
		return nil, err
	}
	seen := map[string]place{}
	var merged *node
	for _, value := range values {
		key, err := r.key(value.Key, seen)
		if err != nil {
			return nil, err
		}
		inside, err := r.node(value.Value)
		if err != nil {
			return nil, err
		}
		v.size += inside.size
		if value.Key.IsMergeKey() {
			merged = inside
			continue
		}
		at := seen[key]
		if null, ok := value.Value.(*ast.NullNode); ok && null.GetToken().Type == token.ImplicitNullType {
			inside.at = at // else it would be where nothing is
		}
		v.entries = append(v.entries, entry{key, at, inside})
	}
	return v, r.merge(v, merged, seen)
}

// key returns the key, which no other of its mapping may be, and notes it in seen.
func (r *reader) key(n ast.MapKeyNode, seen map[string]place) (string, error) {
	p := start(n)
	_, key, ok := scalar(n)
	if _, long := n.(*ast.LiteralNode); long {
		ok = false
	}
	if n.IsMergeKey() {
		key, ok = "<<", true
	}
	if !ok {
		return "", r.src.wrong(p, "", "a key must be plain text")
	}
	if first, twice := seen[key]; twice {
		return "", r.src.wrong(p, "", "%s stands here twice; the first is in line %d", quoted(key), first.line)
	}
	seen[key] = p
	return key, nil
}

// merge adds to v what << has and v has not: of a mapping, or of several, the first first.
func (r *reader) merge(v, merged *node, seen map[string]place) error {
	if merged == nil {
		return nil
	}
	from := []*node{merged}
	if merged.kind == list {
		from = merged.items
	}
	for _, m := range from {
		if m.kind != mapping {
			return r.src.wrong(seen["<<"], "write <<: *NAME, with &NAME before a mapping", "<< takes a mapping, not %v", m.kind)
		}
		for _, e := range m.entries {
			if _, ok := seen[e.key]; !ok {
				seen[e.key] = e.at
				v.entries = append(v.entries, e)
			}
		}
	}
	return nil
}
