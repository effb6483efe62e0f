package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/davit-sh/davit/host"
)

const (
	bodyLimit = 64 << 10
	headLimit = 64 << 10
	agent     = "davit"
)

// newTransport returns the way for HTTP to the daemon: one connection, which stays for the next look.
func (p *Prober) newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            p.dial,
		DialTLSContext:         p.dialTLS,
		MaxConnsPerHost:        1,
		MaxResponseHeaderBytes: headLimit,
		DisableCompression:     true,
	}
}

// lookKey is the key of a look's context in itself. A transport dials with a context that has the values of
// the look's, but does not end with it, and would go on after it.
type lookKey struct{}

func (p *Prober) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if look, ok := ctx.Value(lookKey{}).(context.Context); ok {
		ctx = look
	}
	return p.asker.Dial(ctx, network, address)
}

func (p *Prober) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	if look, ok := ctx.Value(lookKey{}).(context.Context); ok {
		ctx = look
	}
	conn, err := p.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, &tls.Config{ServerName: p.url.Hostname(), InsecureSkipVerify: true}) // see Check.HTTP
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// askHTTP asks through the connection. It fails if there was no answer.
func (p *Prober) askHTTP(ctx context.Context) (unhealthy *Error, failed error) {
	req, err := http.NewRequestWithContext(context.WithValue(ctx, lookKey{}, ctx), http.MethodGet, p.check.HTTP, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", agent)
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return nil, p.why(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	if err != nil {
		if err = p.why(ctx, err); errors.Is(err, host.ErrLost) {
			return nil, err
		}
	}
	return p.judge(ctx, answer{status: resp.StatusCode, location: resp.Header.Get("Location"), body: body, broke: err}), nil
}

// why returns what broke an HTTP exchange off. A connection that a host made ends in the same way when the
// daemon ends it and when the host is lost: another one is tried to tell them apart.
func (p *Prober) why(ctx context.Context, err error) error {
	if _, known := errors.AsType[*host.Error](err); known || ctx.Err() != nil {
		return err
	}
	if lost := p.askTCP(ctx); errors.Is(lost, host.ErrLost) {
		return lost
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the connection was closed before the end of the answer")
	}
	return err
}

// answer is one to an HTTP request, wherever it was asked.
type answer struct {
	status   int
	location string
	body     []byte // at most bodyLimit of it
	noBody   bool   // who asked does not show it
	broke    error  // the body is not whole; nil if it is, or longer than bodyLimit
}

// judge returns why an answer is not a healthy daemon's, nil if it is.
func (p *Prober) judge(ctx context.Context, a answer) *Error {
	c, body := p.check, a.body[:min(len(a.body), bodyLimit)]
	asked, want := a.status/100 == 2, "2xx"
	if c.Status != 0 {
		asked, want = a.status == c.Status, fmt.Sprint(c.Status)
	}
	said := fmt.Sprintf("status %d", a.status)
	switch {
	case !asked && a.location != "":
		return unhealthy(fmt.Sprintf("%s, want %s: it redirects to %s", said, want, fit(ctx, a.location)))
	case !asked:
		return unhealthy(said + ", want " + want + quoted(ctx, string(body)))
	case a.broke != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errSlow):
		return &Error{}
	case a.broke != nil && ctx.Err() != nil:
		return unhealthy(fmt.Sprintf("%s, but the body does not end within %v", said, LookTimeout))
	case a.broke != nil:
		return unhealthy(fmt.Sprintf("%s, but the body broke off after %d bytes: %s", said, len(body), fit(ctx, a.broke.Error())))
	case a.noBody && c.Match != "":
		return &Error{Kind: ErrCannotAsk, Reason: "the host's wget does not show the body of an answer with " + said, Hint: "install curl on the host"}
	case !bytes.Contains(body, []byte(c.Match)):
		return unhealthy(fmt.Sprintf("%s, but %q is not in the body", said, fit(ctx, c.Match)) + quoted(ctx, string(body)))
	}
	return nil
}
