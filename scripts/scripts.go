// Package scripts holds the POSIX sh that runs on hosts, all of it. Each file can be read alone;
// each function here puts some of them together and gives them their values.
package scripts

import (
	_ "embed"
	"strconv"

	"github.com/davit-sh/davit/host"
)

var (
	//go:embed prelude.sh
	prelude string
	//go:embed elevate.sh
	elevate string
	//go:embed probe.sh
	probe string
	//go:embed receive.sh
	receive string
	//go:embed activate.sh
	activate string
	//go:embed install.sh
	install string
	//go:embed check.sh
	check string
)

// Place says where on a host to look.
type Place struct {
	System bool   // for all users, as root
	Dir    string // the directory of all daemons; "" for the scope's own
}

func (p Place) vars() []host.Var {
	scope := "user"
	if p.System {
		scope = "system"
	}
	return []host.Var{{Name: "scope", Value: scope}, {Name: "dir", Value: p.Dir}}
}

// Release is the executable to install, and what is said of it on the host.
type Release struct {
	Name   string // of the daemon
	SHA256 string // hex
	Size   int64  // bytes
	Keep   int    // how many releases stay on the host
	Random string // a word that nobody else uses
	Holder string // who holds the lock, in words
	Line   string // of log.jsonl, as far as the value of its last field
}

// Install returns the conversation of one install.
func Install(p Place, r Release) host.Script {
	return host.Script{
		Name: "install",
		Vars: append(p.vars(),
			host.Var{Name: "name", Value: r.Name},
			host.Var{Name: "sha256", Value: r.SHA256},
			host.Var{Name: "size", Value: strconv.FormatInt(r.Size, 10)},
			host.Var{Name: "keep", Value: strconv.Itoa(r.Keep)},
			host.Var{Name: "random", Value: r.Random},
			host.Var{Name: "holder", Value: r.Holder},
			host.Var{Name: "logline", Value: r.Line},
		),
		Body: prelude + probe + receive + activate + install,
	}
}

// Check returns the script that looks at a host and changes nothing.
func Check(p Place) host.Script {
	return host.Script{
		Name: "check",
		Vars: append(p.vars(), host.Var{Name: "name"}, host.Var{Name: "sha256"}),
		Body: prelude + probe + check,
	}
}

// AsRoot returns s with root's rights. The password is for sudo, if that asks for one; "" makes
// the script end with the words "failed password USER" then.
func AsRoot(s host.Script, password string) host.Script {
	given := "no"
	if password != "" {
		given = "yes"
	}
	s.Through = &host.Script{
		Name:   "elevate",
		Vars:   []host.Var{{Name: "password", Value: given}},
		Body:   elevate,
		Secret: password,
	}
	return s
}
