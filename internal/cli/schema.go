package cli

import (
	"context"

	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

// schema is the command that prints what a manifest may say.
type schema struct{ std Streams }

func newSchema(std Streams) *cobra.Command {
	c := &schema{std}
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of " + manifest.FileName + ", for editors",
		Example: `  davit schema >davit.schema.json
  # then, as the first line of davit.yaml:
  # yaml-language-server: $schema=davit.schema.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.Run(cmd.Context()) },
	}
}

// Run prints.
func (c *schema) Run(context.Context) error {
	_, err := c.std.Out.Write(append(manifest.Schema(), '\n'))
	return err
}
