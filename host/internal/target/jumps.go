package target

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/davit-sh/davit/host"
)

// Jumps are the jump hosts on the way to a host, as a user asks for them.
type Jumps struct {
	Asked bool     // if not, ssh_config says which they are
	Hops  []Target // in their order; none means that there is no jump, whatever ssh_config says
}

// These are why a part of a list is no jump host.
var (
	errNoHop  = errors.New("there is nothing between the commas")
	errAlone  = errors.New("none stands alone")
	errItself = errors.New("it is the host itself")
)

// JumpsTo reads the jump hosts on the way to t, as ProxyJump of ssh_config(5) has them: a list of
// what [Parse] reads, with commas between them, or "none"; "" leaves it to ssh_config. The error is
// an [*host.Error] that names the part that is wrong.
func JumpsTo(t Target, s string) (Jumps, error) {
	if s == "" {
		return Jumps{}, nil
	}
	j := Jumps{Asked: true}
	if isNone(s) {
		return j, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		hop, err := parseHop(t, part)
		if err != nil {
			where := ""
			if part != s {
				where = fmt.Sprintf(" in %q", s)
			}
			return Jumps{}, &host.Error{
				Host: t.String(), Kind: host.ErrConfig, Err: fmt.Errorf("%q%s is not a jump host: %w", part, where, err),
				Hint: "write [user@]host[:port], several with commas between them, or none",
			}
		}
		j.Hops = append(j.Hops, hop)
	}
	return j, nil
}

func isNone(s string) bool { return strings.EqualFold(s, "none") }

func parseHop(t Target, s string) (Target, error) {
	switch {
	case s == "":
		return Target{}, errNoHop
	case isNone(s):
		return Target{}, errAlone
	}
	hop, err := Parse(s)
	if err == nil && hop == t {
		err = errItself
	}
	return hop, err
}

// String returns the jump hosts as ssh_config has them; "" if it is to say which they are.
func (j Jumps) String() string {
	if !j.Asked {
		return ""
	}
	if len(j.Hops) == 0 {
		return "none"
	}
	var parts []string
	for _, hop := range j.Hops {
		if addr, err := netip.ParseAddr(hop.Name); err == nil && addr.Is6() && hop.Port == "" {
			hop.Name = "[" + hop.Name + "]" // the ssh program wants brackets even without a port
		}
		parts = append(parts, hop.String())
	}
	return strings.Join(parts, ",")
}

// Args returns the arguments with which the ssh program has what ssh_config says for such a way, but
// for the way itself.
func (j Jumps) Args() []string {
	switch {
	case !j.Asked:
		return nil
	case len(j.Hops) == 0:
		return []string{"-o", "ProxyJump=none", "-o", "ProxyCommand=none"}
	}
	// Not -J, with which it refuses a way through the host's own name.
	return []string{"-o", "ProxyCommand=davit"}
}

// Command is [Target.Command] with the jump hosts in it.
func (j Jumps) Command(program string, t Target) string {
	if len(j.Hops) > 0 {
		return t.Command(program + " -J " + host.Quote(j.String()))
	}
	for _, arg := range j.Args() {
		program += " " + arg
	}
	return t.Command(program)
}
