package health

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// MaxOutput is how much a command that is not the user's own prints at most, in bytes.
const MaxOutput = headLimit + bodyLimit + 32<<10

// askScript is what asks on the host.
//
//go:embed ask.sh
var askScript string

// onHost is how a host that forwards no connections is asked.
type onHost struct {
	tool string // the program that the host has for it; "" if that is not known yet
	hint string // how the host would forward connections
}

// useHost has the host asked by a program of its own from now on, and tells why.
func (p *Prober) useHost(ctx context.Context, why error) {
	p.onHost = &onHost{}
	if e, ok := errors.AsType[*host.Error](why); ok {
		p.onHost.hint = e.Hint
	}
	narrate.Emit(ctx, narrate.Event{
		Action: "health_on_host", Message: "🩺 Asking with a program on the host: " + fit(ctx, why.Error()),
		Attrs: map[string]any{"target": fit(ctx, p.check.String()), "reason": fit(ctx, why.Error())},
	})
}

// onHostSeconds returns how long a program on the host may ask. It has ended when the look ends, so that it
// is the host that says what came of it.
func onHostSeconds(ctx context.Context) int {
	end, _ := ctx.Deadline() // every look has one
	return max(1, int((time.Until(end)-time.Second/2)/time.Second))
}

// askOnHost asks with a program of the host's.
func (p *Prober) askOnHost(ctx context.Context) *Error {
	mark, seconds := "davit-"+strings.ToLower(rand.Text()[:12]), onHostSeconds(ctx)
	_, output, err := p.asker.Run(ctx, p.script(mark, seconds).Text())
	if err != nil {
		if e := p.failed(ctx, err); e.Kind != ErrUnhealthy {
			return e
		}
		return &Error{Kind: ErrCannotAsk, Err: err}
	}
	r, ok := parseReply(mark, output)
	switch {
	case !ok:
		return &Error{Kind: ErrCannotAsk, Reason: "the host did not say what came of it" + quoted(ctx, output)}
	case r.tool == "none":
		return &Error{
			Kind: ErrCannotAsk, Hint: p.onHost.hint,
			Reason: "the host does not forward connections, and has none of the programs that could ask there: " + p.tools(),
		}
	}
	p.onHost.tool = r.tool
	r.seconds = seconds
	if p.url == nil {
		return p.judgeTCP(ctx, r)
	}
	return p.judgeHTTP(ctx, r)
}

func (p *Prober) tools() string {
	switch {
	case p.url == nil:
		return "bash, nc, curl"
	case p.url.Scheme == "https":
		return "curl, wget"
	}
	return "curl, wget, bash, nc"
}

// script returns what is run on the host.
func (p *Prober) script(mark string, seconds int) host.Script {
	name, port, _ := net.SplitHostPort(p.address)
	kind, url, path, authority, limit := "tcp", "", "", p.address, 1<<10
	if p.url != nil {
		kind, path, authority, limit = p.url.Scheme, p.url.RequestURI(), p.url.Host, headLimit+bodyLimit
		clean := *p.url
		clean.Fragment, clean.RawFragment = "", ""
		url = clean.String()
	}
	return host.Script{Name: "ask", Body: askScript, Vars: []host.Var{
		{Name: "kind", Value: kind},
		{Name: "url", Value: url},
		{Name: "name", Value: name},
		{Name: "port", Value: port},
		{Name: "path", Value: path},
		{Name: "authority", Value: authority},
		{Name: "seconds", Value: fmt.Sprint(seconds)},
		{Name: "limit", Value: fmt.Sprint(limit)},
		{Name: "mark", Value: mark},
		{Name: "tool", Value: p.onHost.tool},
	}}
}

// reply is what a program on the host said.
type reply struct {
	tool    string // which
	status  int    // of it
	output  []byte
	errors  string // what it said on stderr
	seconds int    // how long it could ask
}

// parseReply takes apart what the script printed. What the daemon says cannot pass for a mark, which it does
// not know.
func parseReply(mark, output string) (r reply, ok bool) {
	at := strings.LastIndex(output, "\n"+mark+" ")
	if at < 0 {
		return reply{}, false
	}
	line, errors, _ := strings.Cut(output[at+1:], "\n")
	words := strings.Fields(line)
	if len(words) != 3 {
		return reply{}, false
	}
	status, err := strconv.Atoi(words[2])
	if err != nil {
		return reply{}, false
	}
	return reply{tool: words[1], status: status, output: []byte(output[:at]), errors: errors}, true
}

// slow reports whether the program's time was over.
func (r reply) slow() bool {
	const curlTimeout, byTERM = 28, 128 + 15
	return r.status == byTERM || r.tool == "curl" && r.status == curlTimeout || strings.Contains(r.errors, "timed out")
}

// none returns why there was no answer.
func (p *Prober) none(ctx context.Context, r reply) *Error {
	const curlNoConnection = 7
	said := fit(ctx, lastLine(r.errors))
	switch {
	case refused(r.errors), r.tool == "curl" && r.status == curlNoConnection:
		return unhealthy(p.nothingListens())
	case r.slow():
		return unhealthy(fmt.Sprintf("no answer within %ds", r.seconds))
	case r.tool == "busybox" && p.url != nil && p.url.Scheme == "https": // it knows few of the ways to encrypt
		return &Error{Kind: ErrCannotAsk, Reason: "the host's wget may not be able to: " + said, Hint: "install curl on the host"}
	case said == "":
		return unhealthy("nothing answers at " + p.address)
	}
	return unhealthy(said)
}

func (p *Prober) judgeTCP(ctx context.Context, r reply) *Error {
	// curl speaks telnet until its time is over, and says when it had begun to.
	connected := r.tool == "curl" && r.slow() && strings.Trim(string(r.output), "0.") != ""
	if r.status == 0 || connected {
		return nil
	}
	return p.none(ctx, r)
}

func (p *Prober) judgeHTTP(ctx context.Context, r reply) *Error {
	var h head
	var ok bool
	a := answer{body: r.output}
	switch r.tool {
	case "wget", "busybox":
		h, ok = headAmong(r.errors)
	default:
		h, a.body, ok = cutHead(r.output)
	}
	if !ok {
		if len(bytes.TrimSpace(r.output)) > 0 && !r.slow() {
			return unhealthy("what answers does not speak HTTP" + quoted(ctx, string(r.output)))
		}
		return p.none(ctx, r)
	}
	a.status, a.location = h.status, h.location
	// This wget goes where a redirect points, and shows no body of an error.
	a.noBody = r.tool == "busybox" && h.status/100 != 2
	switch {
	case a.noBody:
		a.body = nil
	case len(r.output) < headLimit+bodyLimit && len(a.body) < bodyLimit:
		a.body, a.broke = r.whole(h, a.body)
	}
	return p.judge(ctx, a)
}

// whole returns the body of an answer, and why it is not whole.
func (r reply) whole(h head, body []byte) ([]byte, error) {
	const wgetSawError = 8
	if r.tool == "bash" || r.tool == "nc" {
		body, err := h.decode(body)
		if r.slow() && (err != nil || !h.ends()) {
			err = fmt.Errorf("no end within %ds", r.seconds)
		}
		return body, err
	}
	switch {
	case r.slow():
		return body, fmt.Errorf("no end within %ds", r.seconds)
	case r.status == 0 || r.tool == "wget" && r.status == wgetSawError:
		return body, nil
	}
	return body, errors.New(lastLine(r.errors))
}

// head is what counts of the head of an answer.
type head struct {
	status   int
	location string
	length   int // of the body; -1 if that is not said
	chunked  bool
}

// ends reports whether the end of the body shows, without that of the connection.
func (h head) ends() bool { return h.chunked || h.length >= 0 }

// decode returns a body that came as it was sent, and why it is not whole.
func (h head) decode(body []byte) ([]byte, error) {
	switch {
	case h.chunked:
		return readChunks(body)
	case h.length > len(body):
		return body, io.ErrUnexpectedEOF
	}
	return body, nil
}

func readChunks(body []byte) ([]byte, error) {
	return io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
}

// begin starts a head with its first line: "HTTP/1.1 200 OK".
func begin(line string) (head, bool) {
	words := strings.Fields(line)
	if len(words) < 2 || !strings.HasPrefix(words[0], "HTTP/") || len(words[1]) != 3 {
		return head{}, false
	}
	status, err := strconv.Atoi(words[1])
	return head{status: status, length: -1}, err == nil && status >= 100
}

// add takes a further line of a head.
func (h *head) add(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "location":
		h.location = value
	case "content-length":
		if n, err := strconv.Atoi(value); err == nil && n >= 0 {
			h.length = n
		}
	case "transfer-encoding":
		h.chunked = strings.EqualFold(value, "chunked")
	}
}

// final reports whether what follows the head is the answer, not another head.
func (h head) final() bool { return h.status >= 200 }

// cutHead returns the head of an answer and the body.
func cutHead(data []byte) (head, []byte, bool) {
	for {
		line, rest, found := bytes.Cut(data, []byte("\n"))
		h, ok := begin(string(line))
		for ok && found {
			line, rest, found = bytes.Cut(rest, []byte("\n"))
			if len(bytes.TrimSpace(line)) == 0 {
				break
			}
			h.add(string(line))
		}
		if !ok || !found {
			return head{}, nil, false
		}
		if h.final() {
			return h, rest, true
		}
		data = rest
	}
}

// headAmong returns the first head of an answer among lines that may be of something else.
func headAmong(lines string) (h head, ok bool) {
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		switch next, first := begin(line); {
		case first && h.final():
			return h, true
		case first:
			h = next
		case h.final():
			h.add(line)
		}
	}
	return h, h.final()
}
