package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// shells are those that completion is written for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

// completion is the command that writes the completion of a shell.
type completion struct {
	std   Streams
	Shell string
}

func newCompletion(std Streams) *cobra.Command {
	c := &completion{std: std}
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print the completion script of a shell",
		Example: `  source <(davit completion bash)
  davit completion zsh >"${fpath[1]}/_davit"
  davit completion fish >~/.config/fish/completions/davit.fish
  davit completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: shells,
		Args:      c.args,
		RunE:      func(cmd *cobra.Command, _ []string) error { return c.Run(cmd.Root()) },
	}
}

func (c *completion) args(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || !slices.Contains(shells, args[0]) {
		return usagef("for example: source <(davit completion bash)", "name one of %s", strings.Join(shells, ", "))
	}
	c.Shell = args[0]
	return nil
}

// Run writes the script that completes the commands below root.
func (c *completion) Run(root *cobra.Command) error {
	const describe = true
	switch c.Shell {
	case "bash":
		return root.GenBashCompletionV2(c.std.Out, describe)
	case "zsh":
		return root.GenZshCompletion(c.std.Out)
	case "fish":
		return root.GenFishCompletion(c.std.Out, describe)
	}
	return root.GenPowerShellCompletionWithDesc(c.std.Out)
}
