package service

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/davit-sh/davit/host"
)

// account is the name of a user that a shell takes as it is.
var account = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// ulimits are the limits that a shell can set: the option, and the bytes of its unit, 0 if it counts
// something else. In POSIX mode all shells have these units.
var ulimits = map[string]struct {
	option string
	unit   int64
}{
	"as": {"v", 1024}, "core": {"c", 512}, "cpu": {"t", 0}, "data": {"d", 1024}, "fsize": {"f", 512},
	"memlock": {"l", 1024}, "nofile": {"n", 0}, "nproc": {"u", 0}, "rss": {"m", 1024}, "stack": {"s", 1024},
}

// ofShells are variables that some shell has a use of its own for, and would not pass on as they are.
var ofShells = strings.Fields(`BASHOPTS BASHPID BASH_ARGC BASH_ARGV BASH_LINENO BASH_SOURCE BASH_VERSINFO DIRSTACK
	EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD IFS LINENO OPTARG OPTIND PPID RANDOM SECONDS SHELLOPTS
	SRANDOM UID _`)

func defineProcess(s Spec, p Place) (Definition, error) {
	switch {
	case len(s.After) > 0:
		return Definition{}, fmt.Errorf("after %s: a plain process cannot wait for other services", s.After[0])
	case len(s.Lines) > 0:
		return Definition{}, fmt.Errorf("line %q: a plain process has no description to add it to", s.Lines[0])
	}
	unit, err := s.supervised("a plain process", p)
	if err != nil {
		return Definition{}, err
	}
	return Definition{Kind: Process, Unit: unit, Env: s.shellEnv()}, nil
}

// supervised returns the values that precede our supervisor. kind is named in an error.
func (s Spec) supervised(kind string, p Place) ([]byte, error) {
	if err := s.unhardened(kind); err != nil {
		return nil, err
	}
	if err := s.shells(p); err != nil {
		return nil, err
	}
	limits, err := s.ulimits()
	if err != nil {
		return nil, err
	}
	user, home, as := p.User, p.Home, ""
	if p.System {
		user, home = "root", ""
		if s.User != "" && s.User != user {
			user, as = s.User, s.User
		}
	}
	command := host.Quote(p.executable())
	for _, arg := range s.Args {
		command += " " + host.Quote(arg)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n", Mark(p.Name))
	for _, v := range []host.Var{
		{Name: "base", Value: p.Base},
		{Name: "user", Value: user},
		{Name: "as", Value: as},
		{Name: "home", Value: home},
		{Name: "directory", Value: s.workingDir(p)},
		{Name: "command", Value: command},
		{Name: "limits", Value: strings.Join(limits, " ")},
		{Name: "restart", Value: s.Restart},
	} {
		fmt.Fprintf(&b, "%s=%s\n", v.Name, host.Quote(v.Value))
	}
	return b.Bytes(), nil
}

// shells returns an error if s has a user or a variable that a shell cannot give a daemon.
func (s Spec) shells(p Place) error {
	switch {
	case s.User != "" && !p.System:
		return fmt.Errorf("user %q: only a service of the system's scope runs as another user", s.User)
	case s.User != "" && !account.MatchString(s.User):
		return fmt.Errorf("%q is no name of a user", s.User)
	}
	for _, entry := range slices.Concat(s.Env, s.Secrets) {
		if name, _, _ := strings.Cut(entry, "="); slices.Contains(ofShells, name) {
			return fmt.Errorf("variable %s of the environment: the shell that starts the daemon has one of its own", name)
		}
	}
	return nil
}

// ulimits returns name, option and value of each limit: the hard one, and then the soft one, if that is another.
func (s Spec) ulimits() (words []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(s.Limits)) {
		limit, known := ulimits[name]
		if !known {
			return nil, fmt.Errorf("there is no limit %s that a shell could set; it knows %s", name,
				strings.Join(slices.Sorted(maps.Keys(ulimits)), ", "))
		}
		soft, hard, both := strings.Cut(s.Limits[name], ":")
		if !both {
			hard = soft
		}
		for i, value := range []string{hard, soft} {
			if value, err = inUnits(value, limit.unit); err != nil {
				return nil, fmt.Errorf("limit %s: %w", name, err)
			}
			if i == 0 {
				words = append(words, name, limit.option, value)
			} else if value != words[len(words)-1] {
				words = append(words, name, "S"+limit.option, value)
			}
		}
	}
	return words, nil
}

// inUnits returns a limit in units of so many bytes, rounded up, or as it is if unit is 0. As for systemd
// a size is in bytes, or has a suffix K, M, G or T.
func inUnits(value string, unit int64) (string, error) {
	if value == "infinity" || value == "unlimited" {
		return "unlimited", nil
	}
	digits, factor := value, int64(1)
	if at := strings.IndexAny(value, "KMGT"); unit > 0 && at > 0 && at == len(value)-1 {
		digits, factor = value[:at], int64(1)<<(10*(1+strings.IndexByte("KMGT", value[at])))
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || int64(n) > (1<<62)/factor {
		return "", fmt.Errorf("%q is neither a number nor \"unlimited\"", value)
	}
	if unit > 0 {
		return strconv.FormatInt((int64(n)*factor+unit-1)/unit, 10), nil
	}
	return strconv.FormatUint(n, 10), nil
}
