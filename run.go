package davit

import (
	"context"
	"strings"
	"time"

	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/service"
)

// Target says which daemon of a host is meant, and how long what is done may take.
type Target struct {
	// Name is the daemon's.
	Name string
	// Scope is User if empty.
	Scope Scope
	// Dir is as in [InstallOptions].
	Dir string
	// Timeout is the hard limit; the operation's default if 0. Less is refused.
	Timeout time.Duration
	// Password is asked as in [InstallOptions].
	Password func(ctx context.Context, question string) (string, error)
}

// Validate returns an error of kind [ErrUsage] if the target cannot be used whatever the host.
func (t Target) Validate() error {
	if t.Timeout < 0 {
		return usage("the time limit is %v; it must be more than 0", t.Timeout)
	}
	if err := validPlace(t.Scope, t.Dir); err != nil {
		return err
	}
	return validName(t.Name, false)
}

// Run says how a daemon is to run, and how to see that it serves. The zero value runs it as it ran before, or
// without arguments, and looks whether it is still the same process after [DefaultSettle].
type Run struct {
	// Kind is what keeps it running; if empty what did so before, or what fits the host.
	Kind service.Kind
	// Spec says how it is run; nil leaves that as it is on the host.
	Spec *service.Spec
	// Health says how to see that it serves; nil is that it runs, and still does so after Settle.
	Health *health.Check
	// Settle is how long a daemon without a health check must run to be taken for good; DefaultSettle if 0.
	Settle time.Duration
	// Adopt lets a description of a service be replaced that is not Davit's. It is kept beside the releases.
	Adopt bool
	// Before is run before anything is switched, After when the daemon serves; if one fails, what was before stays,
	// or is put back.
	Before, After Hook
	// Fresh asks for the last word over a new connection, for daemons that touch the network.
	Fresh bool
}

// DefaultSettle is how long a daemon without a health check must run to be taken for good.
const DefaultSettle = 2 * time.Second

// Hook is what is run around a change: commands for /bin/sh. They find DAVIT_DAEMON, DAVIT_HOST, DAVIT_RELEASE
// and DAVIT_PREVIOUS in their environment. The local one comes first.
type Hook struct {
	Local  string // on this machine
	Remote string // on the host
}

func (r Run) validate() error {
	if r.Settle < 0 {
		return usage("the time to settle is %v; it must be more than 0", r.Settle)
	}
	if r.Fresh && r.After.Remote != "" {
		return usage("a hook on the host cannot run after a change that is confirmed over a new connection: the first one may be gone")
	}
	known := r.Kind == ""
	for _, kind := range service.Kinds {
		known = known || r.Kind == kind
	}
	if !known {
		return usage("unknown kind of service %q: it is one of %s", r.Kind, kindNames())
	}
	if r.Spec != nil {
		if err := r.Spec.Validate(); err != nil {
			return usage("%w", err)
		}
	}
	if r.Health != nil {
		if err := r.Health.Validate(); err != nil {
			return usage("%w", err)
		}
	}
	return nil
}

func kindNames() string {
	var names []string
	for _, kind := range service.Kinds {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}
