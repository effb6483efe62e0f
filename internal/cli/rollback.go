package cli

import (
	"context"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

// rollback is the command that goes back to an earlier release.
type rollback struct {
	life
	running
	To string
}

func newRollback(std Streams) *cobra.Command {
	c := &rollback{life: life{std: std}}
	cmd := c.command("rollback", "Make an earlier release of a daemon current again on hosts",
		`Rollback makes the previous release current again, or any that is still on the host. A daemon that runs is started
anew with what it was told when that release ran, and must serve, or what was before is put back.`,
		davit.DefaultRollbackTimeout, c.Run)
	cmd.Example = `  davit rollback worker me@gpu-1
  davit rollback worker me@gpu-1 --to be5474ad6ec0`
	cmd.Flags().StringVar(&c.To, "to", "", "`RELEASE` to go back to, or the first 4 or more digits of it; the previous one unless given")
	c.running.flags(cmd.Flags())
	c.revertFlag(cmd.Flags())
	c.changeFlags(cmd.Flags())
	return cmd
}

// Run goes back.
func (c *rollback) Run(ctx context.Context) error {
	u := newUI(c.std, c.output)
	t, err := c.target(u, func(t manifest.Timeouts) time.Duration { return t.Rollback })
	if err != nil {
		return err
	}
	_, run, err := c.run(ctx, c.daemon, true)
	if err != nil {
		return err
	}
	run.Spec = nil // as it was with that release
	o := davit.RollbackOptions{Target: t, Release: c.To, Run: run}
	if err := asUsage(o.Validate()); err != nil {
		return err
	}
	return c.change(ctx, u, t, func(ctx context.Context, h host.Host) (davit.Receipt, error) { return davit.Rollback(ctx, h, o) })
}
