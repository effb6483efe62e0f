package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/local"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/pflag"
)

// localName is the host that needs no connection.
const localName = "local"

// The ways to speak SSH.
const (
	native      = "native"
	withOpenSSH = "openssh"
)

// connection are the flags that say how hosts are reached.
type connection struct {
	Hosts []string

	Identities        []string
	SSHConfig         string
	PasswordFile      string
	AcceptNewHostKeys bool
	SSH               string
	Parallel          int
	All               bool // hosts of the manifest

	ofManifest bool // what is done is the manifest's: a word that is nearly one of its hosts is a misspelling
}

func (c *connection) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&c.Identities, "identity", "i", nil, "private key `FILE` to sign in with; may be repeated")
	f.StringVar(&c.SSHConfig, "ssh-config", "", "ssh_config `FILE` to use instead of the user's and the system's")
	f.StringVar(&c.PasswordFile, "password-file", "", "`FILE` whose first line is the password to sign in with")
	f.BoolVar(&c.AcceptNewHostKeys, "accept-new-host-keys", false, "accept, and remember, the key of a host that is not known yet")
	f.StringVar(&c.SSH, "ssh", native, "`WHICH` SSH: native, or openssh, the ssh program, for hardware keys, GSSAPI and the like")
	f.IntVar(&c.Parallel, "parallel", fleet.DefaultParallel, "work on `N` hosts at once")
}

// open returns the hosts, in the order given, none of them connected. A word may name hosts of the manifest, which
// may be nil, as may ask. The caller closes them. Its errors are usage errors.
func (c *connection) open(m *manifest.Manifest, ask asking) ([]host.Host, error) {
	if c.Parallel < 1 {
		return nil, usagef("", "--parallel is %d; it must be at least 1", c.Parallel)
	}
	if c.SSH != native && c.SSH != withOpenSSH {
		return nil, usagef("leave it out, or say --ssh "+withOpenSSH, "--ssh is %q; it must be %s or %s", c.SSH, native, withOpenSSH)
	}
	wanted, err := c.wanted(m)
	if err != nil {
		return nil, asUsage(err)
	}
	if len(wanted) == 0 {
		return nil, usagef("name a host as ssh takes it, or list hosts in "+manifest.FileName, "--all: no manifest lists hosts")
	}
	var hosts []host.Host
	for _, w := range wanted {
		h, err := c.host(w, ask)
		if err != nil {
			return nil, asUsage(err)
		}
		if w.Name != "" {
			h = named{h, w.Name}
		}
		if slices.Contains(names(hosts), h.Name()) {
			return nil, usagef("name each host once", "%s is named twice", h.Name())
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// wanted returns the hosts that the words mean, in the order given; those that are none of the manifest's have no
// name. A host that several words mean is there once, unless it is named twice.
func (c *connection) wanted(m *manifest.Manifest) ([]manifest.Host, error) {
	var all []manifest.Host
	if m == nil {
		m = &manifest.Manifest{}
	}
	chosen := map[string]bool{} // by name
	if c.All {
		all = m.Hosts()
	}
	for _, h := range all {
		chosen[h.Name] = true
	}
	for _, word := range c.Hosts {
		hosts, err := m.Select([]string{word}, false)
		switch {
		case errors.Is(err, manifest.ErrUnknownHost) && c.ofManifest && m.Meant(word) != "":
			return nil, fmt.Errorf("%w; write ssh://%s for one that is not in %s", err, word, m.Path)
		case errors.Is(err, manifest.ErrUnknownHost):
			hosts = []manifest.Host{{Address: word}}
		case errors.Is(err, manifest.ErrUnknownLabel) && m.Path == "":
			return nil, fmt.Errorf("%s chooses among the hosts of a manifest, and %w", word, manifest.ErrNotFound)
		case err != nil:
			return nil, err
		}
		for _, h := range hosts {
			if h.Name != "" && chosen[h.Name] && strings.HasPrefix(word, "@") {
				continue
			}
			chosen[h.Name] = true
			all = append(all, h)
		}
	}
	return all, nil
}

type asking = func(context.Context, string) (string, error)

func (c *connection) host(h manifest.Host, ask asking) (host.Host, error) {
	identities := slices.Concat(c.Identities, h.Identities)
	switch {
	case h.Address == localName:
		return local.New(), nil
	case c.SSH == withOpenSSH:
		return openssh.New(h.Address, openssh.Options{
			ConfigFile: c.SSHConfig, Identities: identities, PasswordFile: c.PasswordFile, Jump: strings.Join(h.Jump, ","),
			AcceptNewHostKeys: c.AcceptNewHostKeys, Prompt: ask,
		})
	}
	return ssh.New(h.Address, ssh.Options{
		ConfigFile: c.SSHConfig, Identities: identities, PasswordFile: c.PasswordFile, Jump: strings.Join(h.Jump, ","),
		AcceptNewHostKeys: c.AcceptNewHostKeys, Prompt: ask,
	})
}

// named is a host that is called what the manifest calls it.
type named struct {
	host.Host
	name string
}

// Name returns that name.
func (n named) Name() string { return n.name }

// Unwrap returns the host; see [host.As].
func (n named) Unwrap() host.Host { return n.Host }

// renewable returns the hosts, which can be connected to anew.
func (c *connection) renewable(hosts []host.Host, m *manifest.Manifest, ask asking) []host.Host {
	all := make([]host.Host, len(hosts))
	for i, h := range hosts {
		all[i] = renewable{named{h, h.Name()}, func() (host.Host, error) {
			again, err := c.open(m, ask)
			if err != nil {
				return nil, err
			}
			for n, other := range again {
				if n != i {
					other.Close() // it was never connected
				}
			}
			return again[i], nil
		}}
	}
	return all
}

// renewable is a host that can be connected to anew.
type renewable struct {
	named
	again func() (host.Host, error)
}

// Renew implements [host.Renewable].
func (r renewable) Renew() (host.Host, error) { return r.again() }

// names returns what the hosts are called.
func names(hosts []host.Host) []string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.Name())
	}
	return all
}

// closing returns f, which closes its host afterwards: the number of open connections stays as
// bounded as that of the hosts that are worked on.
func closing[T any](u *ui, f func(context.Context, host.Host) (T, error)) func(context.Context, host.Host) (T, error) {
	return func(ctx context.Context, h host.Host) (_ T, err error) {
		defer func() { u.hostDone(h.Name(), err) }()
		defer h.Close()
		return f(ctx, h)
	}
}
