// Package world is what the tests of the ways to a host have in common.
package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// Patience is how long a call may take before the test fails for it. Only a failing test pays.
const Patience = 30 * time.Second

// Told returns a context that ends with Patience, and what is told in it.
func Told(t *testing.T) (context.Context, *narrate.Recorder) {
	t.Helper()
	rec := &narrate.Recorder{}
	ctx, cancel := context.WithTimeoutCause(t.Context(), Patience, errors.New("the host hangs"))
	t.Cleanup(cancel)
	return narrate.WithNarrator(ctx, narrate.New(rec)), rec
}

// Write writes a file in a folder of its own and returns its path.
func Write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Read returns what is in the file.
func Read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Runs fails the test unless the host runs a command, and returns what it says.
func Runs(t *testing.T, h host.Host, command string) string {
	t.Helper()
	ctx, _ := Told(t)
	p, err := h.Exec(ctx, command)
	if err != nil {
		t.Fatalf("exec: %v", err)
	}
	defer p.Close()
	go io.Copy(io.Discard, p.Stderr())
	out, err := io.ReadAll(p.Stdout())
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("wait: %v", err)
	}
	return string(out)
}

// Fails fails the test unless err is of the kind, names the host and says all of words.
func Fails(t *testing.T, err, kind error, name string, words ...string) *host.Error {
	t.Helper()
	e, ok := errors.AsType[*host.Error](err)
	if !ok || !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	if e.Host != name {
		t.Errorf("the error is about %q, want %q", e.Host, name)
	}
	for _, word := range words {
		if !strings.Contains(err.Error()+"\n"+e.Hint, word) {
			t.Errorf("got %q, hint %q; want %q in it", err, e.Hint, word)
		}
	}
	return e
}

// Connect connects to h and returns the error.
func Connect(t *testing.T, h host.Host) error {
	t.Helper()
	ctx, _ := Told(t)
	return h.Connect(ctx)
}

// badJumps are refused, each for a part of it and a reason that its error has.
var badJumps = map[string][2]string{
	",":                     {`""`, "between the commas"},
	"a,":                    {`""`, "between the commas"},
	"a,,b":                  {`""`, "between the commas"},
	" ":                     {`" "`, "space"},
	"a, b":                  {`" b"`, "space"},
	"a,none":                {`"none"`, "stands alone"},
	"a,@b":                  {`"@b"`, "before the @"},
	"a,b:ssh,c":             {`"b:ssh"`, "port"},
	"a:0":                   {`"a:0"`, "port"},
	"a:65536":               {`"a:65536"`, "port"},
	"-oProxyCommand=id":     {`"-oProxyCommand=id"`, "dash"},
	"a,-oProxyCommand=id@b": {`"-oProxyCommand=id@b"`, "dash"},
	"a,$(id)":               {`"$(id)"`, "syntax"},
	"me;id@a":               {`"me;id@a"`, "syntax"},
	"http://a":              {`"http://a"`, "port"},
	"ssh://a/path":          {`"ssh://a/path"`, "no host's name"},
	"%h":                    {`"%h"`, "no host's name"},
	"[a]:22":                {`"[a]:22"`, "brackets"},
	"a\x1b":                 {`"a\x1b"`, "unprintable"},
	"a,ssh://me@last:22":    {`"ssh://me@last:22"`, "the host itself"},
}

// RefusesJumps fails the test unless open refuses bad jump hosts on the way to me@last:22.
func RefusesJumps(t *testing.T, open func(jump string) error) {
	t.Helper()
	for jump, words := range badJumps {
		e := Fails(t, open(jump), host.ErrConfig, "me@last:22", words[0], words[1], "is not a jump host")
		if strings.ContainsAny(e.Error(), "\n\x00\x1b") || e.Hint == "" {
			t.Errorf("%q: got %q, hint %q", jump, e, e.Hint)
		}
	}
	for _, jump := range []string{"", "none", "a", "me@a:22,b", "ssh://me@a:22/,[::1]:22", "::1", "other@last:22"} {
		if err := open(jump); err != nil {
			t.Errorf("%q: %v", jump, err)
		}
	}
}

// NoSecret fails the test if err, or what it wraps, has the secret in it.
func NoSecret(t *testing.T, err error, secret string) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
			t.Errorf("the error has the secret: %#v", err)
		}
	}
}

// ListenUnix serves a socket until the test ends and returns its path.
func ListenUnix(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dv") // short: a path to a socket has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go Serve(ln, serve)
	return ln.Addr().String()
}

// Serve serves the connections that come to ln, each by itself, until ln is closed.
func Serve(ln net.Listener, serve func(net.Conn)) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

// Echo starts a command on the host that says again what it hears, and returns when it has.
func Echo(t *testing.T, h host.Host) host.Process {
	t.Helper()
	ctx, _ := Told(t)
	p, err := h.Exec(ctx, "exec cat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if _, err := io.WriteString(p, "up\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p.Stdout(), make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	return p
}

// IsLost fails the test unless the process and the host know that the connection is lost.
func IsLost(t *testing.T, h host.Host, p host.Process, words ...string) {
	t.Helper()
	io.Copy(io.Discard, p.Stdout())
	io.Copy(io.Discard, p.Stderr())
	Fails(t, p.Wait(), host.ErrLost, h.Name(), words...)
	_, err := p.Write(make([]byte, 1))
	for err == nil {
		_, err = p.Write(make([]byte, 1))
	}
	ctx, _ := Told(t)
	for !errors.Is(h.Connect(ctx), host.ErrLost) {
		if ctx.Err() != nil {
			t.Fatal("the host does not know")
		}
		time.Sleep(time.Millisecond)
	}
	_, err = h.Exec(ctx, "true")
	Fails(t, err, host.ErrLost, h.Name(), words...)
	_, err = h.Dial(ctx, "tcp", "127.0.0.1:1")
	Fails(t, err, host.ErrLost, h.Name(), words...)
}

// EndsUnheard fails the test unless calls to a host that has stalled end with their context, and the
// process and the host with their Close.
func EndsUnheard(t *testing.T, h host.Host, p host.Process) {
	t.Helper()
	why := errors.New("the time is over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, why)
	defer cancel()
	if _, err := h.Exec(ctx, "true"); !errors.Is(err, why) {
		t.Errorf("exec: got %v, want it to wrap the cause", err)
	}
	if _, err := h.Dial(ctx, "tcp", "127.0.0.1:1"); !errors.Is(err, why) {
		t.Errorf("dial: got %v, want it to wrap the cause", err)
	}
	write := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = p.Write(make([]byte, 1<<20))
		}
		write <- err
	}()
	p.Close()
	<-write
	h.Close()
}
