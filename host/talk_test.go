package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/local"
	"github.com/davit-sh/davit/narrate"
)

// talk starts a script on this machine and returns the conversation with it.
func talk(t *testing.T, body string, vars ...host.Var) (context.Context, *host.Talk, *narrate.Recorder) {
	t.Helper()
	rec := &narrate.Recorder{}
	ctx := narrate.WithNarrator(t.Context(), narrate.New(rec))
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	h := local.New()
	t.Cleanup(func() { h.Close() })
	c, err := host.Start(ctx, h, host.Script{Name: "test", Vars: vars, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return ctx, c, rec
}

// hear fails the test unless the script says want next.
func hear(ctx context.Context, t *testing.T, c *host.Talk, want string) {
	t.Helper()
	w, err := c.Hear(ctx)
	if got := strings.TrimSpace(w.First + " " + w.Rest); got != want || err != nil {
		t.Fatalf("heard %q, %v, want %q", got, err, want)
	}
}

func TestAConversation(t *testing.T) {
	t.Parallel()
	ctx, c, rec := talk(t, `
echo before
echo "$sentinel" hello "$who"
while read -r word bytes; do
	case $word in
	data) echo "$sentinel" got "$(dd bs=1 count="$bytes" 2>/dev/null)" ;;
	*) echo "heard $word"; echo "oops $word" >&2; echo "$sentinel" "$word" ;;
	esac
done
echo "x $sentinel is not a mark"
echo "$sentinel" bye
`, host.Var{Name: "who", Value: "it's $HOME"})
	hear(ctx, t, c, "hello it's $HOME")
	if err := c.Send(ctx, []byte("a b\tc"), "data", "5"); err != nil {
		t.Fatal(err)
	}
	hear(ctx, t, c, "got a b\tc")
	step := narrate.WithStep(ctx, "second")
	c.Tell(step)
	if err := c.Say(ctx, "again", "1"); err != nil {
		t.Fatal(err)
	}
	hear(ctx, t, c, "again")
	var told []string
	for _, e := range rec.Events() {
		if e.Kind == narrate.Output && e.Attrs["stream"] == "stdout" {
			told = append(told, e.Step+":"+e.Message)
		}
	}
	// What a login prints before the script speaks is nobody's.
	if fmt.Sprint(told) != "[second:heard again]" {
		t.Errorf("told %q", told)
	}
}

func TestAScriptThatBreaksOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		kind error // or nil
		code int
		text string
	}{
		"after it spoke":       {`echo "$sentinel" hello; echo "no such thing" >&2; exit 3`, nil, 3, "the script test broke off: exit status 3: no such thing"},
		"before it spoke":      {`echo "This account is not available."; exit 1`, host.ErrShell, 1, "This account is not available."},
		"by a signal":          {`echo "$sentinel" hello; kill -KILL $$`, nil, 0, "ended by signal KILL"},
		"with nothing to say":  {`exit 0`, host.ErrShell, 0, "ended without a status"},
		"with control letters": {`printf 'bad \033[2J\n' >&2; exit 1`, host.ErrShell, 1, "bad ␛[2J"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, talk, _ := talk(t, c.body)
			var err error
			for err == nil {
				_, err = talk.Hear(ctx)
			}
			exit, ok := errors.AsType[*host.ExitError](err)
			if !ok || exit.Code != c.code || !strings.Contains(err.Error(), c.text) || (c.kind != nil) != errors.Is(err, host.ErrShell) {
				t.Errorf("got %v", err)
			}
			if _, again := talk.Hear(ctx); again == nil || again.Error() != err.Error() {
				t.Errorf("asked again: %v", again)
			}
		})
	}
}

func TestSayingSomethingToAScriptThatHasEnded(t *testing.T) {
	t.Parallel()
	ctx, c, _ := talk(t, `exit 3`)
	err := error(nil)
	for chunk := make([]byte, 1<<20); err == nil; {
		err = c.Send(ctx, chunk, "data", fmt.Sprint(len(chunk)))
	}
	if !errors.Is(err, host.ErrNotListening) {
		t.Errorf("got %v", err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, c, _ := talk(t, `echo "$sentinel" hello; sleep 1000 & read -r x; kill $!`)
	hear(ctx, t, c, "hello")
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(why)
	if _, err := c.Hear(ctx); !errors.Is(err, why) {
		t.Errorf("hear: %v", err)
	}
	big := make([]byte, 1<<20) // more than a pipe holds
	if err := c.Send(ctx, big, "data", fmt.Sprint(len(big))); !errors.Is(err, why) {
		t.Errorf("send: %v", err)
	}
	c.Close()
	if err := c.Say(t.Context(), "x"); !errors.Is(err, host.ErrNotListening) {
		t.Errorf("after close: %v", err)
	}
}
