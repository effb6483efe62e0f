package manifest

import (
	"path/filepath"
	"strings"
)

// expand returns the text of n with ${NAME} and ${NAME:-default} replaced from the environment,
// and whether any was; $${ stands for ${. It complains of what cannot be replaced.
func (d *decoder) expand(n *node, f field) (written string, replaced, ok bool) {
	var b strings.Builder
	for rest := n.text; ; {
		before, after, found := strings.Cut(rest, "${")
		b.WriteString(before)
		if !found {
			return b.String(), replaced, true
		}
		if strings.HasSuffix(before, "$") {
			b.WriteByte('{') // the dollar is there
			rest = after
			continue
		}
		inside, behind, closed := strings.Cut(after, "}")
		value, ok := d.variable(n, f, inside, closed)
		if !ok {
			return "", false, false
		}
		if d.expanded += len(value); d.expanded > MaxSize {
			d.fail(d.src.find(n.at, "${"+inside), "", "the values of variables come to more than 1 MiB")
			return "", false, false
		}
		b.WriteString(value)
		replaced, rest = true, behind
	}
}

// variable returns what NAME or NAME:-default stands for.
func (d *decoder) variable(n *node, f field, inside string, closed bool) (string, bool) {
	name, instead, hasDefault := strings.Cut(inside, ":-")
	p := d.src.find(n.at, "${"+name)
	const literally = "for the characters themselves write $${"
	switch {
	case !closed:
		d.fail(d.src.find(n.at, "${"), literally, "%s: ${ is not closed with }", f.name)
		return "", false
	case strings.Contains(inside, "${"):
		d.fail(p, "", "%s: a variable stands inside of another", f.name)
		return "", false
	case rules["env"].wrong(name) != "":
		d.fail(p, literally, "%s: %s %s", f.name, quoted(name), rules["env"].wrong(name))
		return "", false
	}
	value, set := d.env(name)
	switch {
	case set && (value != "" || !hasDefault):
		return value, true
	case hasDefault:
		return instead, true
	}
	d.fail(p, "set it, or give a default: ${"+name+":-default}", "the variable %s is not set", name)
	return "", false
}

// path returns the absolute form of a path of this machine, or what is wrong with it.
func (d *decoder) path(written string) (path, wrong string) {
	if written == "" {
		return "", "the path is empty"
	}
	if rest, ok := strings.CutPrefix(written, "~"); ok && (rest == "" || rest[0] == '/' || rest[0] == filepath.Separator) {
		home, _ := d.env("HOME")
		if !filepath.IsAbs(home) {
			return "", "~ means the directory that HOME names, which is not set"
		}
		return filepath.Join(home, rest), ""
	}
	if strings.HasPrefix(written, "~") {
		return "", "only ~/ is known, not the homes of others; for a name that begins with ~ write ./~"
	}
	if filepath.IsAbs(written) {
		return filepath.Clean(written), ""
	}
	return filepath.Join(d.dir, written), ""
}
