package cli

import (
	"context"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

// history is the command that says what was done to a daemon.
type history struct {
	life
	Lines int
}

func newHistory(std Streams) *cobra.Command {
	c := &history{life: life{std: std}}
	cmd := c.command("history", "Show what was done to a daemon on hosts, when, and by whom",
		`History shows what was done to a daemon, the oldest first. It changes nothing.`, davit.DefaultStatusTimeout, c.Run)
	cmd.Example = `  davit history worker me@gpu-1 -n 5`
	cmd.Flags().IntVarP(&c.Lines, "lines", "n", davit.DefaultHistoryLines, "the last `N`")
	c.resultFlags(cmd.Flags())
	return cmd
}

// historyLine is an entry in JSON.
type historyLine struct {
	Host string `json:"host"`
	davit.Entry
}

// Run shows.
func (c *history) Run(ctx context.Context) error {
	u := newUI(c.std, c.output)
	t, err := c.target(u, func(t manifest.Timeouts) time.Duration { return t.Status })
	if err != nil {
		return err
	}
	if c.Lines < 1 {
		return usagef("", "--lines is %d; it must be at least 1", c.Lines)
	}
	results, err := gather(ctx, &c.life, u, func(ctx context.Context, h host.Host) ([]davit.Entry, error) {
		return davit.History(ctx, h, davit.HistoryOptions{Target: t, Lines: c.Lines})
	})
	if err != nil {
		return err
	}
	return printResult(&c.life, u, results, historyColumns, historyRows, func(host string, all []davit.Entry) []any {
		var lines []any
		for _, e := range all {
			lines = append(lines, historyLine{host, e})
		}
		return lines
	})
}

var historyColumns = []string{"TIME", "WHO", "OPERATION", "RELEASE", "OUTCOME"}

func historyRows(all []davit.Entry) [][]string {
	var rows [][]string
	for _, e := range all {
		rows = append(rows, []string{moment(e.Time), orDash(e.Who), e.Operation, orDash(e.Release), e.Outcome})
	}
	return rows
}
