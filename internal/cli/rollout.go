package cli

import (
	"context"
	"fmt"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/pflag"
)

// rollout are the flags that say how a change goes through several hosts.
type rollout struct {
	Canary      int
	MaxFailures string
	Revert      bool
}

func (r *rollout) flags(f *pflag.FlagSet) {
	f.IntVar(&r.Canary, "canary", 0, "the first `N` hosts come first; the others follow if all of these are well")
	f.StringVar(&r.MaxFailures, "max-failures", "", "begin no further host once more than `N` have failed, or N%")
}

// revertFlag adds the one of commands whose changes can be taken back.
func (r *rollout) revertFlag(f *pflag.FlagSet) {
	f.BoolVar(&r.Revert, "revert-on-failure", false, "if more fail than may (none, unless --max-failures says another), or a canary does, take back what was done on the others")
}

// options returns how so many hosts are worked on at once. Its errors are usage errors.
func (r *rollout) options(parallel int) (fleet.Options, error) {
	o := fleet.Options{Parallel: parallel, Canary: r.Canary}
	if r.Canary < 0 {
		return o, usagef("leave it out for none", "--canary is %d; it must be 0 or more", r.Canary)
	}
	switch {
	case r.MaxFailures != "":
		limit, err := fleet.ParseLimit(r.MaxFailures)
		if err != nil {
			return o, usagef("", "--max-failures: %w", err)
		}
		o.MaxFailures = limit
	case r.Revert:
		o.MaxFailures = fleet.AtMost(0)
	}
	return o, nil
}

// change makes a change of t on the hosts, side by side as the flags say, and tells it. Where the flags say so it is
// taken back on hosts where it succeeded. report prints how it went.
func (r *rollout) change(ctx context.Context, u *ui, c *connection, m *manifest.Manifest, t davit.Target, f fleet.Func[davit.Receipt], report func(*ui, []fleet.Result[davit.Receipt])) error {
	hosts, o, err := r.fleet(u, c, m)
	if err != nil {
		return err
	}
	var revert fleet.RevertFunc[davit.Receipt]
	if r.Revert {
		revert = func(ctx context.Context, h host.Host, done davit.Receipt) error { return takeBack(ctx, h, t, done) }
	}
	ctx = u.begin(ctx, names(hosts))
	results := fleet.RunOrRevert(ctx, hosts, o, closing(u, f), revert)
	u.end(ctx, fleet.Err(results), receipts(results))
	report(u, results)
	return done(fleet.ExitCode(results))
}

// fleet returns the hosts, none of them connected, and how they are worked on.
func (r *rollout) fleet(u *ui, c *connection, m *manifest.Manifest) ([]host.Host, fleet.Options, error) {
	o, err := r.options(c.Parallel)
	if err != nil {
		return nil, o, err
	}
	hosts, err := c.open(m, u.ask())
	if err != nil {
		return nil, o, err
	}
	return c.renewable(hosts, m, u.ask()), o, nil
}

// takeBack takes back what was done on a host, to which the connection is closed.
func takeBack(ctx context.Context, h host.Host, t davit.Target, done davit.Receipt) error {
	if done.Change == "" {
		return fleet.ErrUnchanged
	}
	again, ok := host.As[host.Renewable](h)
	if !ok {
		return fmt.Errorf("%s cannot be connected to anew", h.Name())
	}
	renewed, err := again.Renew()
	if err != nil {
		return err
	}
	defer renewed.Close()
	t.Name, t.Timeout = done.Daemon, 0 // its own
	_, err = davit.Revert(ctx, renewed, davit.RevertOptions{Target: t, Change: done.Change})
	return err
}
