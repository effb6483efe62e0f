package build

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/davit-sh/davit/artifact"
)

const (
	commandTool  = "command"
	prebuiltTool = "prebuilt"
)

// command makes a program by whatever the user says.
type command struct {
	recipe Recipe
	Command
	shell string

	mu    sync.Mutex
	turns map[string]chan struct{} // by path of what is made: one command writes there at a time
}

func newCommand(r Recipe, c Command) (*command, error) {
	shell, err := needTool(r, "sh", "run davit where there is a POSIX shell")
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(c.Run) == "" {
		return nil, refuse(ErrRecipe, "say what to run: make worker", "the command of %s is empty", r.Name)
	}
	if err := checkPlaceholders(c.Output); err != nil {
		return nil, err
	}
	return &command{recipe: r, Command: c, shell: shell, turns: map[string]chan struct{}{}}, nil
}

func (c *command) key(p artifact.Platform) (string, error) { return platformKey(p), nil }

// platformKey names all that a command, or a path, is told of a platform.
func platformKey(p artifact.Platform) string { return p.String() + "/" + p.Libc }

func (c *command) command(artifact.Platform) string { return c.Run }

// output is where the command makes the file for p.
func (c *command) output(p artifact.Platform, dir string) string {
	switch path := fill(c.Output, p); {
	case path == "":
		return filepath.Join(dir, c.recipe.Name)
	case filepath.IsAbs(path):
		return path
	default:
		return filepath.Join(c.recipe.Dir, path)
	}
}

func (c *command) make(ctx context.Context, p artifact.Platform, dir string) (made, error) {
	output := c.output(p, dir)
	done, err := c.turn(ctx, output)
	if err != nil {
		return made{}, err
	}
	defer done()
	before, _ := os.Stat(output)
	cmd := exec.Command(c.shell, "-c", c.Run)
	cmd.Dir = c.recipe.Dir
	cmd.Env = environment(c.recipe, "DAVIT_OS="+p.OS, "DAVIT_ARCH="+p.GOARCH(), "DAVIT_LIBC="+p.Libc, "DAVIT_OUTPUT="+output)
	if err := execute(ctx, "the command", cmd); err != nil {
		return made{}, err
	}
	after, err := os.Stat(output)
	if errors.Is(err, fs.ErrNotExist) {
		hint := "have it write to $DAVIT_OUTPUT, or say in build.output what it makes"
		if c.Output != "" {
			hint = "correct build.output, or have the command write to $DAVIT_OUTPUT"
		}
		return made{}, refuse(ErrOutput, hint, "the command succeeded, and did not make %s", output)
	}
	if err != nil {
		return made{}, refuse(ErrOutput, "", "the command succeeded, but: %w", err)
	}
	m := made{path: output, tool: commandTool, cached: unchanged(before, after)}
	if c.Output == "" {
		return m, nil
	}
	err = m.move(filepath.Join(dir, c.recipe.Name))
	return m, err
}

// turn waits until no other command makes the file at that path. The caller calls done when it has made it.
func (c *command) turn(ctx context.Context, path string) (done func(), err error) {
	c.mu.Lock()
	turn := c.turns[path]
	if turn == nil {
		turn = make(chan struct{}, 1)
		c.turns[path] = turn
	}
	c.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// move makes a copy of what was made the thing made: for the next platform the same path may hold another
// file. One that cannot be used stays where it is, which is what its error names.
func (m *made) move(to string) error {
	if _, err := artifact.Open(m.path); err != nil {
		return nil
	}
	if err := copyFile(to, m.path); err != nil {
		return refuse(ErrOutput, "", "copy what the command made: %w", err)
	}
	m.path = to
	return nil
}

// unchanged reports whether a file is the one that it was.
func unchanged(before, after os.FileInfo) bool {
	return before != nil && os.SameFile(before, after) && before.Size() == after.Size() && before.ModTime().Equal(after.ModTime())
}

// prebuilt finds a program that was built by somebody else.
type prebuilt struct{ recipe Recipe }

func newPrebuilt(r Recipe) (*prebuilt, error) { return &prebuilt{r}, checkPlaceholders(r.Prebuilt) }

func (f *prebuilt) key(p artifact.Platform) (string, error) { return f.path(p), nil }

func (f *prebuilt) path(p artifact.Platform) string {
	path := fill(f.recipe.Prebuilt, p)
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.recipe.Dir, path)
	}
	return path
}

func (f *prebuilt) command(p artifact.Platform) string {
	if p.OS == "" {
		return f.recipe.Prebuilt
	}
	return f.path(p)
}

func (f *prebuilt) make(_ context.Context, p artifact.Platform, _ string) (made, error) {
	return made{path: f.path(p), tool: prebuiltTool, cached: true}, nil
}

// fill puts the values of p in the places of {os}, {arch} and {libc}.
func fill(path string, p artifact.Platform) string {
	return strings.NewReplacer("{os}", p.OS, "{arch}", p.GOARCH(), "{libc}", p.Libc).Replace(path)
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

func checkPlaceholders(path string) error {
	for _, found := range placeholder.FindAllString(path, -1) {
		if found != "{os}" && found != "{arch}" && found != "{libc}" {
			return refuse(ErrRecipe, "there are {os}, {arch} and {libc}", "%s in %q means nothing", found, path)
		}
	}
	return nil
}
