package cli

import (
	"context"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/davit-sh/davit/narrate"
	"github.com/spf13/cobra"
)

// releases is the command that lists the releases of a daemon.
type releases struct{ life }

func newReleases(std Streams) *cobra.Command {
	c := &releases{life{std: std}}
	cmd := c.command("releases", "List the releases of a daemon that are on hosts",
		`Releases lists what rollback can go back to, the newest first. It changes nothing.`, davit.DefaultStatusTimeout, c.Run)
	cmd.Example = `  davit releases worker me@gpu-1`
	c.resultFlags(cmd.Flags())
	return cmd
}

// releaseLine is a release in JSON.
type releaseLine struct {
	Host string `json:"host"`
	davit.ReleaseInfo
}

// Run lists.
func (c *releases) Run(ctx context.Context) error {
	u := newUI(c.std, c.output)
	t, err := c.target(u, func(t manifest.Timeouts) time.Duration { return t.Status })
	if err != nil {
		return err
	}
	results, err := gather(ctx, &c.life, u, func(ctx context.Context, h host.Host) ([]davit.ReleaseInfo, error) {
		return davit.Releases(ctx, h, t)
	})
	if err != nil {
		return err
	}
	return printResult(&c.life, u, results, releaseColumns, releaseRows, func(host string, all []davit.ReleaseInfo) []any {
		var lines []any
		for _, r := range all {
			lines = append(lines, releaseLine{host, r})
		}
		return lines
	})
}

var releaseColumns = []string{"RELEASE", "SIZE", "CAME", ""}

func releaseRows(all []davit.ReleaseInfo) [][]string {
	var rows [][]string
	for _, r := range all {
		mark := ""
		switch {
		case r.Current:
			mark = "* current"
		case r.Previous:
			mark = "previous"
		}
		rows = append(rows, []string{r.Release, narrate.Bytes(r.Size), moment(r.Time), mark})
	}
	return rows
}
