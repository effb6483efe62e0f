package openssh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/target"
)

// hopFailed begins the line that says which jump host it is that the way ended at.
const hopFailed = "davit: jump host "

// hopScript runs the ssh program, whose arguments come first, as the way through a jump host to the
// address that it is given, and says so if that fails. The program ends with the script.
const hopScript = `#!/bin/sh
exec 3<&0
pid=
trap '[ -z "$pid" ] || kill "$pid"; exit 255' HUP TERM
%s <&3 3<&- &
pid=$!
wait "$pid" && exit
printf '%%s on the way to %%s\n' %s "$1" >&2
exit 255
`

// openWay lays the scripts of the way through the jump hosts that the user asked for and returns the
// options of the program that make it go that way. With -J the program would not offer the jump hosts
// our keys, and would not check host keys where ssh_config does not want it.
func (s *settings) openWay(ctx context.Context, path string, d *desk) ([]string, error) {
	if len(s.jumps.Hops) == 0 {
		return s.jumps.Args(), nil
	}
	var way []string // to the hop; the first is reached as ssh_config says
	for i, hop := range s.jumps.Hops {
		h, err := resolve(ctx, path, hop, target.Jumps{}, s.opts)
		if err != nil {
			return nil, atHop(hop, err)
		}
		script := d.path(fmt.Sprintf("hop%d", i))
		if err := os.WriteFile(script, []byte(h.hopScript(path, way)), 0o600); err != nil {
			return nil, noDesk(err)
		}
		way = []string{
			"-o", "ProxyCommand=/bin/sh " + script + " '[%h]:%p'", // the user's shell reads that, whichever it is
			"-o", "ProxyUseFdpass=no",
		}
	}
	return way, nil
}

// hopScript returns the script that runs the program at path for a jump host that is reached on way.
func (s *settings) hopScript(path string, way []string) string {
	args := slices.Concat([]string{path}, s.sources(), way, []string{
		"-o", "LogLevel=INFO", // for a good error
		"-o", "ControlMaster=no", "-o", "ControlPath=none", // one of the user's is left alone
	})
	if s.opts.AcceptNewHostKeys || s.isOff("stricthostkeychecking") {
		args = append(args, "-o", "StrictHostKeyChecking=ask") // us, and we tell of it
	}
	var command strings.Builder
	for _, arg := range args {
		command.WriteString(host.Quote(arg) + " ")
	}
	command.WriteString(`-W "$1"`)
	for _, arg := range s.target.Args() {
		command.WriteString(" " + host.Quote(arg))
	}
	return fmt.Sprintf(hopScript, command.String(), host.Quote(hopFailed+s.target.String()))
}

// atHop returns err with the name of the jump host in it.
func atHop(hop fmt.Stringer, err error) error {
	if e, ok := errors.AsType[*host.Error](err); ok {
		e.Err = fmt.Errorf("jump host %s: %w", hop, e.Err)
		return e
	}
	return fmt.Errorf("jump host %s: %w", hop, err)
}

// placed returns e with the name of the jump host in it at which the way ended, if it did at one: that
// one says so first.
func (f failure) placed(e *host.Error) *host.Error {
	for _, line := range f.lines {
		if hop, ok := strings.CutPrefix(line, hopFailed); ok {
			e.Err = fmt.Errorf("jump host %s: %w", hop, e.Err)
			return e
		}
	}
	return e
}
