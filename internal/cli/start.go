package cli

import (
	"context"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

// start is the command that has a daemon run, and the one that has it start anew.
type start struct {
	life
	running
	do func(context.Context, host.Host, davit.StartOptions) (davit.Receipt, error)
}

func newStart(std Streams) *cobra.Command {
	c := &start{life: life{std: std}, do: davit.Start}
	return c.new("start", "Have a daemon run on hosts, and wait until it serves",
		`Start has a daemon run that is installed, as the manifest says, and returns when it serves. One that runs already
as it is to run is only looked at. If it does not serve, what was before is put back.`, `  davit start worker me@gpu-1
  davit start worker me@gpu-1 --service process`)
}

func newRestart(std Streams) *cobra.Command {
	c := &start{life: life{std: std}, do: davit.Restart}
	return c.new("restart", "End a daemon on hosts, start it anew, and wait until it serves",
		`Restart is start for a daemon that may run: it is ended, and started anew as the manifest says. If it does not
serve, it runs again as it did.`, `  davit restart worker me@gpu-1
  davit restart worker @rack=a`)
}

func (c *start) new(name, short, long, example string) *cobra.Command {
	cmd := c.command(name, short, long, davit.DefaultStartTimeout, c.Run)
	cmd.Example = example
	c.running.flags(cmd.Flags())
	c.revertFlag(cmd.Flags())
	c.changeFlags(cmd.Flags())
	return cmd
}

// Run starts.
func (c *start) Run(ctx context.Context) error {
	u := newUI(c.std, c.output)
	t, err := c.target(u, func(t manifest.Timeouts) time.Duration { return t.Start })
	if err != nil {
		return err
	}
	ctx, run, err := c.run(ctx, c.daemon, false)
	if err != nil {
		return err
	}
	o := davit.StartOptions{Target: t, Run: run}
	if err := asUsage(o.Validate()); err != nil {
		return err
	}
	return c.change(ctx, u, t, func(ctx context.Context, h host.Host) (davit.Receipt, error) { return c.do(ctx, h, o) })
}
