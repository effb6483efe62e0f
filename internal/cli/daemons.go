package cli

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

// daemons is the command that lists the daemons of the manifest.
type daemons struct {
	std Streams
	project
	JSON bool
}

func newDaemons(std Streams) *cobra.Command {
	c := &daemons{std: std}
	cmd := &cobra.Command{
		Use:   "daemons",
		Short: "List the daemons of the manifest",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.Run(cmd.Context()) },
	}
	c.project.flags(cmd.Flags())
	cmd.Flags().BoolVar(&c.JSON, "json", false, "print one JSON object a line")
	return cmd
}

// daemonLine is a daemon in JSON. Values of its environment are not in it.
type daemonLine struct {
	Name  string      `json:"name"`
	Build string      `json:"build"`
	Dir   string      `json:"dir"` // of the source
	Hosts []string    `json:"hosts,omitempty"`
	Args  []string    `json:"args,omitempty"`
	Scope davit.Scope `json:"scope"`
}

// Run lists.
func (c *daemons) Run(context.Context) error {
	if err := c.load(); err != nil {
		return err
	}
	all := c.manifest.Daemons()
	if c.JSON {
		return eachAsJSON(c.std, all, func(d manifest.Daemon) any {
			return daemonLine{d.Name, howBuilt(d), d.Build.Dir, d.Hosts, d.Args, cmp.Or(d.Scope, davit.User)}
		})
	}
	rows := [][]string{{"DAEMON", "BUILD", "SOURCE", "HOSTS", "SCOPE"}}
	for _, d := range all {
		rows = append(rows, []string{
			d.Name, howBuilt(d), filepath.ToSlash(shortest(d.Build.Dir)), orDash(strings.Join(d.Hosts, " ")), string(cmp.Or(d.Scope, davit.User)),
		})
	}
	newUI(c.std, output{}).print(table(rows)...)
	return nil
}

// howBuilt says in a few words how a daemon is built.
func howBuilt(d manifest.Daemon) string {
	switch b := d.Build; {
	case b.Go != nil:
		return strings.TrimSpace("go " + b.Go.Package)
	case b.Cargo != nil:
		return strings.TrimSpace("cargo " + b.Cargo.Bin)
	case b.Command != "":
		line, _, _ := strings.Cut(strings.TrimSpace(b.Command), "\n")
		return "command: " + line
	case b.Prebuilt != "":
		return "prebuilt " + b.Prebuilt
	}
	return "found"
}
