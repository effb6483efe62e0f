package health_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// memory is a host in this process. It runs no commands, so that one fails that asks for it.
type memory struct {
	begin time.Time
	// dial makes a connection to a daemon, or does not, at a time since begin.
	dial func(ctx context.Context, at time.Duration) (net.Conn, error)

	mu    sync.Mutex
	dials []time.Duration
}

func newMemory(dial func(context.Context, time.Duration) (net.Conn, error)) *memory {
	return &memory{begin: time.Now(), dial: dial}
}

func (m *memory) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	at := time.Since(m.begin)
	m.mu.Lock()
	m.dials = append(m.dials, at)
	m.mu.Unlock()
	return m.dial(ctx, at)
}

func (m *memory) Run(context.Context, string) (int, string, error) {
	return 0, "", errors.New("this host runs no commands")
}

// pipe returns our end of a connection to a daemon that answers.
func pipe(answer func(net.Conn)) net.Conn {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		answer(theirs)
	}()
	return ours
}

var errRefused = &host.Error{Kind: host.ErrUnreachable, Err: errors.New("dial h:1 from the host: Connection refused")}

// never is a host on which nothing listens.
func never(context.Context, time.Duration) (net.Conn, error) { return nil, errRefused }

// hang is a host that does not say whether anything listens.
func hang(ctx context.Context, _ time.Duration) (net.Conn, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func seconds(all ...float64) (times []time.Duration) {
	for _, s := range all {
		times = append(times, time.Duration(s*float64(time.Second)).Round(time.Millisecond))
	}
	return times
}

func TestTheTimesBetweenLooks(t *testing.T) {
	for name, c := range map[string]struct {
		check health.Check
		want  []time.Duration
		words string
	}{
		"as they are": {
			health.Check{TCP: "h:1", Timeout: 10 * time.Second},
			seconds(0, 0.1, 0.3, 0.7, 1.5, 3.1, 5.1, 7.1, 9.1, 9.55, 9.775, 9.8875),
			"unhealthy after 13 attempts in 10s: connect to h:1: nothing listens at h:1 yet",
		},
		"a short interval": {
			health.Check{TCP: "h:1", Interval: 30 * time.Millisecond, Timeout: 200 * time.Millisecond},
			seconds(0, 0.03, 0.06, 0.09, 0.12),
			"unhealthy after 5 attempts in 120ms: ",
		},
		"a timeout for one look": {
			health.Check{HTTP: "http://h:1/", Timeout: 50 * time.Millisecond}, seconds(0), "unhealthy after 1 attempt in 0s: GET http://h:1/: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, rec := told(t)
				m := newMemory(never)
				attempts, err := prober(t, c.check, m).Wait(ctx)
				unhealthy(t, err, c.words)
				if len(m.dials) != attempts || !slices.EqualFunc(m.dials[:len(c.want)], c.want, func(a, b time.Duration) bool {
					return a.Round(time.Millisecond) == b.Round(time.Millisecond)
				}) {
					t.Errorf("%d looks at %v, want %v", attempts, m.dials, c.want)
				}
				waited := 0.0
				for _, e := range rec.Events() {
					if e.Action == "health_retry" {
						waited += e.Attrs["wait_seconds"].(float64)
					}
				}
				if last := m.dials[len(m.dials)-1].Seconds(); waited-last > 0.001 || last-waited > 0.001 {
					t.Errorf("told %v s of waits, they were %v s", waited, last)
				}
			})
		})
	}
}

func TestADaemonIsSeenThatServesInTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, rec := told(t)
		m := newMemory(func(ctx context.Context, at time.Duration) (net.Conn, error) {
			if at < 29800*time.Millisecond {
				return never(ctx, at)
			}
			return pipe(answers(page("200 OK", "ok"))), nil
		})
		if _, err := prober(t, health.Check{HTTP: "http://h:1/"}, m).Wait(ctx); err != nil {
			t.Error(err)
		}
		events := rec.Events()
		if last := events[len(events)-1]; last.Action != "health_success" || last.Attrs["attempts"] != len(m.dials) || last.Attrs["seconds"].(float64) < 29.8 {
			t.Errorf("%+v", last)
		}
	})
}

// Each attempt is told, and a reason once.
func TestWhatIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, rec := told(t)
		bodies := []string{"", "", "warming up", "warming up", "ok"}
		m := newMemory(func(context.Context, time.Duration) (net.Conn, error) {
			body := bodies[0]
			bodies = bodies[1:]
			if body == "" {
				return nil, errRefused
			}
			return pipe(func(conn net.Conn) {
				http.ReadRequest(bufio.NewReader(conn))
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s", body)
			}), nil
		})
		if _, err := prober(t, health.Check{HTTP: "http://h:1/", Match: "ok"}, m).Wait(ctx); err != nil {
			t.Error(err)
		}
		var lines []string
		for _, e := range rec.Events() {
			lines = append(lines, e.Message)
		}
		want := []string{
			"🩺 Waiting for the daemon to serve: GET http://h:1/ (timeout: 30s)", "⏳ Not yet: nothing listens at h:1 yet; again in 100ms",
			"🩺 Attempt 2", "⏳ Not yet: the same; again in 200ms",
			"🩺 Attempt 3", `⏳ Not yet: status 200, but "ok" is not in the body: "warming up"; again in 400ms`,
			"🩺 Attempt 4", "⏳ Not yet: the same; again in 800ms",
			"🩺 Attempt 5", "💚 Healthy after 5 attempts in 1.5s",
		}
		if !slices.Equal(lines, want) {
			t.Errorf("told\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestALookHasItsLimit(t *testing.T) {
	for name, dial := range map[string]func(context.Context, time.Duration) (net.Conn, error){
		"nothing":      hang,
		"a connection": func(context.Context, time.Duration) (net.Conn, error) { return pipe(silent), nil },
		"half a head": func(context.Context, time.Duration) (net.Conn, error) {
			return pipe(func(conn net.Conn) {
				conn.Read(make([]byte, 1)) // an answer to nothing would be no answer
				go io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
				silent(conn)
			}), nil
		},
	} {
		for _, url := range []string{"http://h:1/", "https://h:1/"} {
			t.Run(name+" "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, _ := told(t)
					m := newMemory(dial)
					p := health.New(health.Check{HTTP: url}, m)
					err := p.Once(ctx)
					if strings.HasPrefix(url, "https") && name == "half a head" {
						unhealthy(t, err, "tls: ")
					} else {
						unhealthy(t, err, "GET "+url+": no answer within 5s")
						if took := time.Since(m.begin); took != health.LookTimeout {
							t.Errorf("it took %v", took)
						}
					}
					p.Close() // and synctest sees that nothing runs any more
				})
			})
		}
	}
}

func TestTheEndOfTheContextEndsTheWait(t *testing.T) {
	why := errors.New("start daemon timed out")
	for name, c := range map[string]struct {
		dial func(context.Context, time.Duration) (net.Conn, error)
		want string
	}{
		"between looks": {never, "start daemon timed out; not healthy in 8 attempts before: GET http://h:1/: nothing listens at h:1 yet"},
		"in the first":  {hang, "start daemon timed out; not healthy in 2 attempts before: GET http://h:1/: no answer within 5s"},
		"in a later one": {func(ctx context.Context, at time.Duration) (net.Conn, error) {
			if at == 0 {
				return nil, errRefused
			}
			return hang(ctx, at)
		}, "start daemon timed out; not healthy in 3 attempts before: GET http://h:1/: no answer within 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, _ := told(t)
				ctx, cancel := context.WithTimeoutCause(ctx, 8*time.Second, why)
				defer cancel()
				m := newMemory(c.dial)
				_, err := prober(t, health.Check{HTTP: "http://h:1/"}, m).Wait(ctx)
				is(t, err, why, c.want)
				if errors.Is(err, health.ErrUnhealthy) {
					t.Error("it is not the daemon that ended it")
				}
				if took := time.Since(m.begin); took != 8*time.Second {
					t.Errorf("it took %v", took)
				}
				is(t, prober(t, health.Check{HTTP: "http://h:1/"}, newMemory(hang)).Once(ctx), why, "GET http://h:1/: ")
			})
		})
	}
}

// A look that the timeout cuts short says less than the one before.
func TestTheTimeoutKeepsTheLastReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, _ := told(t)
		m := newMemory(func(ctx context.Context, at time.Duration) (net.Conn, error) {
			if at < time.Second {
				return nil, errRefused
			}
			return hang(ctx, at)
		})
		_, err := prober(t, health.Check{TCP: "h:1", Timeout: 3 * time.Second}, m).Wait(ctx)
		unhealthy(t, err, "unhealthy after 5 attempts in 3s: connect to h:1: nothing listens at h:1 yet")
	})
}

func TestWhatIsNotTheDaemonsEndsTheWait(t *testing.T) {
	for _, kind := range []error{host.ErrLost, host.ErrAuth, host.ErrShell, host.ErrConfig} {
		synctest.Test(t, func(t *testing.T) {
			ctx, _ := told(t)
			attempts, err := prober(t, health.Check{HTTP: "http://h:1/"}, newMemory(func(context.Context, time.Duration) (net.Conn, error) {
				return nil, &host.Error{Kind: kind, Err: errors.New("trouble")}
			})).Wait(ctx)
			want := kind
			if kind == host.ErrConfig { // and then it is asked by a command
				want = health.ErrCannotAsk
			}
			is(t, err, want, "GET http://h:1/: ")
			if errors.Is(err, health.ErrUnhealthy) || attempts != 1 {
				t.Errorf("%d attempts, %v", attempts, err)
			}
		})
	}
}

func TestWhatTheDaemonSaysIsFitToBeShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, _ := told(t)
		ctx = narrate.WithSecret(ctx, "hunter2")
		body := "\x1b[2J\r\n\tfor hunter2 " + strings.Repeat("é", 400)
		p := prober(t, health.Check{HTTP: "http://h:1/"}, newMemory(func(context.Context, time.Duration) (net.Conn, error) {
			return pipe(answers(page("500 No", body))), nil
		}))
		err := p.Once(ctx)
		unhealthy(t, err, `status 500, want 2xx: "␛[2J for `+narrate.Mask+` éé`, `é…"`)
		_, text, _ := strings.Cut(err.Error(), `"`)
		if n := len(strings.TrimSuffix(text, `"`)); n > 200 || n < 195 {
			t.Errorf("%d bytes of the body", n)
		}
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	m := newMemory(func(context.Context, time.Duration) (net.Conn, error) {
		return pipe(answers(page("200 OK", "ok"))), nil
	})
	for range 10 {
		ctx, _ := told(t)
		p := health.New(health.Check{HTTP: "http://h:1/"}, m)
		for range 3 {
			if err := p.Once(ctx); err != nil {
				t.Fatal(err)
			}
		}
		p.Close()
	}
	if len(m.dials) != 10 {
		t.Errorf("%d connections of 10 probers", len(m.dials))
	}
	for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
