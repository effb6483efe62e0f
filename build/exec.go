package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/narrate"
)

// tailLines is how many of the last lines of a failed build its error keeps.
const tailLines = 40

// tail is a sink that keeps the last lines of output.
type tail struct {
	mu    sync.Mutex
	lines []string
	first string // of all lines, the one that most likely says what is wrong
}

// Prompt implements [narrate.Prompt].
func (*tail) Prompt() {}

// Emit implements [narrate.Sink]. A line that was told as narration is one that was printed: [ERROR] Main: no such symbol.
func (t *tail) Emit(e narrate.Event) error {
	line := e.Message
	switch {
	case e.Kind == narrate.Narration && e.Level == narrate.Info:
		line = fmt.Sprintf("[%s] %s: %s", e.Actor, e.Action, e.Message)
	case e.Kind != narrate.Output: // or a warning of the capture itself
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == "" && tells(line) {
		t.first = strings.TrimSpace(line)
	}
	if t.lines = append(t.lines, line); len(t.lines) > 2*tailLines {
		t.lines = append(t.lines[:0], t.lines[len(t.lines)-tailLines:]...)
	}
	return nil
}

// telling matches the lines with which compilers say what is wrong: rustc's error and error[E0425], cc's and ld's,
// a place in a file of Go.
var telling = regexp.MustCompile(`^\s*error(\[\w+\])?:|: (fatal )?error: |: undefined reference to |\.go:\d+:`)

// tells reports whether a compiler's line looks like the one that says what is wrong.
func tells(line string) bool {
	// Few lines have one of these words, and a regular expression is dear for each of a million.
	return (strings.Contains(line, "err") || strings.Contains(line, ".go:") || strings.Contains(line, "undefined")) && telling.MatchString(line)
}

// most is the greatest length of a compiler's line in an error.
const most = 300

// said returns what the build printed: the line that counts and the last lines.
func (t *tail) said() (line string, lines []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines = slices.Clone(t.lines[max(0, len(t.lines)-tailLines):])
	line = t.first
	for i := len(lines) - 1; i >= 0 && line == ""; i-- {
		line = strings.TrimSpace(lines[i])
	}
	if runes := []rune(line); len(runes) > most {
		line = string(runes[:most]) + "…"
	}
	return line, lines
}

// execute runs a command of the build to its end and tells what it prints. what names it in errors.
func execute(ctx context.Context, what string, cmd *exec.Cmd) error {
	var printed tail
	err := narrate.Capture(narrate.WithSink(ctx, &printed), cmd, narrate.CaptureOptions{Grace: graceFrom(ctx)})
	if err == nil || ctx.Err() != nil {
		return err
	}
	exit, ran := errors.AsType[*exec.ExitError](err)
	if !ran {
		return &Error{Kind: ErrFailed, Err: err}
	}
	line, lines := printed.said()
	if line == "" {
		return &Error{Kind: ErrFailed, Err: fmt.Errorf("%s failed (%v) and said nothing", what, exit)}
	}
	return &Error{Kind: ErrFailed, Err: fmt.Errorf("%s failed (%v): %s", what, exit, line), Output: lines}
}

// environment returns our environment with that of the recipe and additions, the later ones of which win.
func environment(r Recipe, additions ...string) []string {
	env := append(os.Environ(), "PWD="+r.Dir) // ours is not where commands run
	return append(append(env, r.Env...), additions...)
}

// lookupEnv returns what a variable is in an environment.
func lookupEnv(env []string, name string) (value string, ok bool) {
	for _, v := range slices.Backward(env) {
		if value, ok = strings.CutPrefix(v, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// lookPath finds a program as a command of the recipe would.
func lookPath(r Recipe, program string) (string, error) {
	path, ok := lookupEnv(r.Env, "PATH")
	if !ok {
		return exec.LookPath(program)
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // as exec.LookPath: what lies about in a directory is not run by chance
		}
		if found, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return found, nil
		}
	}
	return "", &exec.Error{Name: program, Err: exec.ErrNotFound}
}

// needTool finds a tool, or says how to get it.
func needTool(r Recipe, tool, get string) (string, error) {
	path, err := lookPath(r, tool)
	if err != nil {
		return "", refuse(ErrTool, get, "there is no %s on this machine: %w", tool, err)
	}
	return path, nil
}

type graceKey struct{}

// graceOf returns how long the processes of a build may take to end when ctx does: half of the time that
// its limit keeps for that, so that those which do not listen are ended within it, too.
func graceOf(ctx context.Context) time.Duration {
	end, ends := ctx.Deadline()
	left, limited := deadline.Remaining(ctx)
	if !ends || !limited {
		return narrate.DefaultGrace
	}
	return min(narrate.DefaultGrace, max((left-time.Until(end))/2, time.Millisecond))
}

func withGrace(ctx context.Context, grace time.Duration) context.Context {
	return context.WithValue(ctx, graceKey{}, grace)
}

func graceFrom(ctx context.Context) time.Duration {
	grace, _ := ctx.Value(graceKey{}).(time.Duration)
	return grace
}
