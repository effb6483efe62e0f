package ssh

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// target is a host as a user writes it. What is empty is for ssh_config to say.
type target struct {
	user, name, port string
}

// String returns the target in the form user@name:port. Parsing it gives the same target.
func (t target) String() string {
	s := t.name
	if t.port != "" {
		if strings.Contains(s, ":") {
			s = "[" + s + "]"
		}
		s += ":" + t.port
	}
	if t.user != "" {
		s = t.user + "@" + s
	}
	return s
}

// args returns the arguments with which the ssh program means the same host.
func (t target) args() []string {
	var args []string
	if t.user != "" {
		args = append(args, "-l", t.user)
	}
	if t.port != "" {
		args = append(args, "-p", t.port)
	}
	return append(args, "--", t.name)
}

// shellMeta are characters that OpenSSH refuses in names, because names end up in commands.
const shellMeta = "'`\"$\\;&<>|(){}"

// parseTarget reads [ssh://][user@]name[:port]. The name may be an IPv6 address, which needs
// brackets when a port follows.
func parseTarget(s string) (target, error) {
	rest, isURL := strings.CutPrefix(s, "ssh://")
	if isURL {
		rest = strings.TrimSuffix(rest, "/")
	}
	var t target
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		if t.user, rest = rest[:i], rest[i+1:]; t.user == "" {
			return target{}, errors.New("there is nothing before the @")
		}
	}
	var err error
	if t.name, t.port, err = splitPort(rest); err != nil {
		return target{}, err
	}
	return t, t.check()
}

// splitPort splits name[:port], [address]:port, [address] or an address with colons.
func splitPort(s string) (name, port string, err error) {
	if inside, ok := strings.CutPrefix(s, "["); ok {
		name, after, closed := strings.Cut(inside, "]")
		if !closed || !isIPv6(name) {
			return "", "", errors.New("only an IPv6 address stands in brackets")
		}
		if after == "" {
			return name, "", nil
		}
		port, ok := strings.CutPrefix(after, ":")
		if !ok {
			return "", "", errors.New("after the brackets only :port may follow")
		}
		port, err := checkPort(port)
		return name, port, err
	}
	if isIPv6(s) {
		return s, "", nil
	}
	name, port, found := strings.Cut(s, ":")
	if !found {
		return name, "", nil
	}
	port, err = checkPort(port)
	return name, port, err
}

func isIPv6(s string) bool {
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Is6()
}

// checkPort returns the port as a plain number.
func checkPort(s string) (string, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("the port must be a number from 1 to 65535")
	}
	return strconv.FormatUint(n, 10), nil
}

// check refuses what could be taken for something else further on: by the ssh program as an
// option, by a shell as syntax, by a terminal as commands.
func (t target) check() error {
	if t.name == "" {
		return errors.New("the name is empty")
	}
	for _, p := range [][2]string{{"name", t.name}, {"user", t.user}} {
		part, s := p[0], p[1]
		switch {
		case strings.HasPrefix(s, "-"):
			return errors.New("the " + part + " begins with a dash")
		case strings.ContainsAny(s, shellMeta):
			return errors.New("the " + part + " has a character that a shell would read as syntax")
		case strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
		}):
			return errors.New("the " + part + " has a space or an unprintable character")
		}
	}
	if strings.ContainsAny(t.name, "/,*?!#[]@") || strings.Contains(t.name, "%") && !isIPv6(t.name) {
		return errors.New("the name has a character that no host's name has")
	}
	if strings.Contains(t.user, "://") {
		return errors.New("only ssh:// URLs name a host")
	}
	return nil
}
