package manifest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/davit-sh/davit/internal/spelling"
)

// Host is a host of a manifest, with the defaults where it says nothing itself. What it holds must
// not be changed.
type Host struct {
	// Name is the key that it stands under.
	Name string
	// Address is what ssh takes, or local for this machine.
	Address string
	// Labels are what hosts are chosen by.
	Labels map[string]string
	// Jump are the hosts to go through, outermost first, each as ssh -J takes it; together, with
	// commas, they are a ProxyJump. It is just "none" if none are wanted, whatever ssh_config says.
	Jump []string
	// Identities are absolute paths of private keys: the host's own, then those of the hosts that
	// it is reached through.
	Identities []string
}

const (
	local = "local" // the address of this machine
	none  = "none"  // no jump
)

// entryOfHost is a host as it is written.
type entryOfHost struct {
	Address  string            `json:"address,omitempty" is:"target" jsonschema:"what ssh takes: user@name, user@name:port, an alias of ssh_config, or local; the name of the host if it is left out"`
	Labels   map[string]string `json:"labels,omitempty" keys:"label" scalar:"any" jsonschema:"what hosts are chosen by: @rack=a"`
	Jump     string            `json:"jump,omitempty" jsonschema:"the host to go through: one of the manifest, or user@name:port; several with commas, outermost first; none for none"`
	Identity string            `json:"identity,omitempty" is:"path" jsonschema:"path of the private key, relative to the manifest"`
}

// routes knows how hosts are reached.
type routes struct {
	d     *decoder
	hosts map[string]entryOfHost
	jumps map[string][]string // by host: names of hosts or targets, outermost first
}

// routes finds the jumps of each host. It complains of those that there are not, and of circles.
func (d *decoder) routes(doc document, names []string) *routes {
	r := &routes{d: d, hosts: doc.Hosts, jumps: map[string][]string{}}
	for _, name := range names {
		if at, said := d.places["hosts/"+name+"/jump"]; said {
			r.jumps[name] = r.list(doc.Hosts[name].Jump, at)
		}
	}
	r.inherit(doc.Defaults.Host, names)
	for _, name := range names {
		r.hosts[name] = r.checked(name)
	}
	if at, said := d.places["defaults/host/address"]; said {
		d.fail(at, "", "the defaults have an address; each host has its own")
	}
	return r
}

// inherit gives the default's jump to the hosts that say none. The hosts that it goes through itself
// do not get it, nor does this machine.
func (r *routes) inherit(from entryOfHost, names []string) {
	jump := r.list(from.Jump, r.d.places["defaults/host/jump"])
	through := map[string]bool{}
	for next := jump; len(next) > 0; next = next[1:] {
		if !through[next[0]] {
			through[next[0]] = true
			next = slices.Concat(next, r.jumps[next[0]])
		}
	}
	for _, name := range names {
		if _, said := r.d.places["hosts/"+name+"/jump"]; !said && !through[name] && r.address(name) != local {
			r.jumps[name] = jump
		}
	}
}

// list returns the hosts that a jump names.
func (r *routes) list(jump string, at place) []string {
	if jump == "" || jump == none {
		return nil
	}
	var all []string
	for hop := range strings.SplitSeq(jump, ",") {
		hop = strings.TrimSpace(hop)
		_, known := r.hosts[hop]
		switch {
		case hop == local || known && r.address(hop) == local:
			r.d.fail(at, "", "jump: %s is this machine", quoted(hop))
		case known || strings.ContainsAny(hop, "@.:") && rules["target"].wrong(hop) == "":
			all = append(all, hop)
		case strings.ContainsAny(hop, "@.:") || rules["host"].wrong(hop) != "":
			r.d.fail(at, rules["target"].hint, "jump: %s is not what ssh takes", quoted(hop))
		default:
			hint := "list it under hosts; for an alias of ssh_config its name is enough"
			if n := spelling.Nearest(hop, slices.Sorted(maps.Keys(r.hosts))); n != "" {
				hint = "did you mean " + n + "? Otherwise " + hint
			}
			r.d.fail(at, hint, "jump: unknown host %s", quoted(hop))
		}
	}
	return all
}

func (r *routes) address(name string) string { return cmp.Or(r.hosts[name].Address, name) }

// checked returns a host without what this machine does not inherit.
func (r *routes) checked(name string) entryOfHost {
	h, d := r.hosts[name], r.d
	if name == local && r.address(name) != local {
		d.fail(d.places["hosts/"+name+"/address"], "choose another name", "local means this machine")
	}
	if r.address(name) != local {
		return h
	}
	if _, said := d.places["hosts/"+name+"/jump"]; said && len(r.jumps[name]) > 0 {
		d.fail(d.places["hosts/"+name+"/jump"], "", "%s is this machine, and is reached without a jump", name)
	}
	if _, said := d.places["hosts/"+name+"/identity"]; !said {
		h.Identity = ""
	}
	return h
}

// maxJumps is how many hosts a way may go through.
const maxJumps = 16

// host returns the host with its way.
func (r *routes) host(name string) Host {
	h := Host{Name: name, Address: r.address(name), Labels: r.hosts[name].Labels}
	h.identify(r.hosts[name].Identity)
	for _, hop := range r.way(name) {
		if _, known := r.hosts[hop]; known {
			h.identify(r.hosts[hop].Identity)
			hop = r.address(hop)
		}
		h.Jump = append(h.Jump, hop)
	}
	if len(h.Jump) == 0 && r.hosts[name].Jump == none {
		h.Jump = []string{none}
	}
	return h
}

// way returns the hosts to go through, outermost first. As with ssh, a list says all of the way from
// its first host on, and only that one's own jumps go before it.
func (r *routes) way(name string) []string {
	at := r.d.places["hosts/"+name+"/jump"]
	var way []string
	for seen := []string{name}; ; {
		jumps := r.jumps[seen[len(seen)-1]]
		way = slices.Concat(jumps, way)
		switch {
		case len(jumps) == 0:
			return way
		case slices.Contains(jumps, name):
			r.d.fail(at, "", "jump: the way goes in a circle: %s", strings.Join(append(seen, name), " -> "))
			return nil
		case slices.Contains(seen, jumps[0]):
			return nil // a circle of others, which is told of them
		case len(way) > maxJumps:
			r.d.fail(at, "", "jump: the way goes through more than %d hosts", maxJumps)
			return nil
		}
		seen = append(seen, jumps[0])
	}
}

func (h *Host) identify(path string) {
	if path != "" && !slices.Contains(h.Identities, path) {
		h.Identities = append(h.Identities, path)
	}
}
