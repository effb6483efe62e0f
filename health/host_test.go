package health_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// far asks a host that is reached over SSH. Its commands run as a program of their own.
type far struct{ host.Host }

// asker returns h as one that can be asked.
func asker(t testing.TB, h *testhost.Host) far {
	t.Helper()
	conn, err := ssh.New(h.Target(), ssh.Options{
		ConfigFile: os.DevNull, Identities: []string{h.IdentityFile}, KnownHostsFiles: []string{h.KnownHosts},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return far{conn}
}

// Run implements health.Asker.
func (f far) Run(ctx context.Context, command string) (status int, output string, err error) {
	p, err := f.Exec(ctx, "exec /bin/sh -c "+host.Quote(command))
	if err != nil {
		return 0, "", err
	}
	defer p.Close()
	defer context.AfterFunc(ctx, func() { p.Close() })()
	if err := p.CloseWrite(); err != nil {
		return 0, "", err
	}
	var stderr []byte
	var both sync.WaitGroup
	both.Go(func() { stderr, _ = io.ReadAll(p.Stderr()) })
	stdout, _ := io.ReadAll(p.Stdout())
	both.Wait()
	err = p.Wait()
	if ctx.Err() != nil {
		return 0, "", context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*host.ExitError](err); ok {
		status, err = exit.Code, nil
		if exit.Signal != "" {
			status = 128 + 9
		}
	}
	if len(stdout) > health.MaxOutput {
		err = fmt.Errorf("%d bytes of output", len(stdout))
	}
	return status, string(stdout) + string(stderr), err
}

// told returns a context that tells to a recorder only.
func told(t testing.TB) (context.Context, *narrate.Recorder) {
	rec := &narrate.Recorder{}
	t.Cleanup(func() {
		for _, e := range rec.Events() {
			if t.Failed() {
				t.Log(narrate.Line(e))
			}
		}
	})
	return narrate.WithNarrator(t.Context(), narrate.New(rec)), rec
}

// prober returns the prober of a check, closed with the test.
func prober(t testing.TB, c health.Check, a health.Asker) *health.Prober {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	p := health.New(c, a)
	t.Cleanup(p.Close)
	return p
}

// daemon is a listener that answers each connection with answer, until the test ends.
type daemon struct {
	Addr  string
	mu    sync.Mutex
	conns []net.Conn
}

// serve starts a daemon on the loopback interface, which all hosts of the tests share.
func serve(t testing.TB, answer func(net.Conn)) *daemon {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, ln, answer)
}

func serveOn(t testing.TB, ln net.Listener, answer func(net.Conn)) *daemon {
	d := &daemon{Addr: ln.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.conns = append(d.conns, conn)
			d.mu.Unlock()
			all.Go(func() {
				defer conn.Close()
				answer(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		d.mu.Lock()
		for _, conn := range d.conns {
			conn.Close()
		}
		d.mu.Unlock()
		all.Wait()
	})
	return d
}

// accepted returns how many connections were made to d.
func (d *daemon) accepted() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

func (d *daemon) url() string { return "http://" + d.Addr + "/healthz" }

// unhealthy fails the test unless err says that, with these words.
func unhealthy(t testing.TB, err error, words ...string) {
	t.Helper()
	is(t, err, health.ErrUnhealthy, words...)
	for _, other := range []error{host.ErrUnreachable, host.ErrConfig, host.ErrLost, health.ErrCannotAsk, context.DeadlineExceeded} {
		if errors.Is(err, other) {
			t.Errorf("%v is %v, too", err, other)
		}
	}
}

// is fails the test unless err is of that kind, on one line, with these words.
func is(t testing.TB, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	if _, ok := errors.AsType[*health.Error](err); !ok {
		t.Errorf("%T is not an *Error", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in: %v", word, err)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\x00") {
		t.Errorf("more than a line: %q", err)
	}
}
