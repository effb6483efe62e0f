package health_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
)

func TestADaemonThatServes(t *testing.T) {
	t.Parallel()
	a := asker(t, testhost.Start(t))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/teapot" {
			w.WriteHeader(http.StatusTeapot)
		}
		fmt.Fprintf(w, "%s by %s", r.URL.Path, r.UserAgent())
	}))
	defer web.Close()
	secure := httptest.NewTLSServer(web.Config.Handler)
	defer secure.Close()
	for name, c := range map[string]health.Check{
		"HTTP":             {HTTP: web.URL},
		"with a body":      {HTTP: web.URL + "/healthz", Match: "/healthz by davit"},
		"another status":   {HTTP: web.URL + "/teapot", Status: http.StatusTeapot},
		"HTTPS":            {HTTP: secure.URL + "/x", Match: "/x by davit"},
		"TCP":              {TCP: web.Listener.Addr().String()},
		"a command":        {Command: "true"},
		"nothing to check": {},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, _ := told(t)
			if attempts, err := prober(t, c, a).Wait(ctx); attempts != 1 || err != nil {
				t.Errorf("%d, %v", attempts, err)
			}
		})
	}
}

func TestADaemonThatComesUpLater(t *testing.T) {
	t.Parallel()
	a := asker(t, testhost.Start(t))
	address := testhost.Refused(t)
	for _, c := range []health.Check{{HTTP: "http://" + address}, {TCP: address}} {
		ctx, _ := told(t)
		unhealthy(t, prober(t, c, a).Once(ctx), c.String()+": nothing listens at "+address+" yet")
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	ln.Close()
	ctx, rec := told(t)
	p := prober(t, health.Check{HTTP: "http://" + address + "/", Interval: 100 * time.Millisecond}, a)
	time.AfterFunc(500*time.Millisecond, func() {
		if ln, err := net.Listen("tcp", address); err == nil {
			serveOn(t, ln, func(conn net.Conn) {
				conn.Read(make([]byte, 1<<10))
				fmt.Fprint(conn, "HTTP/1.1 204 No Content\r\n\r\n")
			})
		}
	})
	attempts, err := p.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range rec.Events() {
		actions = append(actions, strings.TrimPrefix(e.Action, "health_"))
	}
	if want := strings.Repeat("attempt retry ", attempts-1) + "attempt success"; strings.Join(actions, " ") != want {
		t.Errorf("told %q, want %q", actions, want)
	}
}

func TestACommand(t *testing.T) {
	t.Parallel()
	a := asker(t, testhost.Start(t))
	ctx, _ := told(t)
	unhealthy(t, prober(t, health.Check{Command: "echo begun; echo 'not \x1b[1mready' >&2; exit 3"}, a).Once(ctx), "status 3: not ready")
	unhealthy(t, prober(t, health.Check{Command: "kill -9 $$"}, a).Once(ctx))
	unhealthy(t, prober(t, health.Check{Command: "/no/such/program"}, a).Once(ctx), "status 127: ", "not found")
}

func TestALostConnectionEndsTheWait(t *testing.T) {
	t.Parallel()
	for _, c := range []health.Check{{HTTP: "http://" + testhost.Refused(t)}, {TCP: testhost.Refused(t)}, {Command: "exit 1"}} {
		h := testhost.Start(t)
		link := testhost.NewLink(t, h.Addr, testhost.Link{})
		a := asker(t, h.Via(link.Addr()))
		ctx, _ := told(t)
		p := prober(t, c, a)
		unhealthy(t, p.Once(ctx))
		link.Reset()
		_, err := p.Wait(ctx)
		is(t, err, host.ErrLost, c.String(), "connection lost")
	}
}
