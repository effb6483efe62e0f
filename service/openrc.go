package service

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// defineOpenRC returns an init script, which starts and ends the supervisor that a plain process has, and what is
// to be that.
func defineOpenRC(s Spec, p Place) (Definition, error) {
	depend, err := s.openrcDepend()
	if err != nil {
		return Definition{}, err
	}
	supervisor, err := s.supervised("OpenRC", p)
	if err != nil {
		return Definition{}, err
	}
	var u bytes.Buffer
	fmt.Fprintf(&u, openrcScript, Mark(p.Name), p.Name, shellescape.Quote(p.Base), strings.Join(depend, "\n\t"),
		max(1, int(s.Stop.Round(time.Second)/time.Second)))
	for _, line := range s.Lines {
		fmt.Fprintf(&u, "%s\n", line)
	}
	fmt.Fprintf(&u, "# %s: what follows is service/supervise.\n%s", Mark(p.Name), supervisor)
	return Definition{Kind: OpenRC, Unit: u.Bytes(), Env: s.shellEnv()}, nil
}

// openrcScript has places for the mark, the daemon's name and directory, what it depends on, and the seconds that it
// has to end. OpenRC ends what the supervisor cannot find, too, where it may make control groups.
const openrcScript = `#!/sbin/openrc-run
# %s; edits are lost at the next start.

description=%s
davit_base=%s
rc_cgroup_cleanup=yes

depend() {
	%s
}

davit() { davit_said=$(/bin/sh "$davit_base/service/supervise" "$@"); }

start() {
	ebegin "Starting $RC_SVCNAME"
	davit start
	eend $? "$davit_said"
}

stop() {
	ebegin "Stopping $RC_SVCNAME"
	davit stop %d
	eend $? "$davit_said"
}

status() {
	davit status
	set -- $?
	einfo "status: $davit_said"
	return $1
}
`

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
