// Package demo shows Davit at work on a machine that has nothing but Go: on an SSH host of its
// own, which is gone afterwards.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/narrate"
)

// Heading is the action of the events that begin a part of the demo.
const Heading = "heading"

// daemon is what is installed.
const daemon = "hello"

// The two releases of it.
const (
	firstVersion  = "1.0.0"
	secondVersion = "1.1.0"
)

// Run builds the example daemon from the source in dir or above it, installs it on an SSH host
// that it starts on loopback, upgrades it there and shows what that made. All it tells goes
// where ctx tells to. Whatever the outcome, nothing of it is left. Where it cannot work the error
// is an [*Error].
func Run(ctx context.Context, dir string) error {
	if runtime.GOOS == "windows" {
		return &Error{Err: errors.New("the demo's host needs /bin/sh, which is not on Windows"), Hint: "run it on Linux, on macOS or in WSL"}
	}
	b, err := newBuilder(dir)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "davit-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	s, err := startServer(tmp)
	if err != nil {
		return fmt.Errorf("start the demo's host: %w", err)
	}
	clean := sync.OnceValue(func() error {
		s.close()
		return os.RemoveAll(tmp)
	})
	defer clean()
	d := &demo{builder: b, server: s, tmp: tmp}
	ctx = narrate.WithActor(ctx, "demo")
	if err := d.run(ctx); err != nil {
		return err
	}
	d.heading(ctx, "Nothing is left of it")
	if err := clean(); err != nil {
		return err
	}
	narrate.Sayf(ctx, "removed", "🧹 Ended the host and removed %s", tmp)
	narrate.Sayf(ctx, "demo_complete", "🎉 Now on a machine of yours: davit check me@host, then davit install ./worker me@host")
	return nil
}

// demo is a demo under way.
type demo struct {
	builder  *builder
	server   *server
	tmp      string
	parts    int
	receipts []davit.Receipt
}

// run is the whole of it, as a story.
func (d *demo) run(ctx context.Context) error {
	d.heading(ctx, "A host of its own")
	narrate.Sayf(ctx, "host", "🖥️  %s: the real SSH protocol and the real /bin/sh, its home in %s", d.server.target(), d.server.home)

	d.heading(ctx, "Install %s %s", daemon, firstVersion)
	narrate.Sayf(ctx, "patience", "⏳ Go builds it first, which takes a while if it never built anything here")
	if err := d.install(ctx, firstVersion); err != nil {
		return err
	}
	d.heading(ctx, "Upgrade it to %s", secondVersion)
	if err := d.install(ctx, secondVersion); err != nil {
		return err
	}
	d.heading(ctx, "What is on the host now")
	if err := d.showLayout(ctx); err != nil {
		return err
	}
	d.heading(ctx, "The receipts")
	d.showReceipts(ctx)
	return context.Cause(ctx)
}

func (d *demo) heading(ctx context.Context, format string, args ...any) {
	d.parts++
	narrate.Sayf(ctx, Heading, "%d. %s", d.parts, fmt.Sprintf(format, args...))
}

// install builds a version, installs it and runs what was installed.
func (d *demo) install(ctx context.Context, version string) error {
	binary := filepath.Join(d.tmp, daemon)
	if err := d.builder.build(ctx, binary, version); err != nil {
		return err
	}
	h, err := ssh.New(d.server.target(), ssh.Options{ConfigFile: d.server.config})
	if err != nil {
		return err
	}
	defer h.Close()
	receipt, err := davit.Install(ctx, h, davit.InstallOptions{Binary: binary, Name: daemon})
	if err != nil {
		return err
	}
	d.receipts = append(d.receipts, receipt)
	return show(narrate.WithHost(ctx, h.Name()), h, receipt.Link, "-version")
}

// show runs a program on the host and tells what it says.
func show(ctx context.Context, h host.Host, program string, arg string) error {
	ctx = narrate.WithStep(ctx, "run")
	narrate.Sayf(ctx, "running", "🚀 %s %s", program, arg)
	p, err := h.Exec(ctx, host.Quote(program)+" "+host.Quote(arg))
	if err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	defer context.AfterFunc(ctx, func() { p.Close() })()
	defer p.Close()
	p.CloseWrite()
	if err := told(ctx, p); err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}
