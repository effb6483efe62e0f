package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/spelling"
	"github.com/davit-sh/davit/manifest"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/service"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// life is what the commands share that are about a daemon on hosts.
type life struct {
	std Streams
	connection
	rollout
	output
	project
	Name    string
	Scope   string
	Dir     string
	Timeout time.Duration

	said   func(flag string) bool // whether the user gave it
	daemon *manifest.Daemon       // nil if the manifest has none of this name, or if there is no manifest
}

// hostsOf tells how hosts are named, in the help of each of these commands.
const hostsOf = `HOST is what ssh takes, a host of ` + manifest.FileName + `, @label=value for those that have that label, or local for
this machine. A daemon of the manifest may say itself where it runs.`

// command returns a command that runs run, with the flags that all of them have, limit being the default of its limit.
func (l *life) command(use, short, long string, limit time.Duration, run func(context.Context) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " DAEMON [HOST...]", Short: short, Long: long + "\n\n" + hostsOf,
		Args: l.args,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l.said = cmd.Flags().Changed
			return run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&l.All, "all", false, "all hosts of the manifest")
	f.StringVar(&l.Scope, "scope", string(davit.User), "`WHOM` it is installed for: user, or system (through sudo or doas)")
	f.StringVar(&l.Dir, "dir", "", "`DIRECTORY` on the host that holds releases, in place of ~/.local/share/davit or /opt/davit")
	f.DurationVar(&l.Timeout, "timeout", limit, "hard time limit for each host; the manifest may say another")
	return cmd
}

// sharedFlags adds those that stand last.
func (l *life) sharedFlags(f *pflag.FlagSet) {
	l.project.flags(f)
	l.connection.flags(f)
}

// changeFlags adds those and the output's, for commands that change something.
func (l *life) changeFlags(f *pflag.FlagSet) {
	l.rollout.flags(f)
	l.sharedFlags(f)
	l.output.flags(f)
}

// resultFlags adds those and the output's, for commands whose output is a result and nothing else.
func (l *life) resultFlags(f *pflag.FlagSet) {
	l.sharedFlags(f)
	l.noBar = true
	f.BoolVar(&l.JSON, "json", false, "print one JSON object a line")
	f.BoolVar(&l.Plain, "plain", false, "no emoji, no colour")
}

func (l *life) args(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef(helpFor(cmd), "name a daemon, and hosts")
	}
	if isPath(args[0]) {
		return usagef("davit "+cmd.Name()+" takes a name, such as worker", "%q is a path, and not the name of a daemon", args[0])
	}
	l.Name, l.Hosts = args[0], args[1:]
	return nil
}

// target returns which daemon is meant, as the flags and the manifest say, of whose limits limit chooses one. It
// fills in the hosts that the daemon names itself. Its errors are usage errors.
func (l *life) target(u *ui, limit func(manifest.Timeouts) time.Duration) (davit.Target, error) {
	t := davit.Target{Name: l.Name, Scope: davit.Scope(l.Scope), Dir: l.Dir, Timeout: l.Timeout, Password: u.ask()}
	if l.Timeout <= 0 {
		return t, usagef("say how long it may take: --timeout 1m", "--timeout is %v; it must be more than 0", l.Timeout)
	}
	if err := l.lookUp(); err != nil {
		return t, err
	}
	if d := l.daemon; d != nil {
		if !l.said("scope") && d.Scope != "" {
			t.Scope = d.Scope
		}
		if !l.said("dir") {
			t.Dir = d.Dir
		}
		if own := limit(d.Timeouts); !l.said("timeout") && own > 0 {
			t.Timeout = own
		}
	}
	if len(l.Hosts) == 0 && !l.All {
		return t, usagef("name a host as ssh takes it, or say --all", "nothing says on which hosts %s is", l.Name)
	}
	return t, asUsage(t.Validate())
}

// lookUp finds the daemon in the manifest, if there is one. A name that is none of its daemons' is taken where hosts
// are named, such as that of a daemon that is to leave them, unless it is nearly one.
func (l *life) lookUp() error {
	if err := l.find(); err != nil || l.manifest == nil {
		return err
	}
	d, err := l.manifest.Daemon(l.Name)
	if err != nil && len(l.Hosts) > 0 && !l.said("file") && !misspelt(l.Name, l.manifest) {
		return nil
	}
	if err != nil {
		return asUsage(err)
	}
	l.daemon, l.ofManifest = &d, true
	if len(l.Hosts) == 0 && !l.All {
		l.Hosts = d.Hosts
	}
	return nil
}

// misspelt reports whether name is nearly a daemon's of m.
func misspelt(name string, m *manifest.Manifest) bool {
	var all []string
	for _, d := range m.Daemons() {
		all = append(all, d.Name)
	}
	return spelling.Nearest(name, all) != ""
}

// change makes a change of t on the hosts.
func (l *life) change(ctx context.Context, u *ui, t davit.Target, f fleet.Func[davit.Receipt]) error {
	return l.rollout.change(ctx, u, &l.connection, l.manifest, t, f, reportLife)
}

// gather returns what f returns for each host. Only warnings are told.
func gather[T any](ctx context.Context, l *life, u *ui, f func(context.Context, host.Host) (T, error)) ([]fleet.Result[T], error) {
	hosts, err := l.open(l.manifest, u.ask())
	if err != nil {
		return nil, err
	}
	return fleet.Run(u.hush(ctx), hosts, fleet.Options{Parallel: l.Parallel}, closing(u, f)), nil
}

// hush returns a context of which only warnings are told, on stderr: stdout is the result's.
func (u *ui) hush(ctx context.Context) context.Context {
	text := narrate.NewText(u.err, narrate.TextOptions{Color: u.ErrColor, Plain: u.Plain})
	return narrate.WithNarrator(ctx, narrate.New(narrate.SinkFunc(func(e narrate.Event) error {
		if e.Level != narrate.Warn {
			return nil
		}
		return text.Emit(e)
	})))
}

// failedLine is a host in JSON that could not be asked.
type failedLine struct {
	Host   string `json:"host"`
	Daemon string `json:"daemon"`
	Error  string `json:"error"`
}

// printJSON prints what of makes of each result, one object a line, and a line for each host that failed.
func printJSON[T any](l *life, results []fleet.Result[T], of func(host string, value T) []any) error {
	enc := json.NewEncoder(l.std.Out)
	for _, r := range results {
		lines := []any{failedLine{r.Host, l.Name, fmt.Sprint(r.Err)}}
		if r.Err == nil {
			lines = of(r.Host, r.Value)
		}
		for _, line := range lines {
			if err := enc.Encode(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// printResult prints the results of what was gathered: rows below the names of the columns, the host's among them if
// there are several, or what printJSON prints. Failures follow.
func printResult[T any](l *life, u *ui, results []fleet.Result[T], columns []string, rows func(T) [][]string, of func(string, T) []any) error {
	if l.JSON {
		if err := printJSON(l, results, of); err != nil {
			return err
		}
	} else {
		u.print(gathered(results, columns, rows)...)
	}
	printFailures(u, results)
	return done(fleet.ExitCode(results))
}

// gathered is the table of what was gathered; nothing if all failed.
func gathered[T any](results []fleet.Result[T], columns []string, rows func(T) [][]string) []string {
	several, seen := len(results) > 1, false
	all := [][]string{columns}
	if several {
		all[0] = slices.Concat([]string{"HOST"}, columns)
	}
	for _, r := range results {
		if r.Err != nil {
			continue
		}
		seen = true
		for _, row := range rows(r.Value) {
			if several {
				row = slices.Concat([]string{r.Host}, row)
			}
			all = append(all, row)
		}
	}
	if !seen {
		return nil
	}
	return table(all)
}

// moment writes a time as the user's clock shows it.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

// running are the flags that say how a daemon is run.
type running struct {
	Kind    string
	Adopt   bool
	Confirm string
}

// Over which connection a change is made good.
const (
	overSame  = "same"
	overFresh = "fresh"
)

func (r *running) flags(f *pflag.FlagSet) {
	f.StringVar(&r.Kind, "service", "", "`KIND` of service that keeps it running: systemd, openrc, launchd or process; what did so before, or fits the host, unless given")
	f.BoolVar(&r.Adopt, "adopt", false, "replace a description of the service that is not davit's; a copy is kept")
	f.StringVar(&r.Confirm, "confirm", overSame, "`CONNECTION` that the change is made good over: same, or fresh, for daemons that touch the network")
}

// run returns how the daemon is run, and a context that knows its secrets, which are read unless sparing. Without a
// daemon it is run as before. Its errors are usage errors.
func (r *running) run(ctx context.Context, d *manifest.Daemon, sparing bool) (context.Context, davit.Run, error) {
	run := davit.Run{Kind: service.Kind(r.Kind), Adopt: r.Adopt, Fresh: r.Confirm == overFresh}
	if r.Confirm != overSame && r.Confirm != overFresh {
		return ctx, run, usagef("leave it out, or say --confirm "+overFresh, "--confirm is %q; it must be %s or %s", r.Confirm, overSame, overFresh)
	}
	if d == nil {
		return ctx, run, nil
	}
	if run.Kind == "" {
		run.Kind = service.Kind(d.Service.Kind)
	}
	spec := d.Spec()
	for _, name := range slices.Sorted(maps.Keys(d.Secrets)) {
		if sparing {
			break
		}
		value, err := d.Secrets[name].Read(ctx)
		if err != nil {
			return ctx, run, asUsage(fmt.Errorf("%s: %w", d.Name, err))
		}
		spec.Secrets = append(spec.Secrets, name+"="+value)
		ctx = narrate.WithSecret(ctx, value)
	}
	run.Spec, run.Health = &spec, d.HealthCheck()
	run.Before, run.After = davit.Hook(d.Hooks.Before), davit.Hook(d.Hooks.After)
	return ctx, run, nil
}

// ended reports whether it was the user who ended ctx.
func ended(ctx context.Context) bool { return errors.Is(context.Cause(ctx), davit.ErrInterrupted) }
