//go:build unix

package narrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sh(script string, args ...string) *exec.Cmd {
	return exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
}

// long is a time that no test waits for.
const long = time.Hour

func TestCapture(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		script string
		want   []string
	}{
		{
			"a command that prints nothing tells nothing",
			`:`, nil,
		},
		{
			"lines are told in order",
			`echo one; echo; echo two`,
			[]string{"stdout: one", "stdout: ", "stdout: two"},
		},
		{
			"stderr is told as stderr",
			`echo oops >&2`,
			[]string{"stderr: oops"},
		},
		{
			"a line of the narration form is narration",
			`printf '[%-10s] %-15s: %s\n' worker loading '📦 model'`,
			[]string{"worker/loading: 📦 model"},
		},
		{
			"narration is heard on stderr too",
			`echo '[worker] loading: model' >&2`,
			[]string{"worker/loading: model"},
		},
		{
			"a last line without an end is told",
			`printf 'one\ntwo'`,
			[]string{"stdout: one", "stdout: two"},
		},
		{
			"CR LF ends one line",
			`printf 'one\r\ntwo\r\n'`,
			[]string{"stdout: one", "stdout: two"},
		},
		{
			"what is not text is made visible",
			`printf 'a\000b\377c\n'`,
			[]string{"stdout: a␀b\uFFFDc"},
		},
		{
			"secrets are masked",
			`printf 'the hunter2 of '; printf 'hunt'; printf 'er2\n'`,
			[]string{"stdout: the " + Mask + " of " + Mask},
		},
		{
			"stdin is empty",
			`cat; echo end`,
			[]string{"stdout: end"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var h hearing
			ctx := WithSecret(into(t.Context(), &h), "hunter2")
			if err := Capture(ctx, sh(tc.script), CaptureOptions{held: long}); err != nil {
				t.Error(err)
			}
			if got := lines(h.heard()); !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestAMebibyteWithoutALineEndIsToldInParts(t *testing.T) {
	t.Parallel()
	var h hearing
	err := Capture(into(t.Context(), &h), sh(`head -c 1048576 /dev/zero | tr '\0' x; echo end`), CaptureOptions{held: long})
	if err != nil {
		t.Fatal(err)
	}
	got := h.heard()
	for i, e := range got {
		if partial := e.Attrs["partial"] == true; partial != (i < len(got)-1) {
			t.Errorf("event %d of %d: partial is %v", i+1, len(got), partial)
		}
	}
	if got := pieceTogether(t, got); !slices.Equal(got, []string{strings.Repeat("x", 1<<20) + "end"}) {
		t.Errorf("got %.100q", got)
	}
}

// counting is a sink that checks that the numbers from 1 on are told.
type counting struct {
	n     int
	wrong string
}

func (c *counting) Prompt() {}

func (c *counting) Emit(e Event) error {
	c.n++
	if n, err := strconv.Atoi(e.Message); (err != nil || n != c.n) && c.wrong == "" {
		c.wrong = fmt.Sprintf("line %d is %q", c.n, e.Message)
	}
	return nil
}

// aMillion prints the numbers from 1 to 1,000,000.
const aMillion = `awk 'BEGIN { for (i = 1; i <= 1000000; i++) print i }'`

func TestAMillionLinesAreToldInOrder(t *testing.T) {
	t.Parallel()
	var c counting
	if err := Capture(WithNarrator(t.Context(), New(&c)), sh(aMillion), CaptureOptions{held: long}); err != nil {
		t.Error(err)
	}
	if c.n != 1_000_000 || c.wrong != "" {
		t.Errorf("%d lines; %s", c.n, c.wrong)
	}
}

func BenchmarkCaptureAMillionLines(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var c counting
		if err := Capture(WithNarrator(b.Context(), New(&c)), sh(aMillion), CaptureOptions{}); err != nil || c.n != 1_000_000 {
			b.Fatal(c.n, err)
		}
	}
}

func TestTheTwoStreamsAreToldAsTheyArrive(t *testing.T) {
	t.Parallel()
	// Each line is printed only when the one before has been told.
	answer, answered, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	defer answered.Close()
	h := hearing{then: func(Event) { answered.WriteString("go on\n") }}
	cmd := sh(`for i in 1 2 3; do echo out $i; read a; echo err $i >&2; read a; done`)
	cmd.Stdin = answer
	if err := Capture(into(t.Context(), &h), cmd, CaptureOptions{held: long}); err != nil {
		t.Fatal(err)
	}
	want := []string{"stdout: out 1", "stderr: err 1", "stdout: out 2", "stderr: err 2", "stdout: out 3", "stderr: err 3"}
	if got := lines(h.heard()); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestASlowSinkLosesNothingOfACommandThatHasEnded(t *testing.T) {
	t.Parallel()
	ended := filepath.Join(t.TempDir(), "ended")
	h := hearing{then: func(e Event) {
		if e.Message == "1" {
			for !exists(ended) { // all has been written and nobody reads
				time.Sleep(time.Millisecond)
			}
		}
	}}
	var want []string
	for i := 1; i <= 9000; i++ {
		want = append(want, "stdout: "+strconv.Itoa(i))
	}
	script := `awk 'BEGIN { for (i = 1; i <= 9000; i++) print i }'; : >"$1"`
	if err := Capture(into(t.Context(), &h), sh(script, ended), CaptureOptions{held: 1}); err != nil {
		t.Fatal(err)
	}
	if got := lines(h.heard()); !slices.Equal(got, want) {
		t.Errorf("%d events, the last %q", len(got), got[len(got)-1])
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestCaptureSaysHowACommandFailed(t *testing.T) {
	t.Parallel()
	noDir := sh(`:`)
	noDir.Dir = "/no/such/dir"
	for _, tc := range []struct {
		name string
		cmd  *exec.Cmd
		want string
		is   error // or nil for *exec.ExitError
	}{
		{"an exit code", sh(`exit 3`), "sh: exit status 3", nil},
		{"a signal", sh(`kill -KILL $$`), "sh: signal: killed", nil},
		{
			"a command that is not in the path", exec.Command("no-such-command"),
			`start no-such-command: exec: "no-such-command": executable file not found in $PATH`, exec.ErrNotFound,
		},
		{
			"a command that is not there", exec.Command("/no/such/command"),
			"start command: fork/exec /no/such/command: no such file or directory", fs.ErrNotExist,
		},
		{
			"a directory that is not there", noDir,
			"start sh: chdir /no/such/dir: no such file or directory", fs.ErrNotExist,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := Capture(into(t.Context(), &hearing{}), tc.cmd, CaptureOptions{held: long})
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			var exit *exec.ExitError
			if tc.is == nil && !errors.As(err, &exit) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v does not wrap what it should", err)
			}
		})
	}
}

func TestACommandIsNotStartedWhenTheContextHasEnded(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	started := filepath.Join(t.TempDir(), "started")
	err := Capture(ctx, sh(`: >"$1"`, started), CaptureOptions{})
	if !errors.Is(err, cause) || err.Error() != "start sh: enough" {
		t.Errorf("got %v", err)
	}
	if exists(started) {
		t.Error("it was started")
	}
}

func TestCancelEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		script string // prints the numbers of its processes, then "ready"
		grace  time.Duration
		want   []string // what is told after "ready"
	}{
		{"a command and its child", `sleep 3600 & echo $! $$; echo ready; wait`, long, nil},
		{"a command that has last words", `
			trap 'echo bye; exit 0' TERM
			echo $$; sh -c 'echo $$; echo ready; exec sleep 3600' & wait`, long, []string{"stdout: bye"}},
		{"a command that ignores TERM", `
			trap '' TERM
			echo $$; echo ready; while :; do sleep 3600; done`, time.Millisecond, nil},
		{"a grandchild that ignores TERM", `
			sh -c 'trap "" TERM; sleep 3600 & echo $! $$; echo ready; wait' & echo $$; wait`, time.Millisecond, nil},
		{"a grandchild that prints without end", `
			sh -c 'trap "" TERM; echo $$; echo ready; exec yes >&2' & echo $$; wait`, time.Millisecond, nil},
		{"a grandchild that has let go of the output", `
			sleep 3600 >/dev/null 2>&1 & echo $! $$; echo ready; wait`, long, nil},
		{"a grandchild whose parent has ended", `
			sleep 3600 & echo $!
			(while kill -0 $$; do sleep 0.01; done; echo ready) 2>/dev/null & echo $$ $!`, long, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cause := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			h := hearing{then: func(e Event) {
				if e.Message == "ready" {
					cancel(cause)
				}
			}}
			err := Capture(into(ctx, &h), sh(tc.script), CaptureOptions{Grace: tc.grace, held: long})
			if !errors.Is(err, cause) || err.Error() != "sh: enough" {
				t.Errorf("got %v", err)
			}
			after := checkGone(t, h.heard())
			if got := lines(after); tc.want != nil && !slices.Equal(got, tc.want) {
				t.Errorf("after cancel it told %q, want %q", got, tc.want)
			}
		})
	}
}

// checkGone waits for the end of the processes whose numbers were told, and returns the events
// after "ready".
func checkGone(t *testing.T, events []Event) []Event {
	t.Helper()
	checked := 0
	ready := len(events)
	for i, e := range events {
		if e.Message == "ready" {
			ready = min(ready, i+1)
		}
		for _, word := range strings.Fields(e.Message) {
			if pid, err := strconv.Atoi(word); err == nil {
				checked++
				for running(pid) { // a test that fails here fails by its time limit
					time.Sleep(time.Millisecond)
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no process was told")
	}
	return events[ready:]
}

// running reports whether the process runs; one that has ended and that nobody has waited for
// does not.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !exists("/proc/self/stat") // no /proc: believe the signal
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

func TestWhatACommandLeavesBehindIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, script, want string
	}{
		{"when the command succeeds", `sleep 3600 & echo $!`, ""},
		{"when the command fails", `sleep 3600 & echo $!; exit 1`, "sh: exit status 1"},
		{"when it prints without end", `yes >&2 & echo $!`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var h hearing
			err := Capture(into(t.Context(), &h), sh(tc.script), CaptureOptions{held: time.Millisecond})
			if got := fmt.Sprint(err); err != nil && got != tc.want || err == nil && tc.want != "" {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			events := slices.DeleteFunc(h.heard(), func(e Event) bool { return e.Message == "y" })
			if len(events) != 2 || events[1].Level != Warn || events[1].Action != "capture" {
				t.Fatalf("told %+v, want a number and a warning", events)
			}
			pid, err := strconv.Atoi(events[0].Message)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(tc.script, "sleep") && !running(pid) {
				t.Error("what was left behind was ended")
			}
			syscall.Kill(pid, syscall.SIGKILL)
		})
	}
}

func TestWhatIsLeftBehindWithoutOutputIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	var h hearing
	if err := Capture(into(t.Context(), &h), sh(`sleep 3600 >/dev/null 2>&1 & echo $!`), CaptureOptions{held: long}); err != nil {
		t.Fatal(err)
	}
	events := h.heard()
	if len(events) != 1 {
		t.Fatalf("told %+v", events)
	}
	pid, _ := strconv.Atoi(events[0].Message)
	if !running(pid) {
		t.Error("it was ended")
	}
	syscall.Kill(pid, syscall.SIGKILL)
}
