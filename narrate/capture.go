package narrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultGrace is how long a cancelled command has to end by itself.
const DefaultGrace = 2 * time.Second

// defaultHeld is how long the output of a command that has ended is read on while a process
// that it left behind holds it open.
const defaultHeld = 2 * time.Second

// pipeMost is more than a pipe holds: what a child wrote before it ended is read after so much.
const pipeMost = 1 << 20

// lastWords is how much of what a cancelled command wrote is told still: who cancels it waits for that.
const lastWords = 4 << 10

// CaptureOptions are the options of [Capture]. The zero value is what most callers want.
type CaptureOptions struct {
	// Grace is the time between asking the processes of a cancelled command to end (TERM) and
	// ending them (KILL); 0 means DefaultGrace.
	Grace time.Duration

	held time.Duration // instead of defaultHeld, in tests
}

// Capture runs cmd to its end and tells its output as a [LineWriter] does, each stream in its
// order, the two as they arrive. It sets cmd's Stdout and Stderr, and runs it in a process group
// of its own; cmd comes from [exec.Command], for it is Capture that heeds ctx. A Stdin that is not
// a file must come to its end, as in [exec.Cmd.Wait].
//
// When ctx ends, so does the whole group: the command and what it started, even if the command
// itself has ended before. The error then wraps the cause of ctx. A process that outlives a
// command which ended by itself is left alone; if it holds the output open, Capture stops
// listening after two seconds and tells a warning.
//
// A command that fails gives an error that wraps [*exec.ExitError].
func Capture(ctx context.Context, cmd *exec.Cmd, o CaptureOptions) error {
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	if o.held <= 0 {
		o.held = defaultHeld
	}
	name := filepath.Base(cmd.Path)
	if ctx.Err() != nil {
		return fmt.Errorf("start %s: %w", name, context.Cause(ctx))
	}
	c, err := startChild(ctx, cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	if err := c.wait(ctx, o); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// child is a command that was started and is listened to.
type child struct {
	cmd            *exec.Cmd
	stdout, stderr *outlet
	exited         chan error    // receives what Wait returns
	told           chan struct{} // closed when all output has been told
}

func startChild(ctx context.Context, cmd *exec.Cmd) (*child, error) {
	// A missing directory would be reported as a missing command.
	if _, err := os.Stat(cmd.Dir); cmd.Dir != "" && err != nil {
		return nil, &fs.PathError{Op: "chdir", Path: cmd.Dir, Err: errors.Unwrap(err)}
	}
	stdout, err := newOutlet(ctx, "stdout")
	if err != nil {
		return nil, err
	}
	stderr, err := newOutlet(ctx, "stderr")
	if err != nil {
		stdout.close()
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = stdout.w, stderr.w
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		stdout.close()
		stderr.close()
		return nil, err
	}
	c := &child{cmd: cmd, stdout: stdout, stderr: stderr, exited: make(chan error, 1), told: make(chan struct{})}
	go func() { c.exited <- cmd.Wait() }()
	go c.tell()
	return c, nil
}

func (c *child) tell() {
	var streams sync.WaitGroup
	streams.Go(c.stdout.tell)
	streams.Go(c.stderr.tell)
	streams.Wait()
	close(c.told)
}

// wait returns when the command has ended and its output has been told, or when ctx has ended
// and the command was made to.
func (c *child) wait(ctx context.Context, o CaptureOptions) error {
	select {
	case err := <-c.exited:
		c.stopReading(o.held)
		select {
		case <-c.told:
			c.warnIfHeld(ctx)
			return err
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
	endGroup(c.cmd.Process, o.Grace)
	c.stdout.rests.Store(lastWords)
	c.stderr.rests.Store(lastWords)
	c.stopReading(0)
	<-c.told
	return context.Cause(ctx)
}

func (c *child) stopReading(after time.Duration) {
	stopReading(c.stdout.r, after)
	stopReading(c.stderr.r, after)
}

func (c *child) warnIfHeld(ctx context.Context) {
	if c.stdout.held || c.stderr.held {
		Warnf(ctx, "capture", "⚠️ %s has ended, but a process that it left behind holds its output open; what that writes is not told",
			filepath.Base(c.cmd.Path))
	}
}

// outlet is one stream of a child on its way to being told.
type outlet struct {
	r, w  *os.File // our end and the child's
	lines *LineWriter
	rests atomic.Int64 // what is told at most after reading was stopped
	held  bool         // reading was stopped before the stream ended
}

func newOutlet(ctx context.Context, stream string) (*outlet, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o := &outlet{r: r, w: w, lines: NewLineWriter(ctx, stream)}
	o.rests.Store(pipeMost)
	return o, nil
}

func (o *outlet) close() {
	o.r.Close()
	o.w.Close()
}

// tell tells the stream until it ends or stopReading stops it.
func (o *outlet) tell() {
	o.w.Close() // the child has its own; ours would keep the stream from ending
	buf := make([]byte, 32<<10)
	for {
		n, err := o.r.Read(buf)
		o.lines.Write(buf[:n])
		if err != nil {
			o.held = err != io.EOF && !o.rest(buf)
			break
		}
	}
	o.lines.Close()
	o.r.Close()
}

// rest tells what a stopped stream holds already (a slow sink may have kept us from reading it)
// and reports whether the stream ends with that.
func (o *outlet) rest(buf []byte) bool {
	for left := o.rests.Load(); left > 0; {
		n, err := readNow(o.r, buf[:min(left, int64(len(buf)))])
		o.lines.Write(buf[:n])
		if err != nil {
			return err == io.EOF
		}
		left -= int64(n)
	}
	return false
}
