package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is the command that tells which Davit this is.
type version struct {
	std  Streams
	JSON bool
}

func newVersion(std Streams) *cobra.Command {
	c := &version{std: std}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of davit",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.Run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&c.JSON, "json", false, "print a JSON object")
	return cmd
}

// noArgs refuses all arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef(helpFor(cmd), "%s takes no argument, and here is %q", cmd.CommandPath(), args[0])
}

// buildInfo is what the executable knows of its own making.
type buildInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit
	Modified bool   `json:"modified"`       // the source was not exactly that commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Run prints the version.
func (c *version) Run(context.Context) error {
	v := ownBuildInfo()
	if c.JSON {
		return json.NewEncoder(c.std.Out).Encode(v)
	}
	_, err := fmt.Fprintln(c.std.Out, v)
	return err
}

func ownBuildInfo() buildInfo {
	info, _ := debug.ReadBuildInfo()
	return newBuildInfo(info)
}

// newBuildInfo reads info, which may be nil.
func newBuildInfo(info *debug.BuildInfo) buildInfo {
	v := buildInfo{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// String returns "davit v1.2.3 (commit 0123456789ab, go1.26, linux/amd64)".
func (v buildInfo) String() string {
	from := v.Go + ", " + v.Platform
	if v.Commit != "" {
		commit := "commit " + short(v.Commit)
		if v.Modified {
			commit += " modified"
		}
		from = commit + ", " + from
	}
	return fmt.Sprintf("davit %s (%s)", v.Version, from)
}
