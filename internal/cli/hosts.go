package cli

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

// hosts is the command that lists the hosts of the manifest.
type hosts struct {
	std Streams
	project
	Words []string
	JSON  bool
}

func newHosts(std Streams) *cobra.Command {
	c := &hosts{std: std}
	cmd := &cobra.Command{
		Use:     "hosts [HOST|@LABEL[=VALUE]]...",
		Short:   "List the hosts of the manifest",
		Example: "  davit hosts\n  davit hosts @rack=a --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Words = args
			return c.Run(cmd.Context())
		},
	}
	c.project.flags(cmd.Flags())
	cmd.Flags().BoolVar(&c.JSON, "json", false, "print one JSON object a line")
	return cmd
}

// hostLine is a host in JSON.
type hostLine struct {
	Name       string            `json:"name"`
	Address    string            `json:"address"`
	Labels     map[string]string `json:"labels,omitempty"`
	Jump       []string          `json:"jump,omitempty"`
	Identities []string          `json:"identities,omitempty"`
}

// Run lists.
func (c *hosts) Run(context.Context) error {
	if err := c.load(); err != nil {
		return err
	}
	chosen, err := c.manifest.Select(c.Words, len(c.Words) == 0)
	if err != nil {
		return asUsage(err)
	}
	u := newUI(c.std, output{})
	if c.JSON {
		return eachAsJSON(c.std, chosen, func(h manifest.Host) any {
			return hostLine{h.Name, h.Address, h.Labels, h.Jump, h.Identities}
		})
	}
	rows := [][]string{{"HOST", "ADDRESS", "LABELS", "JUMP"}}
	for _, h := range chosen {
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(h.Labels)) {
			labels = append(labels, name+"="+h.Labels[name])
		}
		rows = append(rows, []string{h.Name, h.Address, orDash(strings.Join(labels, " ")), orDash(strings.Join(h.Jump, ","))})
	}
	u.print(table(rows)...)
	return nil
}

// eachAsJSON prints what of makes of each item, one object a line.
func eachAsJSON[T any](std Streams, items []T, of func(T) any) error {
	enc := json.NewEncoder(std.Out)
	for _, item := range items {
		if err := enc.Encode(of(item)); err != nil {
			return err
		}
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
