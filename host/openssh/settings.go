package openssh

import (
	"context"
	"net"
	"slices"
	"strings"

	"github.com/davit-sh/davit/host/internal/program"
	"github.com/davit-sh/davit/host/internal/target"
	"github.com/davit-sh/davit/narrate"
)

const (
	// socketName is the name of the control socket.
	socketName = "c"
	// readyLine is what the program says, by a LocalCommand, once it has signed in and listens.
	readyLine = "davit-ready"
	// aliveInterval and aliveCount end a connection over which nothing comes, as host/ssh does,
	// in seconds and times. What ssh_config says comes first.
	aliveInterval, aliveCount = "15", "3"
)

// settings is what ssh_config says about a host, and how the program is started for it.
type settings struct {
	path   string // of the program
	target target.Target
	jumps  target.Jumps // as the user asked for them
	opts   Options
	values map[string][]string // by lower-case keyword
}

func resolve(ctx context.Context, path string, t target.Target, jumps target.Jumps, o Options) (*settings, error) {
	values, err := program.Config(ctx, path, t, o.ConfigFile, jumps.Args()...)
	if err != nil {
		return nil, err
	}
	s := &settings{path, t, jumps, o, values}
	if s.isOn("batchmode") {
		s.opts.Prompt = nil
	}
	if s.isOff("stricthostkeychecking") {
		narrate.Warnf(ctx, "ssh_config",
			"⚠️  ssh_config turns the check of %s's host key off; it is checked all the same", t.Name)
	}
	return s, nil
}

// value returns what ssh_config says, or "".
func (s *settings) value(keyword string) string {
	return strings.Join(s.values[keyword], " ")
}

// gate names what a connection comes to first.
func (s *settings) gate() string {
	switch {
	case len(s.jumps.Hops) > 0:
		return s.jumps.Hops[0].String()
	case !s.jumps.Asked && s.value("proxyjump") != "":
		first, _, _ := strings.Cut(s.value("proxyjump"), ",")
		return first
	case !s.jumps.Asked && s.value("proxycommand") != "":
		return s.value("proxycommand")
	}
	return net.JoinHostPort(s.value("hostname"), s.value("port"))
}

// isOn reports whether a switch is on. The program prints some as true, some as yes.
func (s *settings) isOn(keyword string) bool {
	v := s.value(keyword)
	return v == "yes" || v == "true"
}

func (s *settings) isOff(keyword string) bool {
	v := s.value(keyword)
	return v == "no" || v == "false" || v == "off"
}

// arguments returns those of the program, which goes this way. What stands there comes before what
// ssh_config says.
func (s *settings) arguments(socket string, way []string) []string {
	args := slices.Concat([]string{"-M", "-N", "-n", "-T", "-S", socket}, s.sources(), way)
	for _, option := range s.overrides() {
		args = append(args, "-o", option)
	}
	return append(args, s.target.Args()...)
}

// sources returns the arguments that say where the program finds its configuration and keys.
func (s *settings) sources() []string {
	var args []string
	if s.opts.ConfigFile != "" {
		args = append(args, "-F", s.opts.ConfigFile)
	}
	for _, path := range s.opts.Identities {
		args = append(args, "-i", path)
	}
	return args
}

// overrides returns the options that must be as they are.
func (s *settings) overrides() []string {
	options := []string{
		"ControlPersist=no",
		"ClearAllForwardings=yes", // another connection of the user's may have them
		"LogLevel=DEBUG1",         // for a good error
		"BatchMode=no",            // what it asks is answered by us, if only with no
		"PermitLocalCommand=yes", "LocalCommand=" + s.localCommand(),
	}
	if v := s.value("serveraliveinterval"); v == "" || v == "0" {
		options = append(options, "ServerAliveInterval="+aliveInterval, "ServerAliveCountMax="+aliveCount)
	}
	switch {
	case s.opts.AcceptNewHostKeys:
		options = append(options, "StrictHostKeyChecking=accept-new")
	case s.isOff("stricthostkeychecking"):
		options = append(options, "StrictHostKeyChecking=ask")
	}
	if s.opts.Prompt == nil {
		options = append(options, "NumberOfPasswordPrompts=1")
		if s.opts.PasswordFile == "" {
			options = append(options, "PasswordAuthentication=no", "KbdInteractiveAuthentication=no")
		}
	}
	return options
}

// localCommand returns the command that says that all is ready, and then does what the user's does.
func (s *settings) localCommand() string {
	command := "echo " + readyLine
	if users := s.value("localcommand"); users != "" && users != "none" && s.isOn("permitlocalcommand") {
		command += "; " + users
	}
	return command
}

// tell tells what the user should know of what the program said while it connected. A key that was
// added where the host's is known is a jump host's, and told of already.
func (s *settings) tell(ctx context.Context, lines []string) {
	if slices.ContainsFunc(lines, isKnown) {
		return
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "Warning: Permanently added ") {
			narrate.Sayf(ctx, "host_key", "🔑 Accepted the host key of %s, %s", s.target, shownKey(lines))
		}
	}
}

// isKnown reports whether a line says that known_hosts has the host's key.
func isKnown(line string) bool {
	return strings.HasPrefix(line, "debug1: Host '") && strings.Contains(line, "' is known and matches the ")
}

// shownKey returns the kind and the fingerprint of the key that the host has shown.
func shownKey(lines []string) string {
	for _, line := range lines {
		if key, ok := strings.CutPrefix(line, "debug1: Server host key: "); ok {
			return strings.TrimPrefix(key, "ssh-")
		}
	}
	return "of unknown kind"
}
