package cli

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/spf13/cobra"
)

// install is the command that puts an executable on hosts.
type install struct {
	std Streams
	connection
	output
	Binary  string
	Name    string
	Scope   string
	Dir     string
	Timeout time.Duration
	Job     string
	DryRun  bool
}

func newInstall(std Streams) *cobra.Command {
	c := &install{std: std}
	cmd := &cobra.Command{
		Use:   "install BINARY HOST...",
		Short: "Put an executable on hosts and make it the current release",
		Long: `Install sends the executable, verifies it on the host and switches to it, all of it inside
the time limit. After any failure the host runs exactly what it ran before.

BINARY is the path of an executable and has a slash in it: ./worker. HOST is what ssh takes
(user@name, user@name:port, ssh://…, an alias of ssh_config), or local for this machine.
Several hosts are worked on side by side, each within a limit of its own.`,
		Example: `  davit install ./worker me@gpu-1
  davit install ./build/worker-linux --name worker me@gpu-1 me@gpu-2
  davit install ./worker me@gpu-1 --dry-run`,
		Args: c.args,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.Run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.Name, "name", "", "`NAME` of the daemon; the base name of BINARY unless given")
	f.DurationVar(&c.Timeout, "timeout", davit.DefaultInstallTimeout, "hard time limit for each host")
	f.StringVar(&c.Scope, "scope", string(davit.User), "`WHOM` to install for: user, or system (through sudo or doas)")
	f.StringVar(&c.Dir, "dir", "", "`DIRECTORY` on the host that holds releases, in place of ~/.local/share/davit or /opt/davit")
	f.BoolVar(&c.DryRun, "dry-run", false, "print what would be done, and the very scripts, and connect to nobody")
	f.StringVar(&c.Job, "job", "", "`ID` of the job that the events belong to")
	c.connection.flags(f)
	c.output.flags(f)
	return cmd
}

func (c *install) args(cmd *cobra.Command, args []string) error {
	if len(args) < 2 {
		return usagef(helpFor(cmd), "name an executable and at least one host")
	}
	c.Binary, c.Hosts = args[0], args[1:]
	return nil
}

// Run installs.
func (c *install) Run(ctx context.Context) error {
	o := davit.InstallOptions{
		Binary: c.Binary, Name: c.Name, Scope: davit.Scope(c.Scope), Dir: c.Dir, Timeout: c.Timeout,
	}
	u := newUI(c.std, c.output)
	o.Password = u.ask()
	if err := c.validate(o); err != nil {
		return err
	}
	hosts, err := c.open(u.ask())
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.plan(ctx, u, o, hosts)
	}
	if c.Job != "" {
		ctx = narrate.WithJob(ctx, c.Job)
	}
	ctx = u.begin(ctx, names(hosts))
	results := fleet.Run(ctx, hosts, c.Parallel, closing(u, func(ctx context.Context, h host.Host) (davit.Receipt, error) {
		return davit.Install(ctx, h, o)
	}))
	u.end(ctx, fleet.Err(results), receipts(results))
	reportInstall(u, results)
	return done(fleet.ExitCode(results))
}

// validate finds what is wrong whatever the hosts. Its errors are usage errors.
func (c *install) validate(o davit.InstallOptions) error {
	if err := isPath(c.Binary); err != nil {
		return err
	}
	if c.Timeout <= 0 {
		return usagef("say how long it may take: --timeout 5m", "--timeout is %v; it must be more than 0", c.Timeout)
	}
	return asUsage(o.Validate())
}

// isPath refuses what is not a path but a name: it would be one from a manifest, and there is none.
func isPath(binary string) error {
	if strings.ContainsAny(binary, "/"+string(os.PathSeparator)) {
		return nil
	}
	if _, err := os.Stat(binary); err == nil {
		return usagef("did you mean ./"+binary+"?", "%q is not the path of an executable: that has a slash in it", binary)
	}
	return usagef("give the path of an executable, such as ./"+binary,
		"%q is neither the path of an executable nor a daemon of a manifest: there is no manifest", binary)
}

// plan prints what would be done. It closes the hosts.
func (c *install) plan(ctx context.Context, u *ui, o davit.InstallOptions, hosts []host.Host) error {
	for _, h := range hosts {
		h.Close()
	}
	p, err := o.Plan(ctx)
	if err != nil {
		return asUsage(err)
	}
	u.printPlan(p, names(hosts))
	return nil
}

// receipts returns those of the hosts that have one.
func receipts(results []fleet.Result[davit.Receipt]) []davit.Receipt {
	all := []davit.Receipt{}
	for _, r := range results {
		if r.Err == nil {
			all = append(all, r.Value)
		}
	}
	return all
}
