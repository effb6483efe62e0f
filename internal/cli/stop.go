package cli

import (
	"context"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

// stop is the command that ends a daemon.
type stop struct {
	life
	URL string
}

func newStop(std Streams) *cobra.Command {
	c := &stop{life: life{std: std}}
	cmd := c.command("stop", "End a daemon on hosts, and wait until it is gone",
		`Stop ends a daemon and returns when it is gone. It stays installed. One that does not run is left alone.`,
		davit.DefaultStopTimeout, c.Run)
	cmd.Example = `  davit stop worker me@gpu-1
  davit stop worker me@gpu-1 --url http://127.0.0.1:8080/quit`
	cmd.Flags().StringVar(&c.URL, "url", "", "`URL`, as the host sees it, that is asked with POST for a graceful end first; the manifest may say one")
	c.changeFlags(cmd.Flags())
	return cmd
}

// Run stops.
func (c *stop) Run(ctx context.Context) error {
	u := newUI(c.std, c.output)
	t, err := c.target(u, func(t manifest.Timeouts) time.Duration { return t.Stop })
	if err != nil {
		return err
	}
	o := davit.StopOptions{Target: t, URL: c.URL}
	if c.daemon != nil {
		o.Grace = c.daemon.Service.StopTimeout
		if !c.said("url") {
			o.URL = c.daemon.Service.StopURL
		}
	}
	if err := asUsage(o.Validate()); err != nil {
		return err
	}
	return c.change(ctx, u, t, func(ctx context.Context, h host.Host) (davit.Receipt, error) { return davit.Stop(ctx, h, o) })
}
