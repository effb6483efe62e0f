package davit

import (
	"context"
	"errors"
	"time"

	"github.com/davit-sh/davit/host"
)

// DefaultInstallTimeout is the time that an install has, all of it.
const DefaultInstallTimeout = 5 * time.Minute

// Scope says for whom on the host a daemon is installed.
type Scope string

// The scopes. The zero value is User.
const (
	User   Scope = "user"   // below the home of who signs in
	System Scope = "system" // below /opt/davit and /usr/local/bin, through sudo or doas
)

// InstallOptions say what to install and where.
type InstallOptions struct {
	// Binary is the path of the executable on this machine.
	Binary string
	// Name names the daemon; the base name of Binary if empty.
	Name string
	// Scope is User if empty.
	Scope Scope
	// Dir is the directory on the host that holds the daemon's directory, in place of
	// ~/.local/share/davit or /opt/davit. It is absolute, or begins with ~/.
	Dir string
	// Timeout is the hard limit; DefaultInstallTimeout if 0. Less is refused.
	Timeout time.Duration
	// Password is asked for the password of sudo when it needs one; nil never asks, and such a
	// host is refused. The question names the user and the host.
	Password func(ctx context.Context, question string) (string, error)
}

// Install puts the executable on h and makes it current, or leaves h as it was. Every failure is
// an [*Error]; [ExitCode] and [Hint] tell more of it. Install does not close h.
func Install(ctx context.Context, h host.Host, o InstallOptions) (Receipt, error) {
	return Receipt{}, errors.New("under construction")
}

// Validate returns an [*Error] of kind [ErrUsage], or one that wraps an artifact error, if the
// options cannot be used whatever the host. It reads no more than the headers of Binary.
func (o InstallOptions) Validate() error { return nil }

// Plan is what an install of these options would do on a host.
type Plan struct {
	Lines   []string     // the steps in words, in order
	Scripts []PlanScript // what would run there, to the letter
}

// PlanScript is one script of a plan.
type PlanScript struct{ Name, Text string }

// Plan returns what Install would do, without connecting to any host.
func (o InstallOptions) Plan() (Plan, error) { return Plan{}, nil }
