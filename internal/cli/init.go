package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

// initialize is the command that writes a manifest.
type initialize struct {
	std  Streams
	File string
}

func newInit(std Streams) *cobra.Command {
	c := &initialize{std: std}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a " + manifest.FileName + " for the source tree here",
		Long: `Init looks for programs in Go and Rust, and for a Makefile, and writes a manifest with comments that
builds them. It never overwrites a file.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.Run(cmd.Context()) },
	}
	cmd.Flags().StringVar(&c.File, "file", manifest.FileName, "`FILE` to write")
	return cmd
}

// Run writes.
func (c *initialize) Run(ctx context.Context) error {
	text, found, err := manifest.Draft(ctx, filepath.Dir(c.File))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usagef("edit it, or move it away", "%s is there already", c.File)
	}
	if err != nil {
		return asUsage(err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(c.File)
		return fmt.Errorf("write %s: %w", c.File, err)
	}
	u := newUI(c.std, output{})
	u.print(u.mark("📝")+"Wrote "+c.File, "")
	u.print(indent(found)...)
	return nil
}
