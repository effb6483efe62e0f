package davit

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
)

// watch hears what a script says while something else is waited for: that the daemon has died, and what
// commands on the host answer. It is how the host is asked for the daemon's health.
type watch struct {
	*conversation
	host    host.Host
	ctx     context.Context // ends when there is nothing to wait for any more, with the reason
	stop    context.CancelCauseFunc
	answers chan answer
	ended   chan struct{}
}

// answer is what a command on the host came to.
type answer struct {
	status int
	output string
}

func newWatch(ctx context.Context, c *conversation, h host.Host) *watch {
	w := &watch{conversation: c, host: h, answers: make(chan answer), ended: make(chan struct{})}
	w.ctx, w.stop = context.WithCancelCause(ctx)
	go w.listen()
	return w
}

// listen is a goroutine of its own until the watch ends.
func (w *watch) listen() {
	defer close(w.ended)
	var said strings.Builder
	for {
		words, err := w.next(w.ctx)
		switch {
		case w.ctx.Err() != nil:
			return
		case err != nil:
			w.stop(err)
		case words.First == "died":
			w.stop(&diedError{words.Rest})
		case words.First == "remark":
			narrate.Warnf(w.ctx, "remark", "%s", words.Rest)
		case words.First == "said":
			said.WriteString(words.Rest + "\n")
		case words.First == "answer":
			status, _ := strconv.Atoi(words.Rest)
			select {
			case w.answers <- answer{status, said.String()}:
			case <-w.ctx.Done():
			}
			said.Reset()
		case words.First == "end":
			w.stop(w.endedWith(words))
		}
	}
}

// end returns when nothing is heard here any more.
func (w *watch) end() {
	w.stop(nil)
	<-w.ended
}

// Dial implements [health.Asker].
func (w *watch) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return w.host.Dial(ctx, network, address)
}

// Run implements [health.Asker], in the conversation that is open.
func (w *watch) Run(ctx context.Context, command string) (status int, output string, err error) {
	if err := w.send(ctx, []byte(command), "ask", strconv.Itoa(len(command))); err != nil {
		return 0, "", err
	}
	select {
	case a := <-w.answers:
		return a.status, a.output, nil
	case <-w.ctx.Done():
		return 0, "", context.Cause(w.ctx)
	case <-ctx.Done():
		return 0, "", context.Cause(ctx)
	}
}

// questions asks a host for a daemon's health where no conversation is open.
type questions struct{ host.Host }

// Run implements [health.Asker].
func (q questions) Run(ctx context.Context, command string) (status int, output string, err error) {
	c := conversation{}
	if err := c.open(ctx, q.Host, scripts.Question(command)); err != nil {
		return 0, "", err
	}
	defer c.talk.Close()
	for {
		w, err := c.next(ctx)
		switch {
		case err != nil:
			return 0, "", err
		case w.First == "said":
			output += w.Rest + "\n"
		case w.First == "answer":
			status, err := strconv.Atoi(w.Rest)
			if err != nil {
				return 0, "", fmt.Errorf("%w: it said that a command ended with %q", ErrRefused, w.Rest)
			}
			return status, output, nil
		case w.First == "end":
			return 0, "", c.endedWith(w)
		}
	}
}
