package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/local"
	"github.com/davit-sh/davit/manifest"
	"github.com/davit-sh/davit/narrate"
	"github.com/spf13/cobra"
)

// buildOnly is the command that builds a daemon and installs it nowhere.
type buildOnly struct {
	std Streams
	project
	connection
	output
	Daemon  string
	For     string
	Host    string
	Out     string
	Timeout time.Duration
	Job     string

	timeoutSaid bool
}

func newBuild(std Streams) *cobra.Command {
	c := &buildOnly{std: std}
	cmd := &cobra.Command{
		Use:   "build DAEMON",
		Short: "Build a daemon of the manifest, for this machine, a platform or a host",
		Example: `  davit build worker
  davit build worker --for linux/arm64 -o worker-arm64
  davit build worker --host gpu-1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(helpFor(cmd), "name one daemon of the manifest")
			}
			c.Daemon = args[0]
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.timeoutSaid = cmd.Flags().Changed("timeout")
			return c.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.For, "for", "", "`PLATFORM` to build for: os/arch or os/arch/libc, as in linux/arm64; this machine's unless given")
	f.StringVar(&c.Host, "host", "", "`HOST` to look at, and build for")
	f.StringVarP(&c.Out, "output", "o", "", "`FILE` to write; DAEMON, or DAEMON-PLATFORM with --for, DAEMON-HOST with --host, unless given")
	f.DurationVar(&c.Timeout, "timeout", davit.DefaultInstallTimeout, "hard time limit")
	c.project.flags(f)
	f.StringVar(&c.Job, "job", "", "`ID` of the job that the events belong to")
	c.connection.flags(f)
	c.output.flags(f)
	return cmd
}

// Run builds.
func (c *buildOnly) Run(ctx context.Context) error {
	if c.Timeout <= 0 {
		return usagef("say how long it may take: --timeout 5m", "--timeout is %v; it must be more than 0", c.Timeout)
	}
	if c.For != "" && c.Host != "" {
		return usagef("leave one of them out", "--for and --host both say for which platform")
	}
	if err := c.load(); err != nil {
		return err
	}
	d, err := c.manifest.Daemon(c.Daemon)
	if err != nil {
		return asUsage(err)
	}
	u := newUI(c.std, c.output)
	h, p, err := c.forWhat(u)
	if err != nil {
		return err
	}
	if h != nil {
		defer h.Close()
	}
	ctx, b, err := builder(ctx, d)
	if err != nil {
		return err
	}
	defer b.Close()
	if c.Job != "" {
		ctx = narrate.WithJob(ctx, c.Job)
	}
	o := davit.BuildOptions{Build: b, For: p, Output: c.path(d), Timeout: c.limit(d)}
	ctx = u.begin(ctx, nil)
	receipt, err := davit.BuildFor(ctx, h, o)
	all := []davit.Receipt{}
	if err == nil {
		all = append(all, receipt)
	}
	u.end(ctx, err, all)
	if err != nil {
		u.printFailure(err)
		return done(davit.ExitCode(err))
	}
	u.print(built(u, receipt)...)
	return nil
}

// forWhat returns what the user says to build for: a platform, or a host.
func (c *buildOnly) forWhat(u *ui) (host.Host, artifact.Platform, error) {
	switch {
	case c.For != "":
		p, err := artifact.ParsePlatform(c.For)
		return nil, p, asUsage(err)
	case c.Host == "":
		return local.New(), artifact.Platform{}, nil
	}
	c.Hosts, c.ofManifest = []string{c.Host}, true
	hosts, err := c.open(c.manifest, u.ask())
	if err != nil {
		return nil, artifact.Platform{}, err
	}
	if len(hosts) != 1 {
		for _, h := range hosts {
			h.Close()
		}
		return nil, artifact.Platform{}, usagef("name one", "--host %s is more than one host", c.Host)
	}
	return hosts[0], artifact.Platform{}, nil
}

func (c *buildOnly) path(d manifest.Daemon) string {
	switch {
	case c.Out != "":
		return c.Out
	case c.For != "":
		return d.Name + "-" + dashes(c.For)
	case c.Host != "":
		return d.Name + "-" + dashes(c.Host)
	}
	return d.Name
}

// dashes returns text as a part of a file's name.
func dashes(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("/\\:@=[]", r) {
			return '-'
		}
		return r
	}, text)
}

func (c *buildOnly) limit(d manifest.Daemon) time.Duration {
	if !c.timeoutSaid && d.Timeouts.Install > 0 {
		return d.Timeouts.Install
	}
	return c.Timeout
}

// built is the end of a build. That it is done was told already, unless quiet.
func built(u *ui, r davit.Receipt) []string {
	if u.quiet {
		return []string{r.Path}
	}
	return indent(table([][]string{
		{"file", r.Path}, {"size", narrate.Bytes(r.Size)}, {"sha256", r.Release}, {"built", howBuiltIn(*r.Build)}, {"took", took(r.Seconds) + steps(r.Steps)},
	}))
}

// howBuiltIn says what made an executable, for what, and how long it took.
func howBuiltIn(b davit.Build) string {
	switch {
	case b.Tool == "prebuilt":
		return "before, for " + b.Platform
	case b.Cached:
		return fmt.Sprintf("before, by %s for %s: nothing has changed", b.Tool, b.Platform)
	}
	return fmt.Sprintf("by %s for %s in %s", b.Tool, b.Platform, took(b.Seconds))
}
