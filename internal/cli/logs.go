package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/davit-sh/davit/narrate"
	"github.com/spf13/cobra"
)

// logs is the command that shows what a daemon says.
type logs struct {
	life
	Lines  int
	Follow bool
	Since  string

	printing sync.Mutex // one line at a time
}

func newLogs(std Streams) *cobra.Command {
	c := &logs{life: life{std: std}}
	cmd := c.command("logs", "Show what a daemon says on hosts",
		`Logs shows the last lines of a daemon's log, the oldest first; of several hosts each line names its own, and all are
read at once. With --follow it goes on until Ctrl-C, or until the limit that --timeout says.`,
		davit.DefaultStatusTimeout, c.Run)
	cmd.Example = `  davit logs worker me@gpu-1
  davit logs worker --all -f
  davit logs worker me@gpu-1 --since 10m -n 1000`
	f := cmd.Flags()
	f.IntVarP(&c.Lines, "lines", "n", davit.DefaultLogLines, "the last `N` lines")
	f.BoolVarP(&c.Follow, "follow", "f", false, "go on as lines come, until Ctrl-C")
	f.StringVar(&c.Since, "since", "", "none from before `TIME`: 10m, 2h, or 2006-01-02 15:04:05")
	c.resultFlags(f)
	return cmd
}

// logLine is a line of a log in JSON.
type logLine struct {
	Host string `json:"host"`
	Line string `json:"line"`
}

// Run shows.
func (c *logs) Run(ctx context.Context) error {
	u := newUI(c.std, c.output)
	t, err := c.target(u, func(t manifest.Timeouts) time.Duration { return t.Status })
	if err != nil {
		return err
	}
	if c.Lines < 1 {
		return usagef("", "--lines is %d; it must be at least 1", c.Lines)
	}
	if c.Follow && !c.said("timeout") {
		t.Timeout = 0 // as long as it is followed
	}
	o := davit.LogsOptions{Target: t, Lines: c.Lines, Since: c.Since, Follow: c.Follow}
	if err := asUsage(o.Validate()); err != nil {
		return err
	}
	hosts, err := c.open(c.manifest, u.ask())
	if err != nil {
		return err
	}
	width := 0
	if len(hosts) > 1 {
		for _, name := range names(hosts) {
			width = max(width, utf8.RuneCountInString(name))
		}
	}
	// A host that waits for its turn would wait for as long as another is followed.
	results := fleet.Run(u.hush(ctx), hosts, fleet.Options{Parallel: len(hosts)}, closing(u, func(ctx context.Context, h host.Host) (struct{}, error) {
		return struct{}{}, davit.Logs(ctx, h, o, func(line string) { c.print(h.Name(), width, line) })
	}))
	if c.JSON {
		failed := func(string, struct{}) []any { return nil }
		if err := printJSON(&c.life, results, failed); err != nil {
			return err
		}
	}
	printFailures(u, results)
	return done(fleet.ExitCode(results))
}

// print prints a line of a host's, whose name has that width if it is told.
func (c *logs) print(name string, width int, line string) {
	c.printing.Lock()
	defer c.printing.Unlock()
	if c.JSON {
		json.NewEncoder(c.std.Out).Encode(logLine{name, line})
		return
	}
	if width > 0 {
		name += strings.Repeat(" ", width-utf8.RuneCountInString(name))
		fmt.Fprintln(c.std.Out, narrate.Visible(name+" | "+line))
		return
	}
	fmt.Fprintln(c.std.Out, narrate.Visible(line))
}
