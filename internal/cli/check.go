package cli

import (
	"context"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/spf13/cobra"
)

// check is the command that looks at hosts.
type check struct {
	std Streams
	connection
	output
	project
	Scope   string
	Dir     string
	Timeout time.Duration
}

func newCheck(std Streams) *cobra.Command {
	c := &check{std: std}
	cmd := &cobra.Command{
		Use:   "check [HOST...]",
		Short: "Look at hosts: what is there, and what would be in the way of an install",
		Long: `Check connects to each host and shows what an install would find there. It changes nothing.
The exit code is 5 if an install would fail.`,
		Example: `  davit check me@gpu-1
  davit check me@gpu-1 me@gpu-2 --scope system
  davit check @rack=a                     hosts of davit.yaml with that label; --all for all`,
		Args: c.args,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.Run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.DurationVar(&c.Timeout, "timeout", davit.DefaultCheckTimeout, "hard time limit for each host")
	f.StringVar(&c.Scope, "scope", string(davit.User), "`WHOM` an install would be for: user, or system (through sudo or doas)")
	f.StringVar(&c.Dir, "dir", "", "`DIRECTORY` on the host that would hold releases")
	f.BoolVar(&c.All, "all", false, "look at all hosts of the manifest")
	c.project.flags(f)
	c.connection.flags(f)
	c.output.flags(f)
	return cmd
}

func (c *check) args(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && !c.All {
		return usagef(helpFor(cmd), "name at least one host")
	}
	c.Hosts = args
	return nil
}

// Run looks.
func (c *check) Run(ctx context.Context) error {
	if c.Timeout <= 0 {
		return usagef("say how long it may take: --timeout 10s", "--timeout is %v; it must be more than 0", c.Timeout)
	}
	u := newUI(c.std, c.output)
	o := davit.CheckOptions{Scope: davit.Scope(c.Scope), Dir: c.Dir, Timeout: c.Timeout, Password: u.ask()}
	if err := asUsage(o.Validate()); err != nil {
		return err
	}
	if err := c.find(); err != nil {
		return err
	}
	hosts, err := c.open(c.manifest, u.ask())
	if err != nil {
		return err
	}
	ctx = u.begin(ctx, names(hosts))
	results := fleet.Run(ctx, hosts, fleet.Options{Parallel: c.Parallel}, closing(u, func(ctx context.Context, h host.Host) (davit.Report, error) {
		report, err := davit.Check(ctx, h, o)
		if err == nil {
			err = unfit(report)
		}
		return report, err
	}))
	u.end(ctx, fleet.Err(results), reports(results))
	reportCheck(u, results)
	return done(fleet.ExitCode(results))
}

// reports returns those of the hosts that were seen.
func reports(results []fleet.Result[davit.Report]) []davit.Report {
	all := []davit.Report{}
	for _, r := range results {
		if r.Value.Host != "" {
			all = append(all, r.Value)
		}
	}
	return all
}

// unfitError says that a host was seen, and that an install would fail there.
type unfitError string

func (e unfitError) Error() string { return "an install would fail: " + string(e) }

// Is reports true for [davit.ErrHostLacks]: whatever it is, the host cannot take an install.
func (e unfitError) Is(target error) bool { return target == davit.ErrHostLacks }

// unfit returns the first finding of r that would make an install fail, as an error.
func unfit(r davit.Report) error {
	for _, f := range r.Findings {
		if f.Fatal {
			return &davit.Error{Operation: "check", Host: r.Host, Err: unfitError(f.Text), Hint: f.Hint}
		}
	}
	return nil
}
