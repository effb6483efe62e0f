// Package target reads how a user writes a host that is reached over SSH.
package target

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/davit-sh/davit/host"
)

// Target is a host as a user writes it. What is empty is for ssh_config to say.
type Target struct {
	User, Name, Port string
}

// String returns the target in the form user@name:port. Parsing it gives the same target.
func (t Target) String() string {
	s := t.Name
	if t.Port != "" {
		if strings.Contains(s, ":") {
			s = "[" + s + "]"
		}
		s += ":" + t.Port
	}
	if t.User != "" {
		s = t.User + "@" + s
	}
	return s
}

// Args returns the arguments with which the ssh program means the same host.
func (t Target) Args() []string {
	var args []string
	if t.User != "" {
		args = append(args, "-l", t.User)
	}
	if t.Port != "" {
		args = append(args, "-p", t.Port)
	}
	return append(args, "--", t.Name)
}

// Command returns the command line in which program, such as "ssh -v", means the same host.
func (t Target) Command(program string) string {
	if t.Port != "" {
		program += " -p " + t.Port
	}
	return program + " " + Target{User: t.User, Name: t.Name}.String()
}

// shellMeta are characters that OpenSSH refuses in names, because names end up in commands.
const shellMeta = "'`\"$\\;&<>|(){}"

// Parse reads [ssh://][user@]name[:port]. The name may be an IPv6 address, which needs
// brackets when a port follows.
func Parse(s string) (Target, error) {
	rest, isURL := strings.CutPrefix(s, "ssh://")
	if isURL {
		rest = strings.TrimSuffix(rest, "/")
	}
	var t Target
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		if t.User, rest = rest[:i], rest[i+1:]; t.User == "" {
			return Target{}, errors.New("there is nothing before the @")
		}
	}
	var err error
	if t.Name, t.Port, err = splitPort(rest); err != nil {
		return Target{}, err
	}
	return t, t.check()
}

// OfHost is Parse with an error for the user, an [*host.Error].
func OfHost(s string) (Target, error) {
	t, err := Parse(s)
	if err != nil {
		return Target{}, &host.Error{
			Host: s, Kind: host.ErrConfig, Err: fmt.Errorf("%q is not a host: %w", s, err),
			Hint: "write user@name, user@name:port, ssh://user@name:port or an alias of ssh_config",
		}
	}
	return t, nil
}

// splitPort splits name[:port], [address]:port, [address] or an address with colons.
func splitPort(s string) (name, port string, err error) {
	if inside, ok := strings.CutPrefix(s, "["); ok {
		name, after, closed := strings.Cut(inside, "]")
		// ssh -G writes a jump host's IPv4 address in brackets, too.
		if _, err := netip.ParseAddr(name); !closed || err != nil {
			return "", "", errors.New("only an IP address stands in brackets")
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
func (t Target) check() error {
	if t.Name == "" {
		return errors.New("the name is empty")
	}
	for _, p := range [][2]string{{"name", t.Name}, {"user", t.User}} {
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
	if strings.ContainsAny(t.Name, "/,*?!#[]@") || strings.Contains(t.Name, "%") && !isIPv6(t.Name) {
		return errors.New("the name has a character that no host's name has")
	}
	if strings.Contains(t.User, "://") {
		return errors.New("only ssh:// URLs name a host")
	}
	return nil
}
