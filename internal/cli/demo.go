package cli

import (
	"context"
	"io"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/demo"
	"github.com/davit-sh/davit/narrate"
	"github.com/spf13/cobra"
)

// demonstrate is the command that shows Davit at work.
type demonstrate struct {
	std Streams
	output
}

func newDemo(std Streams) *cobra.Command {
	c := &demonstrate{std: std, output: output{noBar: true}}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a host of its own, an install, an upgrade, and nothing left",
		Long: `Demo starts an SSH host of its own on loopback, in a temporary home: the real protocol and
the real /bin/sh. It builds a small daemon from Davit's source, installs it there, upgrades it
and shows what that made. Then all of it is removed. It needs Go and nothing else.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.Run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&c.Plain, "plain", false, "no emoji, no colour")
	return cmd
}

// Run runs the demo.
func (c *demonstrate) Run(ctx context.Context) error {
	u := newUI(c.std, c.output)
	u.first = spaced(u.out)
	ctx = u.begin(ctx, []string{"demo"})
	err := demo.Run(ctx, ".")
	u.end(ctx, err, nil)
	if err != nil {
		u.printFailure(err)
	}
	return done(davit.ExitCode(err))
}

// spaced returns a sink that puts an empty line before each heading.
func spaced(w io.Writer) narrate.Sink {
	return narrate.SinkFunc(func(e narrate.Event) error {
		if e.Action == demo.Heading {
			io.WriteString(w, "\n") // where it is lost, the heading is, too, and that is told
		}
		return nil
	})
}
