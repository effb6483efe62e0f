package service

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// directiveOf has, by what ulimit calls a limit, what systemd calls it.
var directiveOf = map[string]string{
	"as": "LimitAS", "core": "LimitCORE", "cpu": "LimitCPU", "data": "LimitDATA", "fsize": "LimitFSIZE",
	"locks": "LimitLOCKS", "memlock": "LimitMEMLOCK", "msgqueue": "LimitMSGQUEUE", "nice": "LimitNICE",
	"nofile": "LimitNOFILE", "nproc": "LimitNPROC", "rss": "LimitRSS", "rtprio": "LimitRTPRIO",
	"sigpending": "LimitSIGPENDING", "stack": "LimitSTACK",
}

// hardening is what a unit gets that says nothing else: what takes from a daemon only what an ordinary one never
// uses. A user's manager can set what needs no privilege, and no mounts of its own. What is not here has its reason:
// ProtectClock and PrivateDevices also take away GPUs and serial ports; ProtectHome the daemon itself;
// MemoryDenyWriteExecute breaks whatever compiles as it runs; SystemCallArchitectures a static daemon of another width
// than the system; RestrictAddressFamilies and UMask depend on what a daemon is for.
var (
	hardeningAnywhere = []string{
		"NoNewPrivileges=yes", "LockPersonality=yes", "RestrictNamespaces=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes",
	}
	hardeningOfTheSystem = []string{
		"PrivateTmp=yes", "ProtectControlGroups=yes", "ProtectHostname=yes", "ProtectKernelLogs=yes",
		"ProtectKernelModules=yes", "ProtectKernelTunables=yes", "ProtectSystem=full",
	}
)

// defineSystemd returns a unit.
func defineSystemd(s Spec, p Place) (Definition, error) {
	env, err := s.systemdEnv()
	if err != nil {
		return Definition{}, err
	}
	command, err := s.execStart(p)
	if err != nil {
		return Definition{}, err
	}
	after, err := s.systemdAfter(p)
	if err != nil {
		return Definition{}, err
	}
	limits, err := s.systemdLimits()
	if err != nil {
		return Definition{}, err
	}
	hardening, err := s.hardening(p.System)
	if err != nil {
		return Definition{}, err
	}
	target := "default.target"
	if p.System {
		target = "multi-user.target"
	}
	var u bytes.Buffer
	write := func(lines ...string) {
		for _, line := range lines {
			u.WriteString(line + "\n")
		}
	}
	write("# "+Mark(p.Name)+"; edits are lost at the next start.", "", "[Unit]", "Description="+p.Name)
	write(after...)
	write("StartLimitIntervalSec=60", "StartLimitBurst=5", "", "[Service]", "Type=exec")
	write("ExecStartPre="+guardOfSystemd(p), "ExecStart="+command)
	write("SyslogIdentifier=" + p.Name)
	write(s.systemdPlace(p)...)
	write("EnvironmentFile="+globless(specifierless(p.Base+"/service/env")), "Restart="+s.Restart, "RestartSec=1")
	write(fmt.Sprintf("TimeoutStopSec=%dms", s.Stop.Milliseconds()))
	write(limits...)
	write(hardening...)
	write(s.Lines...)
	// The empty line also ends a last line of the user's that would be continued.
	write("", "[Install]", "WantedBy="+target)
	return Definition{Kind: Systemd, Unit: u.Bytes(), Env: env}, nil
}

// guardOfSystemd returns the command that comes before each start: base/pending is there after the host went down
// in the middle of a switch, and undoes it. It may fail, and has all of root's rights in the system's scope.
func guardOfSystemd(p Place) string {
	prefix := "-"
	if p.System {
		prefix = "-+"
	}
	return prefix + `/bin/sh -c ` + systemdWord(`[ ! -e "$0" ] || . "$0"`) + " " + systemdWord(p.Base+"/pending")
}

// execStart returns the command line. A path with a character that systemd takes in no path of a program goes
// through a shell, which the daemon takes the place of.
func (s Spec) execStart(p Place) (string, error) {
	program := p.executable()
	if !utf8.ValidString(program) {
		return "", fmt.Errorf("%q is not UTF-8, and systemd takes nothing else", program)
	}
	words := []string{specifierless(program)}
	switch {
	case strings.ContainsFunc(program, func(r rune) bool { return r < 0x20 || r == 0x7f || strings.ContainsRune(`"'\$`, r) }):
		words = []string{"/bin/sh -c", systemdWord(`exec "$0" "$@"`), systemdWord(program)}
	case !plainWord.MatchString(program):
		words[0] = `"` + words[0] + `"`
	}
	for i, arg := range s.Args {
		if !utf8.ValidString(arg) {
			return "", fmt.Errorf("argument %d is not UTF-8, and systemd takes nothing else", i+1)
		}
		words = append(words, systemdWord(arg))
	}
	return strings.Join(words, " "), nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@+=:,./-]+$`)

// systemdWord returns text as one word of a command line of systemd.
func systemdWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c == '%' || c == '$':
			b.WriteString(string(c) + string(c))
		case c < 0x20 || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// specifierless returns text that has nothing for systemd to fill in.
func specifierless(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// globless returns a path as a pattern that nothing else matches.
var globless = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace

// systemdPlace returns as whom and where the daemon runs.
func (s Spec) systemdPlace(p Place) []string {
	dir := specifierless(s.workingDir(p))
	if dir == "" {
		dir = "-~" // a user of the system may have none
	}
	if !p.System {
		return []string{"WorkingDirectory=" + dir}
	}
	// That of root is said as well, since only then systemd sets HOME, USER and SHELL.
	return []string{"User=" + cmp.Or(s.User, "root"), "WorkingDirectory=" + dir}
}

// systemdAfter returns what is started before the daemon.
func (s Spec) systemdAfter(p Place) ([]string, error) {
	var names []string
	if p.System {
		names = append(names, "network-online.target")
	}
	for _, name := range s.After {
		if !unitName.MatchString(name) {
			return nil, fmt.Errorf("%q, which is to be started before, is no name of a unit of systemd", name)
		}
		if !unitType.MatchString(name) {
			name += ".service"
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, nil
	}
	list := strings.Join(names, " ")
	return []string{"After=" + list, "Wants=" + list}, nil
}

var (
	unitName = regexp.MustCompile(`^[A-Za-z0-9:_.\\@-]+$`)
	unitType = regexp.MustCompile(`\.(service|socket|target|device|mount|automount|swap|timer|path|slice|scope)$`)
)

func (s Spec) systemdLimits() ([]string, error) {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(s.Limits)) {
		directive, known := directiveOf[name]
		if !known {
			return nil, fmt.Errorf("systemd has no limit %q", name)
		}
		value := strings.ReplaceAll(s.Limits[name], unlimited, "infinity")
		lines = append(lines, directive+"="+value)
	}
	return lines, nil
}

// hardening returns the defaults of the scope, as far as they are wanted, and what else is wanted.
func (s Spec) hardening(system bool) ([]string, error) {
	defaults := slices.Clone(hardeningAnywhere)
	if system {
		defaults = append(defaults, hardeningOfTheSystem...)
	}
	wanted := map[string]string{}
	for _, line := range defaults {
		name, value, _ := strings.Cut(line, "=")
		wanted[name] = value
	}
	maps.Copy(wanted, s.Hardening)
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if strings.HasSuffix(wanted[name], `\`) {
			return nil, fmt.Errorf("the value of %s ends in a backslash, which would join the next line to it", name)
		}
		if wanted[name] != "" {
			lines = append(lines, name+"="+wanted[name])
		}
	}
	return lines, nil
}

// envEscape is what has a meaning within double quotes in an EnvironmentFile of systemd.
var envEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`)

// systemdEnv returns the environment as an EnvironmentFile of systemd.
func (s Spec) systemdEnv() ([]byte, error) {
	var b bytes.Buffer
	for _, entry := range slices.Concat(s.Env, s.Secrets) {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case !utf8.ValidString(value):
			return nil, fmt.Errorf("the value of %s is not UTF-8, and systemd takes nothing else", name)
		case strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 && r != '\t' && r != '\n' || r == 0x7f }):
			return nil, fmt.Errorf("the value of %s has a control character, which systemd takes only from release 248 on", name)
		}
		fmt.Fprintf(&b, "%s=\"%s\"\n", name, envEscape.Replace(value))
	}
	return b.Bytes(), nil
}
