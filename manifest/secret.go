package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/davit-sh/davit/narrate"
)

// MaxSecret is how many bytes a secret may have.
const MaxSecret = 64 << 10

// Secret is where the value of a secret comes from: a file or a command. Its errors never have the
// value in them.
type Secret struct {
	// File is an absolute path.
	File string `json:"file,omitempty" oneof:"need" is:"path" jsonschema:"file that holds it, relative to the manifest; nobody else may read it"`
	// Command is given to /bin/sh here, in the directory of the manifest; it prints the value.
	Command string `json:"command,omitempty" oneof:"need" is:"command" jsonschema:"command that prints it, run here in the directory of the manifest"`

	name string
	dir  string // of the manifest
}

// Check does what can be done without running a command: it returns the error that Read would
// for a file, and nil for a command.
func (s Secret) Check() error {
	if s.File == "" {
		return nil
	}
	_, err := s.read()
	return s.failed(err)
}

// Read returns the value, less one newline at its end. What a command prints is told nowhere; when
// ctx ends, so does the command with all of its process group.
func (s Secret) Read(ctx context.Context) (string, error) {
	get := s.read
	if s.File == "" {
		get = func() ([]byte, error) { return s.run(ctx) }
	}
	data, err := get()
	if err != nil {
		return "", s.failed(err)
	}
	return string(data), nil
}

// failed says which secret it was.
func (s Secret) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("secret %s: %w", s.name, err)
}

func (s Secret) read() ([]byte, error) {
	f, err := openNow(s.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", narrate.Visible(s.File))
	case readByOthers(info):
		return nil, fmt.Errorf("%s may be read by others (mode %04o); run: chmod 600 %s",
			narrate.Visible(s.File), info.Mode().Perm(), narrate.Visible(shellescape.Quote(s.File)))
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSecret+1))
	if err != nil {
		return nil, err
	}
	return value(data, narrate.Visible(s.File))
}

// value returns data, which comes from there, as the value of a secret.
func value(data []byte, from string) ([]byte, error) {
	if len(data) > MaxSecret {
		return nil, fmt.Errorf("%s: it is more than %d KiB", from, MaxSecret>>10)
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	switch {
	case len(data) == 0:
		return nil, fmt.Errorf("%s: it is empty", from)
	case bytes.IndexByte(data, 0) >= 0:
		return nil, fmt.Errorf("%s: it has a NUL character", from)
	}
	return data, nil
}

// held is how long the output of a command that has ended is waited for, should a process that it
// left behind hold it open.
const held = time.Second

func (s Secret) run(ctx context.Context) ([]byte, error) {
	stdout, stderr := kept{most: MaxSecret + 1}, kept{most: 4 << 10, tail: true}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.Command)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = s.dir, &stdout, &stderr, held
	endGroup := ownGroup(cmd)
	err := cmd.Run()
	if ctx.Err() != nil {
		endGroup()
		return nil, fmt.Errorf("command: %w", context.Cause(ctx))
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, fmt.Errorf("command: %w%s", err, lastLine(stderr.data, stdout.data))
	}
	return value(stdout.data, "command")
}

// kept keeps bytes of what is written to it.
type kept struct {
	data []byte
	most int  // so many
	tail bool // the last of them, not the first
}

// Write takes all, and keeps what it may.
func (k *kept) Write(p []byte) (int, error) {
	k.data = append(k.data, p...)
	if over := len(k.data) - k.most; over > 0 {
		if k.tail {
			k.data = append(k.data[:0], k.data[over:]...)
		} else {
			k.data = k.data[:k.most]
		}
	}
	return len(p), nil
}

// lastLine returns the last line of what a command complained, without what it printed: that may be
// the secret.
func lastLine(complaint, printed []byte) string {
	lines := strings.Split(strings.TrimSpace(string(complaint)), "\n")
	line := lines[len(lines)-1]
	for word := range strings.FieldsSeq(string(printed)) {
		line = strings.ReplaceAll(line, word, narrate.Mask)
	}
	if line == "" {
		return ""
	}
	return ": " + narrate.Visible(line)
}
