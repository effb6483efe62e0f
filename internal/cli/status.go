package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/davit-sh/davit/narrate"
	"github.com/spf13/cobra"
)

// status is the command that says how a daemon is.
type status struct {
	life
	Watch bool
}

// watchInterval is the time between two looks of --watch.
const watchInterval = 2 * time.Second

func newStatus(std Streams) *cobra.Command {
	c := &status{life: life{std: std}}
	cmd := c.command("status", "Show how a daemon is on hosts",
		`Status shows whether a daemon runs, which release, since when, and whether it serves. It changes nothing.`,
		davit.DefaultStatusTimeout, c.Run)
	cmd.Example = `  davit status worker me@gpu-1
  davit status worker --all --watch
  davit status worker --all --json        one JSON object for each host`
	cmd.Flags().BoolVarP(&c.Watch, "watch", "w", false, "look again every 2 s, until Ctrl-C")
	c.resultFlags(cmd.Flags())
	return cmd
}

// Run looks.
func (c *status) Run(ctx context.Context) error {
	u := newUI(c.std, c.output)
	t, err := c.target(u, func(t manifest.Timeouts) time.Duration { return t.Status })
	if err != nil {
		return err
	}
	o := davit.StatusOptions{Target: t}
	if c.daemon != nil {
		o.Health = c.daemon.HealthCheck()
	}
	if err := asUsage(o.Validate()); err != nil {
		return err
	}
	hosts, err := c.open(c.manifest, u.ask())
	if err != nil {
		return err
	}
	defer func() {
		for _, h := range hosts {
			h.Close()
		}
	}()
	ctx = u.hush(ctx)
	if c.Watch {
		return c.watch(ctx, u, hosts, o)
	}
	results := c.look(ctx, hosts, o)
	if err := c.show(u, results); err != nil {
		return err
	}
	printFailures(u, results)
	return done(fleet.ExitCode(results))
}

func (c *status) look(ctx context.Context, hosts []host.Host, o davit.StatusOptions) []fleet.Result[davit.DaemonStatus] {
	return fleet.Run(ctx, hosts, fleet.Options{Parallel: c.Parallel}, func(ctx context.Context, h host.Host) (davit.DaemonStatus, error) {
		return davit.Look(ctx, h, o)
	})
}

func (c *status) show(u *ui, results []fleet.Result[davit.DaemonStatus]) error {
	if c.JSON {
		return printJSON(&c.life, results, func(_ string, s davit.DaemonStatus) []any { return []any{s} })
	}
	u.print(statusTable(c.Name, results)...)
	return nil
}

// clearScreen takes what a terminal shows away.
const clearScreen = "\x1b[H\x1b[2J"

// watch looks until the user ends it. A host whose look failed is connected to anew.
func (c *status) watch(ctx context.Context, u *ui, hosts []host.Host, o davit.StatusOptions) error {
	redraw := c.std.OutTerminal && obeysSequences(c.std) && !c.JSON
	for first := true; ; first = false {
		results := c.look(ctx, hosts, o)
		if ended(ctx) {
			return nil
		}
		switch {
		case redraw:
			fmt.Fprint(c.std.Out, clearScreen)
		case !first:
			u.print("")
		}
		if redraw {
			u.print(fmt.Sprintf("Every %v, %s", watchInterval, moment(time.Now())), "")
		}
		if err := c.show(u, results); err != nil {
			return err
		}
		if err := c.renew(u, hosts, results); err != nil {
			return err
		}
		select {
		case <-time.After(watchInterval):
		case <-ctx.Done():
			return nil
		}
	}
}

// renew replaces the hosts whose look failed.
func (c *status) renew(u *ui, hosts []host.Host, results []fleet.Result[davit.DaemonStatus]) error {
	if fleet.Err(results) == nil {
		return nil
	}
	again, err := c.open(c.manifest, u.ask())
	if err != nil {
		return err
	}
	for i, r := range results {
		if r.Err != nil {
			hosts[i], again[i] = again[i], hosts[i]
		}
		again[i].Close()
	}
	return nil
}

// statusTable is the table of how a daemon is, and below it what there is to say of single hosts.
func statusTable(daemon string, results []fleet.Result[davit.DaemonStatus]) []string {
	rows := [][]string{{"HOST", "DAEMON", "STATE", "RELEASE", "PID", "SINCE", "MEMORY", "HEALTH", "SERVICE"}}
	var remarks []string
	for _, r := range results {
		if r.Err != nil {
			rows = append(rows, []string{r.Host, daemon, "?", "-", "-", "-", "-", "-", fmt.Sprintf("(exit code %d)", davit.ExitCode(r.Err))})
			continue
		}
		s := r.Value
		pid, memory := "-", "-"
		if s.PID > 0 {
			pid = strconv.Itoa(s.PID)
		}
		if s.Memory > 0 {
			memory = narrate.Bytes(s.Memory)
		}
		rows = append(rows, []string{
			r.Host, s.Daemon, string(s.State), orDash(s.Release), pid, moment(s.Since), memory, orDash(string(s.Health)), orDash(s.Service),
		})
		if s.Reason != "" {
			remarks = append(remarks, r.Host+": "+s.Reason)
		}
		if s.Pending {
			remarks = append(remarks, r.Host+": a change is under way, or was broken off; the next operation puts that back")
		}
	}
	return append(table(rows), remarks...)
}
