package davit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/build"
	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
)

// BuildOptions say what to build, for which platform, and where to put it.
type BuildOptions struct {
	// Build makes the executable. It is the caller's to close.
	Build *build.Builder
	// For is the platform to build for; if it is empty, that of the host.
	For artifact.Platform
	// Output is the path that the executable is put at, in one step; what was there is replaced.
	Output string
	// Timeout is the hard limit; DefaultInstallTimeout if 0. Less is refused.
	Timeout time.Duration
}

func (o BuildOptions) validate() error {
	switch {
	case o.Timeout < 0:
		return usage("the time limit is %v; it must be more than 0", o.Timeout)
	case o.Build == nil:
		return usage("nothing says how it is built")
	case o.Output == "":
		return usage("no path is named for the executable")
	}
	if info, err := os.Stat(o.Output); err == nil && !info.Mode().IsRegular() {
		return usage("%s is there and is not a file", o.Output)
	}
	return nil
}

// BuildFor builds the executable and puts it on this machine, for a platform or, if none is said, for that of
// h, which is looked at and not touched; else h may be nil. Every failure is an [*Error]. BuildFor does not close h.
func BuildFor(ctx context.Context, h host.Host, o BuildOptions) (Receipt, error) {
	b := &building{BuildOptions: o, host: h}
	b.receipt = Receipt{Operation: "build", Started: time.Now().UTC(), Outcome: Built}
	if h != nil {
		b.receipt.Host = h.Name()
		ctx = narrate.WithHost(ctx, h.Name())
	}
	ctx = narrate.WithActor(ctx, "build")
	err := o.validate()
	if err == nil && h == nil && o.For == (artifact.Platform{}) {
		err = usage("name a platform, or a host to build for")
	}
	if err == nil {
		b.receipt.Daemon = o.Build.Name()
		var receipt Receipt
		limit := deadline.Limit{Label: "Build daemon", After: cmp.Or(o.Timeout, DefaultInstallTimeout)}
		if receipt, err = deadline.Value(ctx, limit, b.run); err == nil {
			return receipt, nil
		}
	}
	if _, told := errors.AsType[*Error](err); !told {
		err = &Error{Operation: "build", Daemon: b.receipt.Daemon, Host: b.receipt.Host, Err: err, Hint: Hint(err)}
	}
	return Receipt{}, err
}

// building is a build under way that no install follows.
type building struct {
	BuildOptions
	host host.Host
	conversation
	receipt Receipt
}

func (b *building) run(ctx context.Context) (Receipt, error) {
	err := b.perform(ctx)
	if err == nil {
		b.receipt.Steps = b.steps.done()
		b.receipt.Seconds = seconds(time.Since(b.receipt.Started))
		return b.receipt, nil
	}
	b.stop(ctx, "abort")
	e := &Error{
		Operation: "build", Daemon: b.Build.Name(), Host: b.receipt.Host, Step: b.steps.current(), Err: err, Hint: Hint(err),
		State: b.Output + " is as it was before",
	}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Step = "" // the limit's own error names the step
	}
	return Receipt{}, e
}

func (b *building) perform(ctx context.Context) error {
	p := b.For
	if p == (artifact.Platform{}) {
		at := b.steps.begin(ctx, "connect")
		narrate.Sayf(at, "connecting", "🔌 Connecting to %s", b.host.Name())
		if err := b.host.Connect(at); err != nil {
			return err
		}
		f, err := b.look(b.steps.begin(ctx, "probe"), b.host, scripts.Place{}, User, nil)
		if err != nil {
			return err
		}
		b.talk.Close()
		p = f.platform
	}
	at := b.steps.begin(ctx, "build")
	built, err := b.Build.Build(at, p)
	if err != nil {
		return err
	}
	b.receipt.Build = &Build{Tool: built.Tool, Platform: p.String(), Cached: built.Cached, Seconds: built.Seconds}
	b.receipt.Size = built.File.Size
	if b.receipt.Release, err = built.File.Digest(at); err != nil {
		return err
	}
	if b.receipt.Path, err = filepath.Abs(b.Output); err != nil {
		return err
	}
	if err := place(at, built.File, b.receipt.Path); err != nil {
		return fmt.Errorf("write %s: %w", b.Output, err)
	}
	narrate.Emit(at, narrate.Event{
		Action: "placed", Message: fmt.Sprintf("📁 Put %s (%s, %s) at %s", b.Build.Name(), narrate.Bytes(built.File.Size), built.File.Needs, b.receipt.Path),
		Attrs: map[string]any{"path": b.receipt.Path, "release": b.receipt.Release},
	})
	return nil
}

// place puts a copy of the file at path, whole or not at all.
func place(ctx context.Context, file *artifact.File, path string) error {
	from, err := os.Open(file.Path)
	if err != nil {
		return err
	}
	defer from.Close()
	if here, err := os.Stat(path); err == nil {
		if there, err := from.Stat(); err == nil && os.SameFile(here, there) {
			return nil
		}
	}
	to, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(to.Name()) // of no effect once it is renamed
	_, err = io.Copy(to, from)
	for _, step := range []func() error{
		func() error { return to.Chmod(0o755) }, to.Close, file.Changed, func() error { return context.Cause(ctx) },
		func() error { return os.Rename(to.Name(), path) },
	} {
		if err != nil {
			break
		}
		err = step()
	}
	to.Close()
	return err
}
