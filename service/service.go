// Package service says how a daemon is kept running: it turns what the user wants into what a host's
// service manager reads. What is done with that on the host are the scripts named after each kind.
package service

import (
	"fmt"
	"time"
)

// Kind is what keeps a daemon running.
type Kind string

// The kinds.
const (
	Systemd Kind = "systemd" // a unit of the user's manager, or of the system's
	OpenRC  Kind = "openrc"  // a script of the system's runlevel
	Launchd Kind = "launchd" // an agent of the user, or a daemon of the system
	Process Kind = "process" // a process of its own with a supervisor of ours, where there is nothing else
)

// Kinds are all of them, the likeliest first.
var Kinds = []Kind{Systemd, OpenRC, Launchd, Process}

// When a daemon that ended is started again.
const (
	OnFailure = "on-failure"
	Always    = "always"
	Never     = "no"
)

// DefaultStopTimeout is how long a daemon may take to end after it was asked to.
const DefaultStopTimeout = 10 * time.Second

// Spec says how a daemon is run. The zero value runs it without arguments, as who signed in, or as root
// in the system's scope, and starts it again when it fails.
//
// A limit is a number, "unlimited", or two of these with a colon between them, for the soft and the hard one. Sizes
// are in bytes and may end in K, M, G or T.
type Spec struct {
	Args       []string          // after its own name
	Env        []string          // NAME=value
	Secrets    []string          // NAME=value, as Env; never in a description, an argument or an event
	User       string            // whom it runs as, in the system's scope; root if empty
	WorkingDir string            // absolute, or below ~/; the home of whom it runs as if empty
	Restart    string            // OnFailure if empty
	After      []string          // names of services that are started before it, as the kind knows them
	Limits     map[string]string // by the names of ulimit: nofile, core, nproc; see below
	Hardening  map[string]string // directives of systemd by name, in place of the defaults; "" leaves one out
	Lines      []string          // added to the description as they are, where they win: with systemd, to [Service]
	Stop       time.Duration     // after it was asked to end until it is killed; DefaultStopTimeout if 0
}

// Place is where a daemon is on its host.
type Place struct {
	Name   string // of the daemon
	System bool   // the system's scope
	User   string // who signed in
	Home   string // of that user
	Base   string // the daemon's directory: it has current/NAME, and service/ for what Define returns
}

// Definition is what the host is given. It is put into service/ below the daemon's directory: unit, and
// env, which only the owner may read.
type Definition struct {
	Kind Kind
	// Unit is what the service manager reads. Of Process it is the assignments that precede our supervisor; of OpenRC
	// those are its end.
	Unit []byte
	// Env is the environment with the secrets, in the form that the kind reads.
	Env []byte
}

// Mark begins a line of every unit of ours, for one daemon. A unit without it is somebody else's.
func Mark(name string) string { return "Made by davit for " + name }

// Define returns what keeps the daemon running with k, or an error that says which setting cannot be
// expressed there.
func Define(k Kind, s Spec, p Place) (Definition, error) {
	define, known := definers[k]
	if !known {
		return Definition{}, fmt.Errorf("unknown kind of service %q", k)
	}
	if err := s.Validate(); err != nil {
		return Definition{}, err
	}
	if !p.System && s.User != "" && s.User != p.User {
		return Definition{}, fmt.Errorf("a daemon of the user's scope runs as %s: who wants it to run as %s needs the system's scope", p.User, s.User)
	}
	return define(s.resolved(), p)
}

// definers make the definition of each kind, of a Spec that is valid and has nothing left open.
var definers = map[Kind]func(Spec, Place) (Definition, error){
	Systemd: defineSystemd,
	OpenRC:  defineOpenRC,
	Launchd: defineLaunchd,
	Process: defineProcess,
}
