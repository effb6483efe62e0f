package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/narrate"
)

// Output is an executable that was built, or found.
type Output struct {
	File    *artifact.File
	Tool    string  // what made it: go, cargo, cargo zigbuild, cross, command; prebuilt if nothing did
	Cached  bool    // the tool found nothing to do
	Seconds float64 // what it took
}

// Builder makes a daemon's executable, once for each platform, however many hosts want it. It is safe
// for use by several goroutines at once.
type Builder struct {
	recipe Recipe
	maker  maker
	chosen string // how the maker was found, a sentence; "" if the recipe says it

	mu      sync.Mutex
	runs    map[string]*run // by key of the maker
	dir     string          // for what is made; "" until something is
	closed  bool
	working sync.WaitGroup // the runs under way
}

// maker is one way to make an executable.
type maker interface {
	// key returns a name for what the maker depends on: of two platforms with the same key one
	// executable serves both. It refuses what cannot be built for.
	key(p artifact.Platform) (string, error)
	// command is what is done, for people.
	command(p artifact.Platform) string
	// make makes the executable, in dir unless it has a place of its own.
	make(ctx context.Context, p artifact.Platform, dir string) (made, error)
}

// made is what a maker made.
type made struct {
	path   string
	tool   string
	cached bool
}

// run is a build under way, or its result.
type run struct {
	done    chan struct{} // closed when output and err are set
	output  Output
	err     error
	waiters int
	left    bool // nobody waits any more: it is being ended
	cancel  context.CancelCauseFunc
}

// New looks at the source and returns what builds it. It refuses, with an [*Error], what cannot be built
// for any host. The caller must call Close.
func New(ctx context.Context, r Recipe) (*Builder, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(r.Dir)
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(dir); err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", dir)
		}
	}
	if err != nil {
		return nil, refuse(ErrRecipe, "", "the source of %s: %w", r.Name, err)
	}
	r.Dir = dir
	b := &Builder{recipe: r, runs: map[string]*run{}}
	switch {
	case r.Go != nil:
		b.maker, b.chosen, err = newGo(ctx, r, *r.Go)
	case r.Cargo != nil:
		b.maker, b.chosen, err = newCargo(ctx, r, *r.Cargo)
	case r.Command != nil:
		b.maker, err = newCommand(r, *r.Command)
	case r.Prebuilt != "":
		b.maker, err = newPrebuilt(r)
	default:
		b.maker, b.chosen, err = choose(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Name returns the name of the daemon.
func (b *Builder) Name() string { return b.recipe.Name }

// Command returns what is run for a platform, for people.
func (b *Builder) Command(p artifact.Platform) string { return b.maker.command(p) }

// Chosen says how it was found out what to build, in a sentence; "" if the recipe says that.
func (b *Builder) Chosen() string { return b.chosen }

// errClosed ends the builds that are under way at Close.
var errClosed = errors.New("the builder was closed")

// closeWait is how long Close waits for the processes of builds: more than it takes to end them.
const closeWait = 2*narrate.DefaultGrace + time.Second

// Close ends the builds that are under way, waits for the end of their processes, and removes what was
// made. Whoever waits for a build, or asks for one from now on, gets an error.
func (b *Builder) Close() error {
	b.mu.Lock()
	b.closed = true
	for _, r := range b.runs {
		r.cancel(errClosed)
	}
	b.mu.Unlock()
	ended := make(chan struct{})
	go func() { defer close(ended); b.working.Wait() }()
	select {
	case <-ended:
	case <-time.After(closeWait): // a sink that stalls must not keep the caller
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}

// Build returns the executable for hosts of platform p. The first caller for a platform starts the build, which is
// told in its context; others wait for the same. The build goes on as long as somebody waits: when the context of
// the last one ends, so does the whole process group of the build, and the error wraps the cause. Every other
// error is an [*Error] or, for a file that nobody built here, of package artifact. A build that failed is not
// tried again; one that was ended is.
func (b *Builder) Build(ctx context.Context, p artifact.Platform) (Output, error) {
	if p.OS == "" || p.Arch == "" {
		return Output{}, refuse(ErrRecipe, "build it yourself, and name the file with --binary",
			"the host does not say for which platform to build: it is %s", p)
	}
	if ctx.Err() != nil {
		return Output{}, context.Cause(ctx)
	}
	key, err := b.maker.key(p)
	if err != nil {
		return Output{}, err
	}
	r, joined, err := b.join(ctx, key, p)
	if err != nil {
		return Output{}, err
	}
	if joined && !r.over() {
		narrate.Sayf(ctx, "build_wait", "⏳ Waiting for the build for %s", p)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if b.leave(r, context.Cause(ctx)) {
			<-r.done // its processes are being ended
		}
		return Output{}, context.Cause(ctx)
	}
	if r.err != nil {
		return Output{}, r.err
	}
	// Hosts of the same key may differ in what the key does not say: the version of their C library.
	if err := r.output.File.Fits(p); err != nil {
		return Output{}, unusable(r.output.Tool, err)
	}
	return r.output, nil
}

// over reports whether a run has ended.
func (r *run) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// join returns the run of that key, which it starts if there is none; joined is that there was one.
func (b *Builder) join(ctx context.Context, key string, p artifact.Platform) (r *run, joined bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, false, refuse(ErrFailed, "", "build %s: %w", b.recipe.Name, errClosed)
	}
	before := b.runs[key]
	if before != nil && !before.left {
		before.waiters++
		return before, true, nil
	}
	work, cancel := context.WithCancelCause(withGrace(context.WithoutCancel(ctx), graceOf(ctx)))
	r = &run{done: make(chan struct{}), waiters: 1, cancel: cancel}
	b.runs[key] = r
	b.working.Go(func() {
		defer close(r.done)
		defer cancel(nil)
		if before != nil {
			<-before.done // two at once would write the same files
		}
		r.output, r.err = b.attempt(work, p)
	})
	return r, false, nil
}

// leave says that one who waited does so no more, and reports whether it was the last: then the run
// is ended, and is none that others could join.
func (b *Builder) leave(r *run, cause error) (last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.waiters--; r.waiters > 0 || r.over() {
		return false
	}
	r.left = true
	r.cancel(cause)
	return true
}

// attempt builds in a fresh directory, and leaves none behind that is of no use.
func (b *Builder) attempt(ctx context.Context, p artifact.Platform) (Output, error) {
	dir, err := b.freshDir()
	if err != nil && !errors.Is(err, errClosed) {
		return Output{}, refuse(ErrOutput, "", "make a directory for the executable: %w", err)
	}
	var o Output
	if err = cmp.Or(err, context.Cause(ctx)); err == nil {
		o, err = b.build(ctx, p, dir)
	}
	if err == nil {
		return o, nil
	}
	os.RemoveAll(dir)
	if _, told := errors.AsType[*Error](err); !told && errors.Is(err, errClosed) {
		err = refuse(ErrFailed, "", "build %s: %w", b.recipe.Name, errClosed)
	}
	return Output{}, err
}

// freshDir makes a directory with an absolute path, for commands run elsewhere.
func (b *Builder) freshDir() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return "", errClosed
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "davit-build-")
		if err != nil {
			return "", err
		}
		if b.dir, err = filepath.Abs(dir); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(b.dir, "")
}

// build builds, and tells it.
func (b *Builder) build(ctx context.Context, p artifact.Platform, dir string) (Output, error) {
	if b.chosen != "" {
		narrate.Sayf(ctx, "build_choice", "🧭 %s", b.chosen)
	}
	command, verb := b.maker.command(p), "Building"
	if _, found := b.maker.(*prebuilt); found {
		verb = "Looking for"
	}
	narrate.Emit(ctx, narrate.Event{
		Action: "building", Message: fmt.Sprintf("🔨 %s %s for %s: %s", verb, b.recipe.Name, p, command),
		Attrs: map[string]any{"platform": p.String(), "command": command},
	})
	began := time.Now()
	m, err := b.maker.make(ctx, p, dir)
	if err != nil {
		return Output{}, err
	}
	file, err := artifact.Open(m.path)
	if err != nil {
		return Output{}, unusable(m.tool, err)
	}
	took := time.Since(began).Round(time.Millisecond)
	o := Output{File: file, Tool: m.tool, Cached: m.cached, Seconds: took.Seconds()}
	if file.Fits(p) != nil {
		return o, nil // it serves another host at best, and the one that asked is told why it does not serve it
	}
	narrate.Emit(ctx, narrate.Event{
		Action: "build_complete", Message: "✅ " + b.closing(o, took),
		Attrs: map[string]any{"platform": p.String(), "bytes": file.Size, "seconds": o.Seconds, "cached": o.Cached, "tool": o.Tool},
	})
	return o, nil
}

func (b *Builder) closing(o Output, took time.Duration) string {
	size := narrate.Bytes(o.File.Size)
	switch {
	case o.Tool == prebuiltTool:
		return fmt.Sprintf("Found %s (%s, %s): %s", b.recipe.Name, size, o.File.Needs, o.File.Path)
	case o.Cached:
		return fmt.Sprintf("%s is built already (%s, %s), in %v", b.recipe.Name, size, o.File.Needs, took)
	}
	return fmt.Sprintf("Built %s (%s, %s) in %v", b.recipe.Name, size, o.File.Needs, took)
}

// unusable returns the error of a file that was made, or found, and is of no use.
func unusable(tool string, err error) error {
	if tool == prebuiltTool {
		return err
	}
	made := tool
	if tool == commandTool {
		made = "the command"
	}
	e := &Error{Kind: ErrOutput, Err: fmt.Errorf("%s succeeded, but: %w", made, err)}
	if mismatch, ok := errors.AsType[*artifact.MismatchError](err); ok {
		e.Hint = mismatch.Hint
		if tool == commandTool {
			e.Hint = "have the command build for $DAVIT_OS/$DAVIT_ARCH (and $DAVIT_LIBC)"
		}
	} else if bad, ok := errors.AsType[*artifact.Error](err); ok {
		e.Hint = bad.Hint
	}
	return e
}
