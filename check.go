package davit

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
)

// DefaultCheckTimeout is the time that a check has, all of it.
const DefaultCheckTimeout = 30 * time.Second

// CheckOptions say what to look for on a host.
type CheckOptions struct {
	Scope   Scope         // User if empty
	Dir     string        // as in InstallOptions
	Timeout time.Duration // the hard limit; DefaultCheckTimeout if 0
	// Password is asked as in InstallOptions.
	Password func(ctx context.Context, question string) (string, error)
}

// Validate returns an error of kind [ErrUsage] if the options cannot be used whatever the host.
func (o CheckOptions) Validate() error {
	if o.Timeout < 0 {
		return usage("the time limit is %v; it must be more than 0", o.Timeout)
	}
	return validPlace(o.Scope, o.Dir)
}

// Report is what a look at a host found.
type Report struct {
	Host      string            `json:"host"`
	Platform  string            `json:"platform"` // linux/amd64
	Libc      string            `json:"libc"`     // "glibc 2.36", "musl", or ""
	User      string            `json:"user"`
	Home      string            `json:"home"`
	Init      string            `json:"init"`  // systemd, openrc, launchd, or "" if none is known
	Dir       string            `json:"dir"`   // where daemons would be installed
	Free      int64             `json:"free"`  // bytes free there
	Tools     map[string]string `json:"tools"` // path by name, for those that are there
	Installed []InstalledDaemon `json:"installed"`
	Findings  []Finding         `json:"findings"` // what would be in the way of an install
}

// InstalledDaemon is a daemon that Davit put on a host.
type InstalledDaemon struct {
	Name    string `json:"name"`
	Release string `json:"release"` // 12 hex
}

// Finding is something that would hinder an install.
type Finding struct {
	Fatal bool   `json:"fatal"` // an install would fail
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// Check connects to h and looks at it. It changes nothing there. Every failure is an [*Error].
// Check does not close h.
func Check(ctx context.Context, h host.Host, o CheckOptions) (Report, error) {
	ctx = narrate.WithActor(narrate.WithHost(ctx, h.Name()), "check")
	c := &check{CheckOptions: o, host: h}
	err := o.Validate()
	if err == nil {
		limit := deadline.Limit{Label: "Check host", After: cmp.Or(o.Timeout, DefaultCheckTimeout)}
		report, failed := deadline.Value(ctx, limit, c.run)
		if failed == nil {
			return report, nil
		}
		err = failed
	}
	if _, told := errors.AsType[*Error](err); !told {
		err = &Error{Operation: "check", Host: h.Name(), Err: err, Hint: Hint(err)}
	}
	return Report{}, err
}

// check is a check under way.
type check struct {
	CheckOptions
	host host.Host
	conversation
}

func (c *check) run(ctx context.Context) (Report, error) {
	report, err := c.look(ctx)
	if err == nil {
		return report, nil
	}
	c.stop(ctx, "abort")
	e := &Error{Operation: "check", Host: c.host.Name(), Step: c.steps.current(), Err: err, Hint: Hint(err)}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Step = "" // the limit's own error names the step
	}
	return Report{}, e
}

func (c *check) look(ctx context.Context) (Report, error) {
	at := c.steps.begin(ctx, "connect")
	narrate.Sayf(at, "connecting", "🔌 Connecting to %s", c.host.Name())
	if err := c.host.Connect(at); err != nil {
		return Report{}, err
	}
	f, err := c.conversation.look(c.steps.begin(ctx, "probe"), c.host, scripts.Place{System: c.Scope == System, Dir: c.Dir}, c.Scope, c.Password)
	if err != nil {
		return Report{}, err
	}
	return f.report(c.host.Name()), c.talk.Close()
}
