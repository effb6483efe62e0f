// Package scripts holds the POSIX sh that runs on hosts, all of it. Each file can be read alone;
// each function here puts some of them together and gives them their values.
package scripts

import (
	_ "embed"
	"strconv"
	"strings"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/service"
)

var (
	//go:embed prelude.sh
	prelude string
	//go:embed elevate.sh
	elevate string
	//go:embed probe.sh
	probe string
	//go:embed store.sh
	store string
	//go:embed receive.sh
	receive string
	//go:embed activate.sh
	activate string
	//go:embed service.sh
	serviceSh string
	//go:embed systemd.sh
	systemd string
	//go:embed openrc.sh
	openrc string
	//go:embed launchd.sh
	launchd string
	//go:embed process.sh
	process string
	//go:embed birth.sh
	birth string
	//go:embed tend.sh
	tend string
	//go:embed supervise.sh
	supervise string
	//go:embed port.sh
	port string
	//go:embed ask.sh
	ask string
	//go:embed question.sh
	question string
	//go:embed life.sh
	life string
	//go:embed operate.sh
	operate string
	//go:embed show.sh
	show string
	//go:embed confirm.sh
	confirm string
	//go:embed check.sh
	check string
)

// kinds is all that keeps daemons running.
var kinds = serviceSh + systemd + openrc + launchd + birth + tend + process

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

// Release is the executable to install, and what is said of it on the host. Without one, an operation is
// about what is there.
type Release struct {
	Name   string // of the daemon
	SHA256 string // hex
	Size   int64  // bytes
	Keep   int    // how many releases stay on the host
	Random string // a word that nobody else uses
	Holder string // who holds the lock, in words
	Line   string // of log.jsonl, as far as the outcome and the release
}

// Life is what an operation needs to know that starts and stops the daemon.
type Life struct {
	Kind    string // of service that is wanted; "" for what is there, or fits
	Grace   int    // seconds from when it is asked to end until it is killed
	Adopt   bool   // somebody else's description of the service may be replaced
	Outcome string // what log.jsonl says once the change is committed
}

// Install returns the conversation of one install, which starts the daemon if there is a life.
func Install(p Place, r Release, l *Life) host.Script {
	looks := "probe_platform probe_place probe_daemon"
	body := prelude + probe + store + receive + activate
	vars := r.vars(p)
	if l != nil {
		looks += " probe_service"
		body += kinds + port + ask + life
		vars = append(vars, l.vars()...)
	}
	return host.Script{
		Name:  "install",
		Terse: true,
		Vars:  append(vars, host.Var{Name: "looks", Value: looks}),
		Body:  body + operate,
	}
}

// Operate returns the conversation of an operation of that name on a daemon that is there.
func Operate(name string, p Place, r Release, l Life) host.Script {
	vars := append(r.vars(p), l.vars()...)
	return host.Script{
		Name:  name,
		Terse: true,
		Vars:  append(vars, host.Var{Name: "looks", Value: "probe_home probe_daemon probe_service"}),
		Body:  prelude + probe + store + activate + kinds + port + ask + life + operate,
	}
}

// Question returns the script that runs a command by itself, and says what it prints and how it ended.
func Question(command string) host.Script {
	return host.Script{
		Name:  "ask",
		Terse: true,
		Vars:  []host.Var{{Name: "command", Value: command}, {Name: "voice"}},
		Body:  prelude + ask + question,
	}
}

// Confirm returns the script that says the last word on a change over a connection of its own: commit or undo.
func Confirm(p Place, name, random, word string) host.Script {
	return host.Script{
		Name:  "confirm",
		Terse: true,
		Vars: append(p.vars(),
			host.Var{Name: "name", Value: name}, host.Var{Name: "sha256"}, host.Var{Name: "random", Value: random},
			host.Var{Name: "word", Value: word}),
		Body: prelude + probe + confirm,
	}
}

// What Show can show.
const (
	Status   = "show_status"   // of the daemon
	Releases = "show_releases" // those on the host, the newest first
	History  = "show_history"  // the last lines of log.jsonl
	Log      = "show_log"      // of the daemon
)

// Query is what Show looks for.
type Query struct {
	What   string // one of the above
	Name   string // of the daemon
	Lines  int    // at most
	Since  string // in a form that the kind of service knows
	Follow bool   // go on until our side ends
}

// Show returns a script that tells of daemons and changes nothing.
func Show(p Place, q Query) host.Script {
	return host.Script{
		Name:  "show",
		Terse: true,
		Vars: append(p.vars(),
			host.Var{Name: "name", Value: q.Name}, host.Var{Name: "sha256"}, host.Var{Name: "wanted"},
			host.Var{Name: "what", Value: q.What}, host.Var{Name: "lines", Value: strconv.Itoa(q.Lines)},
			host.Var{Name: "since", Value: q.Since}, host.Var{Name: "follow", Value: yes(q.Follow)}),
		Body: prelude + probe + kinds + show,
	}
}

func (r Release) vars(p Place) []host.Var {
	return append(p.vars(),
		host.Var{Name: "name", Value: r.Name},
		host.Var{Name: "sha256", Value: r.SHA256},
		host.Var{Name: "size", Value: strconv.FormatInt(r.Size, 10)},
		host.Var{Name: "keep", Value: strconv.Itoa(r.Keep)},
		host.Var{Name: "random", Value: r.Random},
		host.Var{Name: "holder", Value: r.Holder},
		host.Var{Name: "logline", Value: r.Line},
	)
}

func (l Life) vars() []host.Var {
	return []host.Var{
		{Name: "wanted", Value: l.Kind},
		{Name: "grace", Value: strconv.Itoa(l.Grace)},
		{Name: "adopt", Value: yes(l.Adopt)},
		{Name: "outcome", Value: l.Outcome},
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Unit returns what a host is given as a service's description.
func Unit(d service.Definition) []byte {
	if d.Kind != service.Process && d.Kind != service.OpenRC {
		return d.Unit
	}
	return []byte(strings.TrimRight(string(d.Unit), "\n") + "\n" + birth + tend + supervise)
}

// Check returns the script that looks at a host and changes nothing.
func Check(p Place) host.Script {
	return host.Script{
		Name:  "check",
		Terse: true,
		Vars:  append(p.vars(), host.Var{Name: "name"}, host.Var{Name: "sha256"}),
		Body:  prelude + probe + check,
	}
}

// AsRoot returns s with root's rights. The password is for sudo, if that asks for one; "" makes
// the script end with the words "failed password USER" then.
func AsRoot(s host.Script, password string) host.Script {
	s.Through = &host.Script{
		Name:   "elevate",
		Terse:  true,
		Vars:   []host.Var{{Name: "password", Value: yes(password != "")}},
		Body:   elevate,
		Secret: password,
	}
	return s
}
