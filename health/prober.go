package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/davit-sh/davit/host"
)

// Asker is how a host is asked. It is connected.
type Asker interface {
	// Dial opens a TCP connection from the host to an address, as that of a [host.Host] does.
	Dial(ctx context.Context, network, address string) (net.Conn, error)

	// Run has the host's /bin/sh run a command, and returns its status and what it printed on both of its
	// outputs, as the bytes are. The command finds an empty standard input, or nothing that it may
	// take. What is printed beyond [MaxOutput] may be left out.
	Run(ctx context.Context, command string) (status int, output string, err error)
}

// Prober asks a host for the health of a daemon, and keeps what it can use again for the next look. It is
// for one goroutine at a time.
type Prober struct {
	check Check
	asker Asker

	url       *url.URL // of an HTTP check
	address   string   // of an HTTP or TCP check
	transport *http.Transport
	onHost    *onHost // nil while the host forwards connections
}

// New returns the prober of a check, which must be valid. The caller closes it.
func New(c Check, a Asker) *Prober {
	p := &Prober{check: c.withDefaults(), asker: a, address: c.TCP}
	if c.HTTP != "" {
		p.url, _ = url.Parse(c.HTTP) // Once says what is wrong with it
		p.transport = p.newTransport()
	}
	if p.url != nil {
		p.address = address(p.url)
	}
	return p
}

// Close ends what was kept for the next look.
func (p *Prober) Close() {
	if p.transport != nil {
		p.transport.CloseIdleConnections()
	}
}

// errSlow ends a look that takes too long, errOver one that the time of all looks has come to an end in.
var errSlow, errOver = errors.New("slow look"), errors.New("time is over")

// Once takes one look, for no longer than ctx and [LookTimeout]. It returns nil if the daemon is healthy, and
// an [*Error] else. It is [ErrUnhealthy] if the daemon is, and wraps the cause of ctx if that has ended.
func (p *Prober) Once(ctx context.Context) error {
	if e := p.look(ctx); e != nil {
		return e
	}
	return nil
}

func (p *Prober) look(ctx context.Context) *Error {
	if err := p.check.Validate(); err != nil {
		return &Error{Target: fit(ctx, p.check.String()), Kind: ErrCannotAsk, Err: err}
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, LookTimeout, errSlow)
	defer cancel()
	e := p.ask(ctx)
	if e == nil {
		return nil
	}
	e.Target = fit(ctx, p.check.String())
	if e.Err == nil && e.Reason == "" { // ctx ended it
		e.Reason, e.Err = fmt.Sprintf("no answer within %v", short(time.Since(begin))), context.Cause(ctx)
	}
	if errors.Is(e.Err, errSlow) {
		e.Kind, e.Err = ErrUnhealthy, nil
	}
	return e
}

// ask asks in the way that is wanted. An error that says nothing is that of a look that ctx ended.
func (p *Prober) ask(ctx context.Context) *Error {
	switch {
	case p.check.Command != "":
		return p.askCommand(ctx)
	case p.address == "":
		return nil
	case p.onHost != nil:
		return p.askOnHost(ctx)
	}
	err := error(nil)
	if p.url != nil {
		e, failed := p.askHTTP(ctx)
		if failed == nil {
			return e
		}
		err = failed
	} else if err = p.askTCP(ctx); err == nil {
		return nil
	}
	if errors.Is(err, host.ErrConfig) && ctx.Err() == nil { // and the address is a valid one
		p.useHost(ctx, err)
		return p.askOnHost(ctx)
	}
	return p.failed(ctx, err)
}

func (p *Prober) askTCP(ctx context.Context) error {
	conn, err := p.asker.Dial(ctx, "tcp", p.address)
	if err != nil {
		return err
	}
	conn.Close()
	return nil
}

func (p *Prober) askCommand(ctx context.Context) *Error {
	status, output, err := p.asker.Run(ctx, p.check.Command)
	switch {
	case err != nil:
		return p.failed(ctx, err)
	case status == 0:
		return nil
	}
	reason := fmt.Sprintf("status %d", status)
	if last := fit(ctx, lastLine(output)); last != "" {
		reason += ": " + last
	}
	return unhealthy(reason)
}

func unhealthy(reason string) *Error { return &Error{Kind: ErrUnhealthy, Reason: reason} }

// trouble are the kinds of errors that are not the daemon's.
var trouble = []error{host.ErrConfig, host.ErrNotSSH, host.ErrHostKeyUnknown, host.ErrHostKeyChanged, host.ErrAuth, host.ErrShell}

// failed returns what it means that the daemon could not be asked.
func (p *Prober) failed(ctx context.Context, err error) *Error {
	switch {
	case errors.Is(err, host.ErrLost):
		return &Error{Err: err}
	case ctx.Err() != nil:
		return &Error{}
	case p.check.Command != "":
		return &Error{Kind: ErrCannotAsk, Err: err}
	case refused(err.Error()) || errors.Is(err, syscall.ECONNREFUSED):
		return unhealthy(p.nothingListens())
	}
	for _, kind := range trouble {
		if errors.Is(err, kind) {
			return &Error{Kind: ErrCannotAsk, Err: err}
		}
	}
	return unhealthy(fit(ctx, err.Error()))
}

func (p *Prober) nothingListens() string { return "nothing listens at " + p.address + " yet" }

// refused reports whether text, which is a system's or a server's, says that a connection was refused.
func refused(text string) bool {
	return strings.Contains(strings.ToLower(text), "connection refused")
}

// lastLine returns the last line of text that says anything.
func lastLine(text string) string {
	text = strings.TrimRight(text, " \t\r\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}
