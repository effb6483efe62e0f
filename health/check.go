// Package health sees whether a daemon serves. It is asked through the SSH connection, as the host sees
// it: nothing but sshd has to be reachable, and the host needs no program for it.
//
//	p := health.New(health.Check{HTTP: "http://127.0.0.1:8080/healthz", Match: "ok"}, asker)
//	defer p.Close()
//	attempts, err := p.Wait(ctx) // 0.1 s, 0.2 s, 0.4 s … between two looks, 30 s in all
//
// A host that does not forward connections is asked by one of its own programs: curl, wget, bash or nc.
package health

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultInterval is the longest time between two looks.
	DefaultInterval = 2 * time.Second
	// DefaultTimeout is how long it may take until a daemon serves.
	DefaultTimeout = 30 * time.Second
	// LookTimeout is how long one look may take.
	LookTimeout = 5 * time.Second
)

// Check says how to see that a daemon serves. At most one of HTTP, TCP and Command is set; if none is,
// there is nothing to see, and whatever runs is healthy.
type Check struct {
	// HTTP is a URL as the host sees it: http://127.0.0.1:8080/healthz. It may be of https, and then the
	// certificate is not verified: it is asked for over a connection that is secured already, by an
	// address that certificates rarely name. A redirect is not followed.
	HTTP string
	// TCP is name:port as the host sees it. That it takes a connection is enough.
	TCP string
	// Command is for the host's /bin/sh. Status 0 is healthy.
	Command string

	// Status is what the answer to HTTP must have; 0 takes any of 2xx.
	Status int
	// Match is what the body of the answer to HTTP must contain, in its first 64 KiB.
	Match string

	// Interval is the longest time between two looks; DefaultInterval if 0. The first times are shorter.
	Interval time.Duration
	// Timeout is how long it may take until it serves; DefaultTimeout if 0.
	Timeout time.Duration
}

// Validate returns an error that says what cannot be used.
func (c Check) Validate() error {
	ways := 0
	for _, way := range []string{c.HTTP, c.TCP, c.Command} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("a health check is one of HTTP, TCP and a command, not several")
	case c.HTTP == "" && (c.Status != 0 || c.Match != ""):
		return errors.New("only an HTTP health check has a status or a body")
	case c.Status != 0 && (c.Status < 200 || c.Status > 599):
		return fmt.Errorf("no answer has status %d: it is 200 to 599", c.Status)
	case len(c.Match) > bodyLimit:
		return fmt.Errorf("what the body must contain has %d bytes: at most %d are looked at", len(c.Match), bodyLimit)
	case c.Interval < 0:
		return fmt.Errorf("the interval is %v; it must be more than 0", c.Interval)
	case c.Timeout < 0:
		return fmt.Errorf("the timeout is %v; it must be more than 0", c.Timeout)
	case c.HTTP != "":
		return validURL(c.HTTP)
	case c.TCP != "":
		return validAddress(c.TCP)
	case c.Command != "" && strings.TrimSpace(c.Command) == "", strings.Contains(c.Command, "\x00"):
		return fmt.Errorf("not a command: %q", c.Command)
	}
	return nil
}

func validURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		e := new(url.Error)
		errors.As(err, &e)
		return fmt.Errorf("not a URL: %q: %w", text, cmp.Or(e.Err, err))
	case u.Scheme != "http" && u.Scheme != "https", u.Opaque != "":
		return fmt.Errorf("%q is not a URL of http:// or https://", text)
	case u.User != nil:
		return fmt.Errorf("%q has a password in it, which the host's other users could see", u.Redacted())
	}
	return validAddress(address(u))
}

// address returns where u is asked.
func address(u *url.URL) string {
	port := cmp.Or(u.Port(), "80")
	if u.Port() == "" && u.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// named are the names and addresses of hosts. One of them is no option of any program.
var named = regexp.MustCompile(`^[0-9A-Za-z_:][0-9A-Za-z_.:%-]*$`)

func validAddress(text string) error {
	name, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not name:port", text)
	}
	if !named.MatchString(name) {
		return fmt.Errorf("%q has no name or address of a host in it", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("the port of %q is not a number from 1 to 65535", text)
	}
	return nil
}

// String says what is asked: "GET http://127.0.0.1:8080/healthz", "connect to 127.0.0.1:5432", the
// command; "nothing" if it is none.
func (c Check) String() string {
	switch {
	case c.HTTP != "":
		return "GET " + c.HTTP
	case c.TCP != "":
		return "connect to " + c.TCP
	case c.Command == "":
		return "nothing"
	}
	return c.Command
}

// withDefaults returns c with its defaults in place of what is 0.
func (c Check) withDefaults() Check {
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	return c
}
