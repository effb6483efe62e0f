package davit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// portUse is what a host says of who listens at the port that the daemon's health is asked at.
type portUse struct {
	number int
	daemon string // what the daemon is called
	silent bool   // it listens nowhere
	socket string // of who does; "0" if it cannot be seen
	user   string // whose that is
	pid    string // "0" if it cannot be seen
	name   string // of its command
}

// hearPortUse returns what the host says, nil if nobody but the daemon is known to listen there.
func (c *change) hearPortUse(w host.Words) *portUse {
	fields := strings.SplitN(w.Rest, " ", 5)
	if len(fields) < 5 || fields[0] != "taken" && fields[0] != "other" {
		return nil
	}
	number, _ := portOf(c.Health)
	return &portUse{
		number: number, daemon: c.target.Name,
		silent: fields[0] == "taken", socket: fields[1], user: fields[2], pid: fields[3], name: narrate.Visible(fields[4]),
	}
}

// holder says who it is: "nginx (pid 812)", or whose, if no more can be seen.
func (u *portUse) holder() string {
	if u.pid == "0" {
		return "a process of " + narrate.Visible(u.user)
	}
	return fmt.Sprintf("%s (pid %s)", u.name, u.pid)
}

func (u *portUse) String() string { return fmt.Sprintf("port %d is taken by %s", u.number, u.holder()) }

// portTakenError is of a daemon that is unhealthy while another process listens where it should. Without
// a cause it is that one that answers.
type portTakenError struct {
	use   *portUse
	cause error // may be nil
}

func (e *portTakenError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%v; %v", e.cause, e.use)
	}
	return fmt.Sprintf("%v: it is not %s that answers at port %d, but %s", ErrUnhealthy, e.use.daemon, e.use.number, e.use.holder())
}

// Is reports true for [ErrPortTaken] and [ErrUnhealthy].
func (e *portTakenError) Is(target error) bool {
	return target == ErrPortTaken || target == ErrUnhealthy
}

func (e *portTakenError) Unwrap() error { return e.cause }

// portOf returns where on the host itself the check asks, 0 and none if that is not known to be there. A name is
// not looked up.
func portOf(c *health.Check) (number int, addresses []netip.Addr) {
	if c == nil {
		return 0, nil
	}
	at := c.TCP
	if u, err := url.Parse(c.HTTP); c.HTTP != "" && err == nil {
		at = u.Host
		if u.Port() == "" {
			at = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
		}
	}
	name, port, err := net.SplitHostPort(at)
	if err != nil {
		return 0, nil
	}
	if number, err = strconv.Atoi(port); err != nil {
		return 0, nil
	}
	loopback4, loopback6 := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	a, err := netip.ParseAddr(name)
	switch {
	case name == "localhost":
		return number, []netip.Addr{loopback4, loopback6}
	case err != nil:
		return 0, nil
	case a == netip.IPv4Unspecified():
		a = loopback4
	case a == netip.IPv6Unspecified():
		a = loopback6
	}
	return number, []netip.Addr{a.Unmap().WithZone("")}
}

// portWords are for the host: who listens at the port? There are none if that is not to be known.
func (c *change) portWords() []string {
	number, addresses := portOf(c.Health)
	if len(addresses) == 0 {
		return nil
	}
	words := []string{"port", strconv.Itoa(number), strings.Repeat("0", 8), strings.Repeat("0", 32)}
	for _, a := range addresses {
		words = append(words, procNames(a)...)
	}
	return words
}

// procNames are what a may be called in /proc/net/tcp and tcp6 (proc(5)): words of four bytes in the order of
// the host's processor, which is not known here.
func procNames(a netip.Addr) (names []string) {
	all := a.As16()
	if a.Is4() {
		a4 := a.As4()
		names = []string{fmt.Sprintf("%X", a4[:]), fmt.Sprintf("%X", swapped(a4[:]))}
	}
	return append(names, fmt.Sprintf("%X", all[:]), fmt.Sprintf("%X", swapped(all[:])))
}

// swapped returns b with each four bytes the other way round.
func swapped(b []byte) []byte {
	s := make([]byte, len(b))
	for i := range b {
		s[i] = b[i/4*4+3-i%4]
	}
	return s
}

// askPort has the host say who listens at the port, in its own time. It reports whether it will.
func (c *change) askPort(ctx context.Context) (asked bool, err error) {
	words := c.portWords()
	if words == nil {
		return false, nil
	}
	return true, c.say(ctx, words...)
}

// notePort takes what the host says of the port before anything has changed.
func (c *change) notePort(ctx context.Context, w host.Words) {
	c.before = c.hearPortUse(w)
	if c.before != nil && c.facts.state != StateRunning {
		narrate.Warnf(ctx, "port_taken", "%s", capital(c.before.String()))
	}
}

// ours returns an error if what is healthy is not the daemon. The same that listened there before may still do so,
// and the daemon nowhere. One that stands before the daemon, as a proxy does, is another matter.
func (c *change) ours(ctx context.Context) error {
	if c.before == nil || c.before.socket == "0" {
		return nil
	}
	if asked, err := c.askPort(ctx); !asked || err != nil {
		return err
	}
	w, err := c.hear(ctx, "port", "died")
	switch {
	case err != nil:
		return err
	case w.First == "died":
		return &diedError{w.Rest}
	}
	if now := c.hearPortUse(w); now != nil && now.silent && now.socket == c.before.socket {
		return &portTakenError{use: now}
	}
	return nil
}

// oursFresh is ours where the connection that knows may not be there any more.
func (c *change) oursFresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lastWordsWait)
	defer cancel()
	if taken, ok := errors.AsType[*portTakenError](c.ours(ctx)); ok {
		return taken
	}
	return nil
}

// blame returns err, of a daemon that is unhealthy, with who listens at its port if that is another.
func (c *change) blame(ctx context.Context, err error) error {
	if _, known := errors.AsType[*portTakenError](err); known {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lastWordsWait)
	defer cancel()
	if asked, failed := c.askPort(ctx); !asked || failed != nil {
		return err
	}
	for {
		w, failed := c.next(ctx)
		switch {
		case failed != nil && w.First != "failed", w.First == "end":
			return err
		case w.First == "port":
			if now := c.hearPortUse(w); now != nil {
				return &portTakenError{now, err}
			}
			return err
		}
	}
}
