package health_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/narrate"

	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/internal/testhost"
)

// noForwarding is a host that makes no connections for us.
var noForwarding = testhost.WithSSHD("AllowTcpForwarding no")

// ways are hosts that are asked in different ways.
var ways = map[string][]testhost.Option{
	"through the connection": nil,
	"curl":                   {noForwarding},
	"wget":                   {noForwarding, testhost.WithPath(append(testhost.BaseTools, "wget")...)},
	"bash":                   {noForwarding, testhost.WithPath(append(testhost.BaseTools, "bash")...)},
	"nc":                     {noForwarding, testhost.WithPath(append(testhost.BaseTools, "nc")...)},
	"curl alone":             {noForwarding, testhost.WithPath(append(testhost.BaseTools, "curl")...)},
	"busybox":                {noForwarding, testhost.BusyboxSh},
}

// everyWay runs test for each of the ways to ask a host.
func everyWay(t *testing.T, test func(t *testing.T, way string, a health.Asker)) {
	t.Parallel()
	for way, options := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(way, "busybox") {
				testhost.NeedRoot(t)
			}
			test(t, way, asker(t, testhost.Start(t, options...)))
		})
	}
}

func TestEveryWayComesToTheSameJudgement(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("hello " + r.RequestURI + " from " + r.UserAgent()))
	}))
	t.Cleanup(web.Close)
	secure := httptest.NewTLSServer(web.Config.Handler)
	t.Cleanup(secure.Close)
	everyWay(t, func(t *testing.T, way string, a health.Asker) {
		ok := serve(t, answers(page("200 OK", "ready\r\nsteady\n")))
		early := serve(t, answers("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"+page("200 OK", "ready")))
		chunks := serve(t, answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nre\r\n3\r\nady\r\n0\r\n\r\n"))
		down := serve(t, answers(page("503 Service Unavailable", "warming\n\x1b[2J up")))
		moved := serve(t, answers(page("302 Found", "over there", "Location: "+ok.url())))
		short := serve(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"+brokenOff))
		rude := serve(t, func(conn net.Conn) { conn.Read(make([]byte, 1)) })
		other := serve(t, func(conn net.Conn) { io.WriteString(conn, "220 mail ESMTP\r\n"); io.Copy(io.Discard, conn) })
		refused := testhost.Refused(t)
		for name, c := range map[string]struct {
			check health.Check
			words []string // of the reason; nil is healthy
		}{
			"status":           {health.Check{HTTP: ok.url()}, nil},
			"body":             {health.Check{HTTP: ok.url(), Match: "ready\r\nst"}, nil},
			"query":            {health.Check{HTTP: web.URL + "/a?b=it's&c=$HOME#d", Match: "hello /a?b=it's&c=$HOME from davit"}, nil},
			"no path":          {health.Check{HTTP: web.URL, Match: "hello / from"}, nil},
			"early hints":      {health.Check{HTTP: early.url(), Match: "ready"}, nil},
			"chunks":           {health.Check{HTTP: chunks.url(), Match: "ready"}, nil},
			"wrong body":       {health.Check{HTTP: ok.url(), Match: "go"}, []string{`status 200, but "go" is not in the body: "ready steady"`}},
			"wrong status":     {health.Check{HTTP: down.url()}, []string{`status 503, want 2xx`, `: "warming ␛[2J up"`}},
			"status asked for": {health.Check{HTTP: down.url(), Status: 503}, nil},
			"not that status":  {health.Check{HTTP: ok.url(), Status: 204}, []string{`status 200, want 204`}},
			"redirect":         {health.Check{HTTP: moved.url()}, []string{"status 302, want 2xx: it redirects to " + ok.url()}},
			"redirect wanted":  {health.Check{HTTP: moved.url(), Status: 302}, nil},
			"broke off":        {health.Check{HTTP: short.url()}, []string{"status 200, but the body broke off after 5 bytes"}},
			"no answer":        {health.Check{HTTP: rude.url()}, []string{""}},
			"not HTTP":         {health.Check{HTTP: other.url()}, []string{""}},
			"refused":          {health.Check{HTTP: "http://" + refused + "/"}, []string{"nothing ", " at " + refused}},
			"HTTPS":            {health.Check{HTTP: secure.URL + "/x", Match: "hello /x from davit"}, nil},
			"TCP":              {health.Check{TCP: other.Addr}, nil},
			"TCP refused":      {health.Check{TCP: refused}, []string{refused}},
		} {
			t.Run(name, func(t *testing.T) {
				ctx, rec := told(t)
				err := prober(t, c.check, a).Once(ctx)
				told := slices.ContainsFunc(rec.Events(), func(e narrate.Event) bool { return e.Action == "health_on_host" })
				if through := way == "through the connection"; told == through {
					t.Errorf("it is told that the host is asked: %v", told)
				}
				switch {
				case way == "busybox" && name == "early hints": // its wget takes them for the answer
				case strings.HasPrefix(c.check.HTTP, "https") && (way == "bash" || way == "nc"):
					is(t, err, health.ErrCannotAsk, "none of the programs", "curl, wget")
				case c.check.TCP != "" && way == "wget":
					is(t, err, health.ErrCannotAsk, "none of the programs", "bash, nc, curl")
				case strings.HasPrefix(c.check.HTTP, "https") && way == "busybox" && err != nil: // it depends on the build
					is(t, err, health.ErrCannotAsk, "the host's wget")
				case c.words == nil && err != nil:
					t.Error(err)
				case c.words != nil:
					words := c.words
					if way == "busybox" { // it shows no body of an error
						words = words[:1]
					}
					unhealthy(t, err, words...)
				}
			})
		}
	})
}

func TestAHostThatHasNothingToAskWith(t *testing.T) {
	t.Parallel()
	a := asker(t, testhost.Start(t, noForwarding, testhost.WithPath(testhost.BaseTools...)))
	for _, c := range []health.Check{{HTTP: "http://127.0.0.1:1/"}, {HTTP: "https://[::1]:1/"}, {TCP: "localhost:1"}} {
		ctx, rec := told(t)
		attempts, err := prober(t, c, a).Wait(ctx)
		is(t, err, health.ErrCannotAsk, c.String(), "does not forward connections", "none of the programs")
		if e, _ := errors.AsType[*health.Error](err); errors.Is(err, health.ErrUnhealthy) || attempts != 1 || !strings.Contains(e.Hint, "AllowTcpForwarding") {
			t.Errorf("%d attempts, %#v", attempts, e)
		}
		if n := len(rec.Events()); n != 2 {
			t.Errorf("%d events", n)
		}
	}
}

// What hangs, or has no end, is ended on the host, by the host.
func TestOnTheHostEachLookIsBounded(t *testing.T) {
	everyWay(t, func(t *testing.T, way string, a health.Asker) {
		hangs := serve(t, silent)
		body := serve(t, endless("HTTP/1.1 200 OK\r\n\r\nready", "more of it\n"))
		head := serve(t, endless("HTTP/1.1 200 OK\r\n", "X: Y\r\n"))
		ctx, _ := told(t)
		var words []string
		if way != "nc" { // which says nothing, and on a busy machine no more is known than that
			words = []string{"no answer within "}
		}
		unhealthy(t, prober(t, health.Check{HTTP: hangs.url()}, a).Once(ctx), words...)
		if err := prober(t, health.Check{HTTP: body.url(), Match: "ready"}, a).Once(ctx); err != nil {
			t.Error(err)
		}
		unhealthy(t, prober(t, health.Check{HTTP: body.url(), Match: "steady"}, a).Once(ctx), `"steady" is not in the body: "ready`)
		unhealthy(t, prober(t, health.Check{HTTP: head.url()}, a).Once(ctx))
	})
}
