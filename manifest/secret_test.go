//go:build unix

package manifest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hidden is what no error may have in it.
const hidden = "hunter2-is-hidden"

func secretFile(t *testing.T, text string, mode os.FileMode) Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return Secret{File: path, name: "API_KEY"}
}

func command(t *testing.T, text string) Secret {
	t.Helper()
	return Secret{Command: text, name: "API_KEY", dir: t.TempDir()}
}

func reads(t *testing.T, s Secret, want string) {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	got, err := s.Read(t.Context())
	if err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestSecretOfAFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		hidden: hidden, hidden + "\n": hidden, hidden + "\r\n": hidden, hidden + "\n\n": hidden + "\n", "a\nb\n": "a\nb", " a ": " a ",
		strings.Repeat("x", MaxSecret): strings.Repeat("x", MaxSecret),
	} {
		reads(t, secretFile(t, text, 0o600), want)
	}
	reads(t, secretFile(t, hidden, 0o400), hidden)
	s := secretFile(t, hidden, 0o600)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(s.File, link); err != nil {
		t.Fatal(err)
	}
	reads(t, Secret{File: link}, hidden)
}

func TestSecretOfAFileIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string // %s is the path
	}{
		"the group reads":  {hidden, 0o640, "%s may be read by others (mode 0640); run: chmod 600 '%[1]s'"},
		"others read":      {hidden, 0o604, "%s may be read by others (mode 0604); run: chmod 600 '%[1]s'"},
		"the group writes": {hidden, 0o620, "%s may be read by others (mode 0620); run: chmod 600 '%[1]s'"},
		"all may":          {hidden, 0o777, "%s may be read by others (mode 0777); run: chmod 600 '%[1]s'"},
		"empty":            {"", 0o600, "%s: it is empty"},
		"only a newline":   {"\n", 0o600, "%s: it is empty"},
		"NUL":              {hidden + "\x00", 0o600, "%s: it has a NUL character"},
		"too long":         {strings.Repeat(hidden, MaxSecret), 0o600, "%s: it is more than 64 KiB"},
	} {
		s := secretFile(t, c.text, c.mode)
		_, err := s.Read(t.Context())
		if want := "secret API_KEY: " + fmt.Sprintf(c.want, s.File); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		if checked := s.Check(); checked == nil || checked.Error() != err.Error() {
			t.Errorf("%s: Check says %v, Read %v", name, checked, err)
		}
	}
}

func TestSecretThatIsNoFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, "/dev/zero"} {
		if err := (Secret{File: path}).Check(); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := (Secret{File: filepath.Join(dir, "none")}).Check(); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestSecretOfACommand(t *testing.T) {
	t.Parallel()
	reads(t, command(t, "echo "+hidden+"; echo noise >&2"), hidden)
	reads(t, command(t, "printf 'a\\nb'"), "a\nb")
	s := command(t, "pwd -P; exec 2>&-")
	dir, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	reads(t, s, dir)
	reads(t, command(t, "cat; echo "+hidden), hidden) // there is nothing to read
}

func TestSecretOfACommandThatFails(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"echo first >&2; echo no such key >&2; exit 3": "command: exit status 3: no such key",
		"exit 3":        "command: exit status 3",
		":":             "command: it is empty",
		`printf 'a\0b'`: "command: it has a NUL character",
		"cat /dev/zero | tr '\\0' x | head -c 10000000":           "command: it is more than 64 KiB",
		"printf 'a\\033[31mb\\n' >&2; exit 1":                     "command: exit status 1: ab",
		"kill -9 $$":                                              "command: signal: killed",
		"set -x; echo " + hidden + "; exit 1":                     "command: exit status 1: + exit 1",
		"echo " + hidden + "; echo no " + hidden + " >&2; exit 1": "command: exit status 1: no •••",
	} {
		s := command(t, text)
		value, err := s.Read(t.Context())
		if want = "secret API_KEY: " + want; value != "" || err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
		if err := s.Check(); err != nil {
			t.Errorf("%s: Check ran it: %v", text, err)
		}
	}
}

// A command that hangs ends with the context, with all that it started.
func TestSecretOfACommandThatHangs(t *testing.T) {
	t.Parallel()
	s := command(t, "sh -c 'trap \"\" TERM; echo $$ >pid; mv pid there; sleep 1000' & sleep 1000")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Read(ctx)
		ended <- err
	}()
	child := 0
	for end := time.Now().Add(20 * time.Second); child == 0; time.Sleep(5 * time.Millisecond) {
		data, err := os.ReadFile(filepath.Join(s.dir, "there"))
		if child, _ = strconv.Atoi(strings.TrimSpace(string(data))); err != nil && time.Now().After(end) {
			t.Fatal(err)
		}
	}
	why := errors.New("enough")
	cancel(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Error(err)
	}
	for end := time.Now().Add(20 * time.Second); alive(child); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d lives on", child)
		}
	}
}

// alive reports whether a process is there and has not ended.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err) && syscall.Kill(pid, 0) == nil
	}
	_, behind, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(behind, "Z")
}

// What a command leaves running, such as an agent, is left alone, even if it holds its output open.
func TestSecretOfACommandThatLeavesAProcess(t *testing.T) {
	t.Parallel()
	s := command(t, "sleep 1000 & echo $! >pid; echo "+hidden)
	reads(t, s, hidden)
	data, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Error("it was ended")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}
