package cli

import (
	"context"

	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/local"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/host/ssh"
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
}

func (c *connection) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&c.Identities, "identity", "i", nil, "private key `FILE` to sign in with; may be repeated")
	f.StringVar(&c.SSHConfig, "ssh-config", "", "ssh_config `FILE` to use instead of the user's and the system's")
	f.StringVar(&c.PasswordFile, "password-file", "", "`FILE` whose first line is the password to sign in with")
	f.BoolVar(&c.AcceptNewHostKeys, "accept-new-host-keys", false, "accept, and remember, the key of a host that is not known yet")
	f.StringVar(&c.SSH, "ssh", native, "`WHICH` SSH: native, or openssh, the ssh program, for hardware keys, GSSAPI and the like")
	f.IntVar(&c.Parallel, "parallel", fleet.DefaultParallel, "work on `N` hosts at once")
}

// open returns the hosts, in the order given, none of them connected. ask may be nil. The
// caller closes them. Its errors are usage errors.
func (c *connection) open(ask func(context.Context, string) (string, error)) ([]host.Host, error) {
	if c.Parallel < 1 {
		return nil, usagef("", "--parallel is %d; it must be at least 1", c.Parallel)
	}
	if c.SSH != native && c.SSH != withOpenSSH {
		return nil, usagef("leave it out, or say --ssh "+withOpenSSH, "--ssh is %q; it must be %s or %s", c.SSH, native, withOpenSSH)
	}
	var hosts []host.Host
	named := map[string]bool{}
	for _, target := range c.Hosts {
		h, err := c.host(target, ask)
		if err != nil {
			return nil, asUsage(err)
		}
		if named[h.Name()] {
			return nil, usagef("name each host once", "%s is named twice", h.Name())
		}
		named[h.Name()] = true
		hosts = append(hosts, h)
	}
	return hosts, nil
}

func (c *connection) host(target string, ask func(context.Context, string) (string, error)) (host.Host, error) {
	switch {
	case target == localName:
		return local.New(), nil
	case c.SSH == withOpenSSH:
		return openssh.New(target, openssh.Options{
			ConfigFile: c.SSHConfig, Identities: c.Identities, PasswordFile: c.PasswordFile,
			AcceptNewHostKeys: c.AcceptNewHostKeys, Prompt: ask,
		})
	}
	return ssh.New(target, ssh.Options{
		ConfigFile: c.SSHConfig, Identities: c.Identities, PasswordFile: c.PasswordFile,
		AcceptNewHostKeys: c.AcceptNewHostKeys, Prompt: ask,
	})
}

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
	return func(ctx context.Context, h host.Host) (T, error) {
		defer u.hostDone(h.Name())
		defer h.Close()
		return f(ctx, h)
	}
}
