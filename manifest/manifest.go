// Package manifest reads davit.yaml: which daemons there are, how each is built, run and watched,
// and on which hosts.
//
//	m, err := manifest.Load("davit.yaml")
//	worker, err := m.Daemon("worker")
//	hosts, err := m.Select(worker.Hosts, false)
//
// It is strict: an unknown key, a wrong type or a name used twice is an [*Error] with its place.
package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/davit-sh/davit/internal/spelling"

	"github.com/davit-sh/davit"
)

// FileName is the name of a manifest.
const FileName = "davit.yaml"

// Find returns the path of the manifest in dir, or in the nearest directory above that has one;
// it is dir's, absolute or not. There being none is [ErrNotFound].
func Find(dir string) (string, error) {
	above, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for path := filepath.Join(dir, FileName); ; path = filepath.Join(above, FileName) {
		info, err := os.Stat(path)
		switch {
		case err == nil && !info.IsDir():
			return path, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("look for %s: %w", FileName, err)
		case filepath.Dir(above) == above:
			return "", ErrNotFound
		}
		above = filepath.Dir(above)
	}
}

// Manifest is what a file says. It must not be changed.
type Manifest struct {
	// Path is that of the file, as it was named.
	Path string

	daemons []Daemon // both in the order of the file
	hosts   []Host
}

// Load reads the manifest at path, with the variables of the environment. What is wrong with its
// content is an [*Error].
func Load(path string) (*Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	return Parse(path, data, os.LookupEnv)
}

// Parse is Load for content that was read already: data is that of the file at path, env gives a
// variable of the environment and whether it is set. It reads no file. Every error is an [*Error]:
// the first of the file that is wrong, where YAML comes before keys and types, and these before
// what only makes sense together.
func Parse(path string, data []byte, env func(string) (string, bool)) (*Manifest, error) {
	root, src, err := readTree(path, data)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, src.wrong(place{1, 1}, "", "the directory of the manifest is not known: %v", err)
	}
	d := &decoder{src: src, dir: dir, env: env, base: map[reflect.Type]reflect.Value{}, places: map[string]place{}}
	var doc document
	d.value(reflect.ValueOf(&doc).Elem(), root, field{name: "the manifest"})
	if d.first != nil {
		return nil, d.first
	}
	m := d.manifest(doc, names(root, "daemons"), names(root, "hosts"))
	if d.first != nil {
		return nil, d.first
	}
	m.Path = path
	return m, nil
}

// names returns the keys of a section in their order.
func names(root *node, section string) []string {
	var all []string
	if e := root.get(section); e != nil {
		for _, e := range e.value.entries {
			all = append(all, e.key)
		}
	}
	return all
}

// manifest makes the manifest of a document, and sees to what only makes sense together.
func (d *decoder) manifest(doc document, daemons, hosts []string) *Manifest {
	m := &Manifest{}
	routes := d.routes(doc, hosts)
	for _, name := range hosts {
		m.hosts = append(m.hosts, routes.host(name))
	}
	d.words(m, doc.Defaults.Daemon.Hosts, "defaults/daemon")
	for _, name := range daemons {
		daemon := doc.Daemons[name]
		d.words(m, daemon.Hosts, "daemons/"+name)
		d.complete(&daemon, name)
		m.daemons = append(m.daemons, daemon)
	}
	return m
}

// words complains of hosts that there are not, if they are said at this path.
func (d *decoder) words(m *Manifest, words []string, path string) {
	for i, word := range words {
		at, said := d.places[fmt.Sprintf("%s/hosts[%d]", path, i)]
		if _, err := m.match(word); err != nil && said {
			d.fail(at, err.hint, "%s", err.short())
		}
	}
}

// complete fills in what a daemon leaves to us.
func (d *decoder) complete(daemon *Daemon, name string) {
	daemon.Name = name
	if daemon.Build.Dir == "" {
		daemon.Build.Dir = d.dir
	}
	if h := daemon.Health; h != nil && h.HTTP+h.TCP+h.Command == "" {
		if at, said := d.places["daemons/"+name+"/health"]; said {
			d.fail(at, "", "health needs http, tcp or command")
		}
		daemon.Health = nil
	}
	daemon.Secrets = d.secrets(name, "", daemon.Secrets, daemon.Env)
	daemon.Build.Secrets = d.secrets(name, "/build", daemon.Build.Secrets, daemon.Build.Env)
}

// secrets returns the secrets of a section of a daemon, "" or "/build", each with its name. It
// complains of those that env has, too.
func (d *decoder) secrets(daemon, section string, secrets map[string]Secret, env map[string]string) map[string]Secret {
	for name, s := range secrets {
		if _, twice := env[name]; twice {
			d.fail(d.said(name, "daemons/"+daemon+section, "defaults/daemon"+section), "leave one of them",
				"%s is in env and in secrets", name)
		}
		s.name, s.dir = name, d.dir
		secrets[name] = s
	}
	return secrets
}

// said returns where a variable is said, in the first of the sections that says it.
func (d *decoder) said(name string, sections ...string) place {
	for _, section := range sections {
		for _, kind := range []string{"/secrets/", "/env/"} {
			if at, ok := d.places[section+kind+name]; ok {
				return at
			}
		}
	}
	return place{1, 1}
}

// Daemons returns the daemons in the order of the file.
func (m *Manifest) Daemons() []Daemon { return slices.Clone(m.daemons) }

// Hosts returns the hosts in the order of the file.
func (m *Manifest) Hosts() []Host { return slices.Clone(m.hosts) }

// Daemon returns the daemon of this name, or an error that wraps [ErrUnknownDaemon] and names
// the nearest.
func (m *Manifest) Daemon(name string) (Daemon, error) {
	var all []string
	for _, d := range m.daemons {
		if d.Name == name {
			return d, nil
		}
		all = append(all, d.Name)
	}
	return Daemon{}, unknown(ErrUnknownDaemon, name, all, "the manifest has no daemons", "the daemons are")
}

// Host returns the host of this name, or an error that wraps [ErrUnknownHost] and names the nearest.
func (m *Manifest) Host(name string) (Host, error) {
	var all []string
	for _, h := range m.hosts {
		if h.Name == name {
			return h, nil
		}
		all = append(all, h.Name)
	}
	return Host{}, unknown(ErrUnknownHost, name, all, "the manifest has no hosts", "the hosts are")
}

// Select returns the hosts that the words choose, each once, in the order of the file; all
// chooses every one. A word is the name of a host, @label=value, or @label for those that have
// the label at all. An error wraps [ErrUnknownHost] or [ErrUnknownLabel] and says what there is.
func (m *Manifest) Select(words []string, all bool) ([]Host, error) {
	chosen := map[string]bool{}
	for _, word := range words {
		hosts, err := m.match(word)
		if err != nil {
			return nil, err
		}
		for _, h := range hosts {
			chosen[h.Name] = true
		}
	}
	var hosts []Host
	for _, h := range m.hosts {
		if all || chosen[h.Name] {
			hosts = append(hosts, h)
		}
	}
	return hosts, nil
}

// match returns the hosts that one word chooses; one at least if err is nil.
func (m *Manifest) match(word string) ([]Host, *unknownError) {
	label, isLabel := strings.CutPrefix(word, "@")
	if !isLabel {
		h, err := m.Host(word)
		if err != nil {
			return nil, err.(*unknownError)
		}
		return []Host{h}, nil
	}
	label, value, hasValue := strings.Cut(label, "=")
	var hosts []Host
	labels, values := map[string]bool{}, map[string]bool{}
	for _, h := range m.hosts {
		for l := range h.Labels {
			labels[l] = true
		}
		if v, ok := h.Labels[label]; ok {
			values[v] = true
			if !hasValue || v == value {
				hosts = append(hosts, h)
			}
		}
	}
	switch {
	case len(hosts) > 0:
		return hosts, nil
	case !labels[label]:
		return nil, unknown(ErrUnknownLabel, label, sorted(labels), "no host has a label", "the labels are")
	}
	return nil, unknown(ErrUnknownLabel, label+"="+value, prefixed(label+"=", sorted(values)), "", "there are")
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

func prefixed(prefix string, all []string) []string {
	for i := range all {
		all[i] = prefix + all[i]
	}
	return all
}

// unknownError says that a name is none of those that there are.
type unknownError struct {
	kind       error
	name, hint string
}

func unknown(kind error, name string, all []string, none, there string) *unknownError {
	e := &unknownError{kind: kind, name: name, hint: none}
	if len(all) > 0 {
		e.hint = there + " " + strings.Join(all, ", ")
		if n := spelling.Nearest(name, all); n != "" {
			e.hint = "did you mean " + n + "? " + e.hint
		}
	}
	return e
}

// Error says what there is, too.
func (e *unknownError) Error() string {
	if e.hint == "" {
		return e.short()
	}
	return e.short() + "; " + e.hint
}

func (e *unknownError) short() string { return fmt.Sprintf("%v %s", e.kind, quoted(e.name)) }

// Unwrap returns the kinds of the error.
func (e *unknownError) Unwrap() []error { return []error{e.kind, davit.ErrUsage} }

// Meant returns the host that an unknown name is most likely a misspelling of, or "".
func (m *Manifest) Meant(name string) string {
	var all []string
	for _, h := range m.hosts {
		all = append(all, h.Name)
	}
	return spelling.Nearest(name, all)
}

// meant says what name may have been meant, or what there is.
func meant(name string, names []string, there string) string {
	if n := spelling.Nearest(name, names); n != "" {
		return "did you mean " + n + "?"
	}
	if len(names) == 0 {
		return ""
	}
	return there + " " + strings.Join(names, ", ")
}
