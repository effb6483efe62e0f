package cli

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/manifest"
	"github.com/davit-sh/davit/narrate"
	"github.com/spf13/cobra"
)

// install is the command that puts an executable on hosts.
type install struct {
	std Streams
	connection
	rollout
	output
	project
	What    string // the path of an executable, or a daemon of the manifest
	Binary  string
	Name    string
	Scope   string
	Dir     string
	Timeout time.Duration
	Job     string
	DryRun  bool
	Start   bool
	running

	verb string                 // install or rebuild
	said func(flag string) bool // whether the user gave it
}

func newInstall(std Streams) *cobra.Command {
	c := &install{std: std, verb: "install"}
	cmd := &cobra.Command{
		Use:   "install DAEMON|BINARY [HOST...]",
		Short: "Build a daemon, or take an executable, put it on hosts and make it the current release",
		Long: `Install builds the daemon for each host's platform, sends it, verifies it on the host and switches to it, all
of it inside the time limit. After any failure the host runs exactly what it ran before.

With --start it runs afterwards, and that it serves is part of the install.

DAEMON is one of ` + manifest.FileName + ` ("davit init" writes one). What has a slash in it is BINARY, the path of an
executable: ./worker. HOST is what ssh takes (user@name, user@name:port, ssh://…, an alias of ssh_config), a host of the
manifest, @label=value for those that have that label, or local for this machine. A daemon may say itself where it runs.
Several hosts are worked on side by side, each within a limit of its own; a daemon is built once for each platform.`,
		Example: `  davit install worker me@gpu-1
  davit install worker @rack=a --start
  davit install worker --all
  davit install ./worker me@gpu-1
  davit install ./build/worker-linux --name worker me@gpu-1 me@gpu-2
  davit install ./worker me@gpu-1 --dry-run`,
	}
	c.command(cmd, davit.DefaultInstallTimeout)
	return cmd
}

// command makes cmd the command, limit being the default of its limit.
func (c *install) command(cmd *cobra.Command, limit time.Duration) {
	cmd.Args = c.args
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c.said = cmd.Flags().Changed
		return c.Run(cmd.Context())
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.Binary, "binary", "", "`FILE` to install as DAEMON; nothing is built")
	if !c.Start {
		f.BoolVar(&c.Start, "start", false, "have it run afterwards, whether it ran before or not")
	}
	c.running.flags(f)
	f.BoolVar(&c.All, "all", false, c.verb+" on all hosts of the manifest")
	c.project.flags(f)
	f.StringVar(&c.Name, "name", "", "`NAME` of the daemon; the base name of BINARY unless given")
	f.DurationVar(&c.Timeout, "timeout", limit, "hard time limit for each host, build and all; the manifest may say another")
	f.StringVar(&c.Scope, "scope", string(davit.User), "`WHOM` to install for: user, or system (through sudo or doas)")
	f.StringVar(&c.Dir, "dir", "", "`DIRECTORY` on the host that holds releases, in place of ~/.local/share/davit or /opt/davit")
	f.BoolVar(&c.DryRun, "dry-run", false, "print what would be done, and the very scripts, and connect to nobody")
	f.StringVar(&c.Job, "job", "", "`ID` of the job that the events belong to")
	c.rollout.flags(f)
	c.revertFlag(f)
	c.connection.flags(f)
	c.output.flags(f)
}

func (c *install) args(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef(helpFor(cmd), "name a daemon of the manifest, or an executable, and hosts")
	}
	c.What, c.Hosts = args[0], args[1:]
	return nil
}

// Run installs.
func (c *install) Run(ctx context.Context) error {
	if c.Timeout <= 0 {
		return usagef("say how long it may take: --timeout 5m", "--timeout is %v; it must be more than 0", c.Timeout)
	}
	u := newUI(c.std, c.output)
	ctx, o, err := c.options(ctx)
	if err != nil {
		return err
	}
	if o.Build != nil {
		defer o.Build.Close()
	}
	o.Password = u.ask()
	if err := asUsage(o.Validate()); err != nil {
		return err
	}
	if c.DryRun {
		return c.plan(ctx, u, o)
	}
	if c.Job != "" {
		ctx = narrate.WithJob(ctx, c.Job)
	}
	do := davit.Install
	if c.verb == rebuildVerb {
		do = davit.Rebuild
	}
	t := davit.Target{Name: o.Name, Scope: o.Scope, Dir: o.Dir, Password: o.Password}
	return c.change(ctx, u, &c.connection, c.manifest, t, func(ctx context.Context, h host.Host) (davit.Receipt, error) {
		return do(ctx, h, o)
	}, reportInstall)
}

// options returns what to install, and a context that knows the secrets of that. It fills in the hosts that the
// daemon names itself. Its caller closes what builds.
func (c *install) options(ctx context.Context) (context.Context, davit.InstallOptions, error) {
	o := davit.InstallOptions{Name: c.Name, Scope: davit.Scope(c.Scope), Dir: c.Dir, Timeout: c.Timeout}
	if isPath(c.What) {
		o.Binary = c.What
		if err := c.find(); err != nil {
			return ctx, o, err
		}
		if c.Binary != "" {
			return ctx, o, usagef("leave one of them out", "%s and --binary both name an executable", c.What)
		}
		if len(c.Hosts) == 0 && !c.All {
			return ctx, o, usagef("davit "+c.verb+" --help tells how it is used", "name an executable and at least one host")
		}
		ctx, err := c.runs(ctx, &o, nil)
		return ctx, o, err
	}
	if c.Name != "" {
		return ctx, o, usagef("leave it out", "--name is for an executable; the daemon has its name")
	}
	c.ofManifest = true
	d, err := c.daemon()
	if err != nil {
		return ctx, o, err
	}
	o.Name, o.Keep = d.Name, d.Releases
	if !c.said("scope") && d.Scope != "" {
		o.Scope = d.Scope
	}
	if !c.said("dir") {
		o.Dir = d.Dir
	}
	if own := c.limit(d.Timeouts); !c.said("timeout") && own > 0 {
		o.Timeout = own
	}
	if ctx, err = c.runs(ctx, &o, &d); err != nil {
		return ctx, o, err
	}
	if c.Binary != "" {
		o.Binary = c.Binary
		return ctx, o, nil
	}
	ctx, o.Build, err = builder(ctx, d)
	return ctx, o, err
}

// runs says in o how the daemon d, nil for one of no manifest, is run afterwards, if it is to.
func (c *install) runs(ctx context.Context, o *davit.InstallOptions, d *manifest.Daemon) (context.Context, error) {
	if !c.Start {
		for _, flag := range []string{"service", "adopt", "confirm"} {
			if c.said(flag) {
				return ctx, usagef("say --start, too", "--%s is about how the daemon is started, and it is not", flag)
			}
		}
		return ctx, nil
	}
	ctx, run, err := c.run(ctx, d, c.DryRun)
	o.Run = &run
	return ctx, err
}

// limit returns the one of the manifest's limits that is the command's.
func (c *install) limit(t manifest.Timeouts) time.Duration {
	if c.verb == rebuildVerb {
		return t.Rebuild
	}
	return t.Install
}

// daemon returns the daemon that is named, and fills in its hosts if none are.
func (c *install) daemon() (manifest.Daemon, error) {
	if err := c.find(); err != nil {
		return manifest.Daemon{}, err
	}
	if c.manifest == nil {
		return manifest.Daemon{}, noDaemon(c.What)
	}
	d, err := c.manifest.Daemon(c.What)
	if err != nil {
		return d, asUsage(err)
	}
	if len(c.Hosts) == 0 && !c.All {
		c.Hosts = d.Hosts
	}
	if len(c.Hosts) == 0 && !c.All {
		return d, usagef("name hosts, say --all, or list them under hosts of the daemon", "nothing says where to install %s", d.Name)
	}
	return d, nil
}

// isPath reports whether what is to be installed is a path: anything else is a daemon's name.
func isPath(what string) bool { return strings.ContainsAny(what, "/"+string(os.PathSeparator)) }

// noDaemon is the error of a daemon's name where there is no manifest.
func noDaemon(name string) error {
	if _, err := os.Stat(name); err == nil {
		return usagef("did you mean ./"+name+"?", "%q is not the path of an executable: that has a slash in it", name)
	}
	return usagef("write a manifest with davit init, or give the path of an executable, such as ./"+name,
		"%q is neither the path of an executable nor a daemon of a manifest: %w", name, manifest.ErrNotFound)
}

// plan prints what would be done.
func (c *install) plan(ctx context.Context, u *ui, o davit.InstallOptions) error {
	hosts, _, err := c.rollout.fleet(u, &c.connection, c.manifest)
	if err != nil {
		return err
	}
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
