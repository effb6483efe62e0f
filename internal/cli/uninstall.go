package cli

import (
	"context"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

// uninstall is the command that removes a daemon.
type uninstall struct {
	life
	Stop     bool
	KeepData bool
}

func newUninstall(std Streams) *cobra.Command {
	c := &uninstall{life: life{std: std}}
	cmd := c.command("uninstall", "Remove a daemon from hosts, with all that was made for it there",
		`Uninstall removes a daemon's releases, links and service. One that runs is refused unless --stop is said. Of one that
is half removed it removes the rest.`, davit.DefaultUninstallTimeout, c.Run)
	cmd.Example = `  davit uninstall worker me@gpu-1
  davit uninstall worker me@gpu-1 --stop`
	cmd.Flags().BoolVar(&c.Stop, "stop", false, "stop it first if it runs")
	cmd.Flags().BoolVar(&c.KeepData, "keep-data", false, "leave its logs and its history")
	c.changeFlags(cmd.Flags())
	return cmd
}

// Run removes.
func (c *uninstall) Run(ctx context.Context) error {
	u := newUI(c.std, c.output)
	t, err := c.target(u, func(t manifest.Timeouts) time.Duration { return t.Uninstall })
	if err != nil {
		return err
	}
	o := davit.UninstallOptions{Target: t, Stop: c.Stop, KeepData: c.KeepData}
	if c.daemon != nil {
		o.Grace = c.daemon.Service.StopTimeout
	}
	return c.change(ctx, u, t, func(ctx context.Context, h host.Host) (davit.Receipt, error) { return davit.Uninstall(ctx, h, o) })
}
