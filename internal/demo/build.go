package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/davit-sh/davit/narrate"
)

const module = "github.com/davit-sh/davit"

// Error says why there can be no demo here, and what to do about it.
type Error struct {
	Err  error
	Hint string
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// builder builds the example daemon.
type builder struct {
	goTool string
	source string // the module's folder
}

// newBuilder finds Go, and the source in dir or above it.
func newBuilder(dir string) (*builder, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return nil, &Error{Err: errors.New("the demo builds a small daemon, and there is no go command here"), Hint: "install Go: https://go.dev/dl"}
	}
	source, err := moduleAbove(dir)
	if err != nil {
		return nil, err
	}
	return &builder{goTool: goTool, source: source}, nil
}

// moduleAbove returns the folder of Davit's own module that dir is in.
func moduleAbove(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if isModule(at) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", &Error{
				Err:  fmt.Errorf("the demo builds examples/hello, and its source is not in %s or above", dir),
				Hint: "git clone https://" + module + " && cd davit && make demo",
			}
		}
	}
}

// isModule reports whether dir holds Davit's own module with the example in it.
func isModule(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			_, err := os.Stat(filepath.Join(dir, "examples", "hello", "main.go"))
			return strings.TrimSpace(name) == module && err == nil
		}
	}
	return false
}

// build builds the daemon as the given version.
func (b *builder) build(ctx context.Context, output, version string) error {
	ctx = narrate.WithStep(ctx, "build")
	narrate.Sayf(ctx, "building", "🔨 go build -ldflags \"-X main.version=%s\" ./examples/hello", version)
	// The source may be somebody else's, whose repository git does not trust: no stamp of it.
	cmd := exec.Command(b.goTool, "build", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+version, "-o", output, "./examples/hello")
	cmd.Dir = b.source
	if err := narrate.Capture(ctx, cmd, narrate.CaptureOptions{}); err != nil {
		return fmt.Errorf("build hello %s: %w", version, err)
	}
	info, err := os.Stat(output)
	if err != nil {
		return err
	}
	narrate.Emit(ctx, narrate.Event{
		Action: "build_complete", Message: fmt.Sprintf("✅ Built hello %s (%s)", version, narrate.Bytes(info.Size())),
		Attrs: map[string]any{"bytes": info.Size()},
	})
	return nil
}
