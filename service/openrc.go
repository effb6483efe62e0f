package service

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// defineOpenRC returns an init script. OpenRC's supervisor starts a daemon again however it ended, so that there
// OnFailure is Always. What the daemon says goes to service/log below
// its directory, which is put aside at a start if it is longer than 10 MiB.
func defineOpenRC(s Spec, p Place) (Definition, error) {
	for _, entry := range slices.Concat(s.Env, s.Secrets) {
		if name, _, _ := strings.Cut(entry, "="); openrcName.MatchString(name) {
			return Definition{}, fmt.Errorf("OpenRC takes the variable %s of the environment for a setting of its own", name)
		}
	}
	if err := s.unhardened("OpenRC"); err != nil {
		return Definition{}, err
	}
	depend, err := s.openrcDepend()
	if err != nil {
		return Definition{}, err
	}
	limits, err := s.shellLimits("OpenRC")
	if err != nil {
		return Definition{}, err
	}
	var u bytes.Buffer
	line := func(format string, values ...any) { fmt.Fprintf(&u, format+"\n", values...) }
	line("#!/sbin/openrc-run")
	line("# %s; edits are lost at the next start.", Mark(p.Name))
	line("")
	line("description=%s", p.Name)
	s.openrcCommand(p, line)
	line("pidfile=/run/%s.pid", p.Name)
	line("retry=TERM/%d/KILL/5", max(1, int(s.Stop.Round(time.Second)/time.Second)))
	line("rc_cgroup_cleanup=yes")
	line("")
	line("depend() {")
	for _, needs := range depend {
		line("\t%s", needs)
	}
	line("}")
	line("")
	s.openrcStart(p, limits, line)
	if len(s.Lines) > 0 {
		line("")
		line("%s", strings.Join(s.Lines, "\n"))
	}
	return Definition{Kind: OpenRC, Unit: u.Bytes(), Env: s.shellEnv()}, nil
}

// openrcCommand writes what is started, and by what. OpenRC splits its settings at spaces and looks for files that
// match them, and then has a shell evaluate what comes of that: hence they name variables.
func (s Spec) openrcCommand(p Place, line func(string, ...any)) {
	user := cmp.Or(s.User, "root")
	line("davit_base=%s", shellescape.Quote(p.Base))
	line("davit_command=$davit_base/current/%s", p.Name)
	line("davit_log=$davit_base/service/log")
	if dir := s.workingDir(p); dir != "" {
		line("davit_directory=%s", shellescape.Quote(dir))
	} else {
		line("davit_directory=~%s", user) // which a shell fills in, if there is such a user
		line(`[ -d "$davit_directory" ] || davit_directory=/`)
	}
	var args strings.Builder
	for i, arg := range s.Args {
		line("davit_%d=%s", i+1, shellescape.Quote(arg))
		fmt.Fprintf(&args, ` "$davit_%d"`, i+1)
	}
	line("")
	line("command_user=%s", shellescape.Quote(user))
	line(`directory='"$davit_directory"'`)
	if s.Restart != Never {
		line("supervisor=supervise-daemon respawn_delay=1 respawn_max=5 respawn_period=60")
		line(`command='"$davit_command"'`)
		line(`command_args='%s'`, strings.TrimSpace(args.String()))
		line(`output_log='"$davit_log"' error_log='"$davit_log"'`)
		return
	}
	// The start-stop-daemon may be Debian's, which has other words for a log.
	line("command_background=yes")
	line(`davit_shell='exec "$@" >>"$0" 2>&1'`)
	line("command=/bin/sh")
	line(`command_args='-c "$davit_shell" "$davit_log" "$davit_command"%s'`, args.String())
}

// openrcStart writes what comes before and after. A mark says that the daemon was started and not stopped, and how:
// OpenRC has one that fell too often for stopped.
func (s Spec) openrcStart(p Place, limits []string, line func(string, ...any)) {
	line("start_pre() {")
	line(`	[ ! -e "$davit_base/pending" ] || (. "$davit_base/pending")`)
	line(`	[ ! -e "$davit_log" ] || [ "$(wc -c <"$davit_log")" -le 10485760 ] || mv "$davit_log" "$davit_log.1"`)
	line("\t" + `checkpath -q -f -m 0640 -o "$command_user" "$davit_log" || return`)
	for _, limit := range limits {
		line("\t%s || return", limit)
	}
	line(`	. "$davit_base/service/env"`)
	line("}")
	line("")
	how := "supervised"
	if s.Restart == Never {
		how = "alone"
	}
	line("start_post() { echo %s >/run/%s.davit; }", how, p.Name)
	line("")
	line("stop_post() { rm -f /run/%s.davit; }", p.Name)
	if s.Restart == Never {
		line("")
		line(`stop() { start-stop-daemon --stop --oknodo --retry "$retry" --pidfile "$pidfile" && rm -f "$pidfile"; }`)
	}
}

// openrcName is of what an init script's shell holds besides the environment.
var openrcName = regexp.MustCompile(`^(RC_.*|SSD_.*|EINFO_.*|rc_.*|command.*|respawn_.*|description|supervisor|directory|chroot|` +
	`capabilities|secbits|no_new_privs|umask|retry|stopsig|procname|pidfile|output_.*|error_.*|start_.*|healthcheck_.*|` +
	`supervise_.*|extra_.*|opts|required_.*|in_background_fake|lsbh|name|davit_.*|IFS|OPTIND|PATH_OF_.*)$`)

var openrcService = regexp.MustCompile(`^[A-Za-z0-9_.+-]+$`)

// openrcDepend returns what is started before the daemon, where it is there.
func (s Spec) openrcDepend() ([]string, error) {
	lines := []string{"use net", "after net"}
	for _, name := range s.After {
		if !openrcService.MatchString(name) {
			return nil, fmt.Errorf("%q, which is to be started before, is no name of a service of OpenRC", name)
		}
		lines = append(lines, "want "+name, "after "+name)
	}
	return lines, nil
}
