package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

func TestAReaderThatIsSlowGetsEveryEvent(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	u := newUI(Streams{Out: w, Err: io.Discard}, output{JSON: true})
	ctx := u.begin(t.Context(), []string{"gpu-1"})
	for range 3 {
		narrate.Sayf(ctx, "copying", "nobody reads yet")
	}
	go func() {
		u.end(ctx, nil, []string{"a receipt"})
		w.Close()
	}()
	var kinds []string
	for events := json.NewDecoder(r); ; {
		var e narrate.Event
		if err := events.Decode(&e); err != nil {
			break
		}
		kinds = append(kinds, string(e.Kind))
	}
	if got := strings.Join(kinds, " "); got != "narration narration narration end" {
		t.Errorf("got %s", got)
	}
}

func TestAnInterruptionIsExplainedOnStderr(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]string{
		davit.ErrInterrupted:     "davit: interrupted, cleaning up; another Ctrl-C leaves at once\n",
		context.DeadlineExceeded: "",
	} {
		var out, errs bytes.Buffer
		u := newUI(Streams{Out: &out, Err: &errs}, output{})
		ctx, cancel := context.WithCancelCause(t.Context())
		told := u.begin(ctx, []string{"gpu-1"})
		cancel(cause)
		u.end(told, cause, nil)
		if errs.String() != want || out.Len() > 0 {
			t.Errorf("%v: stderr %q, stdout %q", cause, errs.String(), out.String())
		}
	}
}

func TestTheLastStateSaysHowItEnded(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		narrate.Succeeded: nil, narrate.Failed: errors.New("oh"),
		narrate.Cancelled: davit.ErrInterrupted, narrate.TimedOut: context.DeadlineExceeded,
	} {
		if got := finalState(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// onScreen returns a ui whose stdout and stderr are one terminal, and what it writes there.
func onScreen(secret func(context.Context) (string, error)) (*ui, *locked) {
	var w locked
	std := terminal(map[string]string{"NO_COLOR": "1"})
	std.Out, std.Err, std.Secret = &w, &w, secret
	return newUI(std, output{}), &w
}

func TestLinesAndBarsShareOneTerminal(t *testing.T) {
	t.Parallel()
	u, w := onScreen(nil)
	ctx := narrate.WithHost(u.begin(t.Context(), []string{"gpu-1"}), "gpu-1")
	narrate.Emit(ctx, narrate.Event{
		Action: "start", Message: "⏱️ Install", Attrs: map[string]any{"deadline": time.Now().Add(time.Hour).Format(time.RFC3339Nano)},
	})
	testhost.Eventually(t, "the countdown is drawn", func() bool { return strings.Contains(visible(t, w.String()), "limit in ") })
	narrate.Sayf(ctx, "copying", "📤 Copying")
	if got := visible(t, w.String()); !strings.HasPrefix(got, "⏱️ Install\n📤 Copying\n") || !strings.Contains(got, "limit in ") {
		t.Errorf("to be seen:\n%s", got)
	}
	u.hostDone("gpu-1", nil)
	u.end(ctx, nil, nil)
	u.print("done")
	if got := visible(t, w.String()); got != "⏱️ Install\n📤 Copying\ndone\n" {
		t.Errorf("at the end:\n%s", got)
	}
}

func TestAQuestionIsAskedOnATerminalOnly(t *testing.T) {
	t.Parallel()
	if u := newUI(Streams{Out: io.Discard, Err: io.Discard}, output{}); u.ask() != nil {
		t.Error("somebody is asked where nobody is")
	}
	u, w := onScreen(func(context.Context) (string, error) { return "swordfish", nil })
	answer, err := u.ask()(t.Context(), "Password of me\x1b[2J on gpu-1:")
	if answer != "swordfish" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
	if got := w.String(); got != "Password of me␛[2J on gpu-1: \n" {
		t.Errorf("on the terminal: %q", got)
	}
}

func TestAQuestionThatWaitsForAnotherEndsWithItsContext(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	u, _ := onScreen(func(context.Context) (string, error) {
		close(asked)
		<-answer
		return "swordfish", nil
	})
	first := make(chan string)
	go func() {
		secret, _ := u.ask()(t.Context(), "First")
		first <- secret
	}()
	<-asked
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(davit.ErrInterrupted)
	if _, err := u.ask()(ctx, "Second"); !errors.Is(err, davit.ErrInterrupted) {
		t.Errorf("the second got %v", err)
	}
	close(answer)
	if got := <-first; got != "swordfish" {
		t.Errorf("the first got %q", got)
	}
}

func TestWhatAHostSaysInAResultIsShownAndNotObeyed(t *testing.T) {
	var out bytes.Buffer
	u := newUI(Streams{Out: &out, Err: io.Discard}, output{})
	u.print(ending(u, davit.Receipt{Link: "/home/\x1b[2Jme/.local/bin/worker", Outcome: davit.UpToDate})...)
	if text := out.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, "/home/␛[2Jme/.local/bin/worker") {
		t.Errorf("printed %q", text)
	}
}
