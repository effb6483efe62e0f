package cli

import (
	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/manifest"
	"github.com/spf13/cobra"
)

const rebuildVerb = "rebuild"

// newRebuild returns the command that installs a daemon that is to run afterwards.
func newRebuild(std Streams) *cobra.Command {
	c := &install{std: std, verb: rebuildVerb, Start: true}
	cmd := &cobra.Command{
		Use:   "rebuild DAEMON|BINARY [HOST...]",
		Short: "Build a daemon, put it on hosts and have them run it: install --start with more time",
		Long: `Rebuild builds the daemon for each host's platform, installs it, has the host run it and returns when it serves.
If it does not serve, the previous release is put back and runs again. What runs already as it is to is only looked at.

DAEMON is one of ` + manifest.FileName + `. What has a slash in it is BINARY, the path of an executable: ./worker.
` + hostsOf,
		Example: `  davit rebuild worker me@gpu-1
  davit rebuild worker @rack=a
  davit rebuild ./worker me@gpu-1 --service process`,
	}
	c.command(cmd, davit.DefaultRebuildTimeout)
	return cmd
}
