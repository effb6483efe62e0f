// Package cli is the command line: one file and one struct for each command, whose fields are its
// flags. It decides where things are told and printed; what is done is the business of the
// packages it calls.
package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/davit-sh/davit"
	"github.com/spf13/cobra"
)

// Run runs the command that args name and returns the exit code. What it has to say goes to std.
// A ctx that ends with the cause [davit.ErrInterrupted] ends the command, after its clean-up.
func Run(ctx context.Context, args []string, std Streams) int {
	root := newRoot(std)
	root.SetArgs(args)
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	err := root.ExecuteContext(ctx)
	if code, ok := errors.AsType[reported](err); ok {
		return int(code)
	}
	if err != nil {
		printFailure(std.Err, err, decide(std, output{}).ErrColor)
	}
	return davit.ExitCode(err)
}

// reported is the exit code of a command that has said already what went wrong.
type reported int

func (r reported) Error() string { return fmt.Sprintf("exit code %d", int(r)) }

// done returns the error that makes code the exit code, nil for success.
func done(code int) error {
	if code == davit.ExitDone {
		return nil
	}
	return reported(code)
}

func newRoot(std Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "davit",
		Short: "Install daemons on machines that you reach with ssh",
		Long: `Davit puts your own executable on your machines over plain SSH: built, sent, verified, switched
to and kept running, inside a hard time limit, with every step told as it happens.`,
		Example: `  davit demo                              see it work, on this machine alone
  davit check me@gpu-1                    what is there, and what would be in the way
  davit install ./worker me@gpu-1 gpu-2   put it there, side by side
  davit init                              describe the daemons of a source tree in davit.yaml
  davit install worker me@gpu-1 --start   build it for that machine, put it there, and run it
  davit status worker me@gpu-1            how it is; davit logs worker me@gpu-1 -f what it says
  davit rollback worker me@gpu-1          back to the release before`,
		Version:                    ownBuildInfo().String(),
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		Args:                       knownCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(newInstall(std), newRebuild(std), newStart(std), newRestart(std), newStop(std), newRollback(std), newUninstall(std))
	root.AddCommand(newStatus(std), newLogs(std), newReleases(std), newHistory(std))
	root.AddCommand(newBuild(std), newCheck(std), newInit(std), newHosts(std), newDaemons(std), newSchema(std), newDemo(std), newVersion(std), newCompletion(std))
	return root
}

// knownCommand refuses an argument of davit itself: it was meant to be a command.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "davit --help lists the commands"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean davit " + strings.Join(near, " or davit ") + "?"
	}
	return usagef(hint, "unknown command %q", args[0])
}
