package health_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/internal/testhost"
)

// answers returns a daemon's answer to each request that comes over a connection.
func answers(text string) func(net.Conn) {
	return func(conn net.Conn) {
		for in := bufio.NewReader(conn); ; {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
			if req.Close || !strings.Contains(text, "\r\nContent-Length: ") || strings.HasSuffix(text, brokenOff) {
				return
			}
		}
	}
}

// brokenOff ends an answer that lacks the rest of what its length says.
const brokenOff = "begun"

// page returns an answer with a body.
func page(status, body string, headers ...string) string {
	head := "HTTP/1.1 " + status + "\r\n"
	for _, h := range headers {
		head += h + "\r\n"
	}
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
}

// endless answers with start and then without end.
func endless(start, more string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		_, err := io.WriteString(conn, start)
		for more = strings.Repeat(more, 100); err == nil; {
			_, err = io.WriteString(conn, more)
		}
	}
}

// silent takes a connection and never answers.
func silent(conn net.Conn) { io.Copy(io.Discard, conn) }

func TestTwentyLooksAreOneConnection(t *testing.T) {
	t.Parallel()
	a := asker(t, testhost.Start(t))
	d := serve(t, answers(page("503 Service Unavailable", "warming up")))
	ctx, _ := told(t)
	p := prober(t, health.Check{HTTP: d.url(), Interval: time.Millisecond}, a)
	for range 20 {
		unhealthy(t, p.Once(ctx), "GET "+d.url()+`: status 503, want 2xx: "warming up"`)
	}
	if n := d.accepted(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestAnEndlessHeadIsBounded(t *testing.T) {
	t.Parallel()
	a := asker(t, testhost.Start(t))
	ctx, _ := told(t)
	head := serve(t, endless("HTTP/1.1 200 OK\r\n", "X: Y\r\n"))
	unhealthy(t, prober(t, health.Check{HTTP: head.url()}, a).Once(ctx))
}

func TestAURLThatHangsIsBounded(t *testing.T) {
	t.Parallel()
	a := asker(t, testhost.Start(t))
	ctx, _ := told(t)
	unhealthy(t, prober(t, health.Check{HTTP: serve(t, silent).url()}, a).Once(ctx), "no answer within 5s")
}
