package cli

// The rules of output, all of them:
//   - stdout carries what is told while it happens, then the result; with --json it carries the
//     events and nothing else, one a line, the last of which is `end`
//   - stderr carries what went wrong, when it is over: for each host that failed a block of
//     error, state and hint
//   - stderr of a terminal, and nothing else, also shows a bar with a countdown, or a table of
//     several hosts, and questions; while it does, every line on that terminal passes above them
//   - of several hosts each line names its own, and a summary closes
//   - --quiet leaves warnings, errors and the result
//   - how it looks is decided in look.go; what others say is shown, never obeyed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/narrate"
	"github.com/spf13/pflag"
)

// output are the flags that say what is printed.
type output struct {
	JSON, Quiet, Plain bool

	noBar bool // what is done is too short for one
}

func (o *output) flags(f *pflag.FlagSet) {
	f.BoolVar(&o.JSON, "json", false, "print events, one JSON object a line; the last one has the results")
	f.BoolVar(&o.Quiet, "quiet", false, "print only warnings, errors and the result")
	f.BoolVar(&o.Plain, "plain", false, "no emoji, no colour")
}

// ui is the telling of one command.
type ui struct {
	look
	std    Streams
	json   bool
	quiet  bool
	screen *screen // stderr's terminal
	drawn  drawing // nil if nothing is
	out    io.Writer
	err    io.Writer
	first  narrate.Sink // gets each event before it is printed; nil if nobody does

	asking  chan struct{} // held while a question is asked
	ended   chan struct{} // closed when the last event has been printed
	unwatch func()
}

// drawing is what is drawn of hosts while they are worked on.
type drawing interface {
	narrate.Sink
	end(host string, err error) // is called when a host is done
	close()                     // takes it away
}

// newDrawing returns a bar for one host, and a table for several.
func newDrawing(s *screen, hosts []string, plain bool) drawing {
	if len(hosts) > 1 {
		return newHostTable(s, hosts, plain)
	}
	return newBar(s, plain)
}

func newUI(std Streams, o output) *ui {
	u := &ui{
		look: decide(std, o), std: std, json: o.JSON, quiet: o.Quiet,
		screen: newScreen(std.Err, std.Size), out: std.Out, err: std.Err,
		asking: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if u.Bar {
		u.err = u.screen
		if std.SameTerminal {
			u.out = u.screen
		}
	}
	return u
}

// begin returns a context that tells to the user what is done on the hosts of these names. The
// caller must call end.
func (u *ui) begin(ctx context.Context, hosts []string) context.Context {
	var sinks []narrate.Sink
	if u.first != nil {
		sinks = append(sinks, u.first)
	}
	sinks = append(sinks, printer{u.sink(hosts), sync.OnceFunc(func() { close(u.ended) })})
	if u.Bar {
		u.drawn = newDrawing(u.screen, hosts, u.Plain)
		sinks = append(sinks, u.drawn)
	}
	u.unwatch = u.sayInterrupted(ctx)
	return narrate.WithNarrator(ctx, narrate.New(sinks...))
}

func (u *ui) sink(hosts []string) narrate.Sink {
	if u.json {
		return narrate.NewJSON(u.out)
	}
	o := narrate.TextOptions{Color: u.Color, Plain: u.Plain, Quiet: u.quiet}
	if len(hosts) > 1 {
		for _, name := range hosts {
			o.HostWidth = max(o.HostWidth, utf8.RuneCountInString(name))
		}
	}
	return narrate.NewText(u.out, o)
}

// printer is a sink that notes when it has taken the last event.
type printer struct {
	narrate.Sink
	ended func() // called then
}

func (p printer) Emit(e narrate.Event) error {
	if e.Kind == narrate.End {
		defer p.ended()
	}
	return p.Sink.Emit(e)
}

// EmitAll implements [narrate.Batch], with one call of a sink that does.
func (p printer) EmitAll(events []narrate.Event) (taken int, err error) {
	if batch, ok := p.Sink.(narrate.Batch); ok {
		if events[len(events)-1].Kind == narrate.End {
			defer p.ended()
		}
		return batch.EmitAll(events)
	}
	for i, e := range events {
		if err := p.Emit(e); err != nil {
			return i, err
		}
	}
	return len(events), nil
}

// sayInterrupted says, when the user ends ctx, why the command does not end at once. What it
// returns must be called; it waits for what is being said.
func (u *ui) sayInterrupted(ctx context.Context) (stop func()) {
	said := make(chan struct{})
	stopped := context.AfterFunc(ctx, func() {
		defer close(said)
		if errors.Is(context.Cause(ctx), davit.ErrInterrupted) {
			fmt.Fprintln(u.err, "davit: interrupted, cleaning up; another Ctrl-C leaves at once")
		}
	})
	return func() {
		if !stopped() {
			<-said
		}
	}
}

// hostDone shows that a host is done, or how it failed.
func (u *ui) hostDone(name string, err error) {
	if u.drawn != nil {
		u.drawn.end(name, err)
	}
}

// lastWord is how long a reader of our stdout that is slow has to take the last events.
const lastWord = 10 * time.Second

// end tells the last event and takes away what is drawn. Afterwards stdout is the caller's.
func (u *ui) end(ctx context.Context, err error, results any) {
	narrate.Finish(ctx, finalState(err), err, results)
	timer := time.NewTimer(lastWord)
	defer timer.Stop()
	select {
	case <-u.ended:
	case <-timer.C:
	}
	if u.drawn != nil {
		u.drawn.close()
	}
	u.unwatch()
}

// finalState is the state that stands in the last event.
func finalState(err error) string {
	switch davit.ExitCode(err) {
	case davit.ExitDone:
		return narrate.Succeeded
	case davit.ExitInterrupted:
		return narrate.Cancelled
	case davit.ExitDeadline:
		return narrate.TimedOut
	}
	return narrate.Failed
}

// print prints lines of a result, unless stdout carries events. What a host has said in them is
// shown, never obeyed.
func (u *ui) print(lines ...string) {
	if u.json {
		return
	}
	for _, line := range lines {
		for text := range strings.SplitSeq(line, "\n") {
			fmt.Fprintln(u.std.Out, narrate.Visible(text))
		}
	}
}

// mark returns the emoji, or "" where there are none.
func (u *ui) mark(emoji string) string {
	if u.Plain {
		return ""
	}
	return emoji + " "
}

// ask asks a question on the terminal and returns the answer, which is not shown. It is nil
// where nobody can be asked.
func (u *ui) ask() func(ctx context.Context, question string) (string, error) {
	if !u.Ask {
		return nil
	}
	return func(ctx context.Context, question string) (string, error) {
		select { // one question at a time
		case u.asking <- struct{}{}:
			defer func() { <-u.asking }()
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		w, release := u.screen.hold()
		defer release()
		fmt.Fprint(w, strings.TrimRight(narrate.Visible(question), " :?")+": ")
		answer, err := u.std.Secret(ctx)
		fmt.Fprintln(w) // the one that was typed was not shown
		return answer, err
	}
}
