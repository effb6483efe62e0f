package davit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
)

// conversation is what every operation has with the script that works for it on a host.
type conversation struct {
	talk  *host.Talk
	steps steps
	over  bool       // the script has said its last word
	now   *string    // the release that is current, as the script said last; nil if it has not
	kept  int64      // bytes that it said it keeps for the next try
	heard host.Words // what it said first, until it is asked for

	password string // of sudo; "" if none was needed
}

// start starts the script, as root if the scope asks for that.
func (c *conversation) start(ctx context.Context, h host.Host, s host.Script, scope Scope, ask passwordFunc) error {
	switch {
	case scope != System:
		return c.open(ctx, h, s)
	case c.password != "": // asked for an earlier script
		return c.open(narrate.WithSecret(ctx, c.password), h, scripts.AsRoot(s, c.password))
	}
	err := c.open(ctx, h, scripts.AsRoot(s, ""))
	user, wanted := passwordWanted(err)
	switch {
	case !wanted:
		return err
	case ask == nil:
		return fmt.Errorf("%w: sudo wants a password of %s, and there is no terminal to ask for it", ErrPermission, user)
	}
	c.settle(ctx)
	c.password, err = ask(ctx, fmt.Sprintf("[sudo] password of %s on %s: ", user, h.Name()))
	if err != nil {
		return fmt.Errorf("%w: no password for sudo: %w", ErrPermission, err)
	}
	err = c.open(narrate.WithSecret(ctx, c.password), h, scripts.AsRoot(s, c.password))
	if exit, ok := errors.AsType[*host.ExitError](err); ok && exit.Code != 0 {
		return fmt.Errorf("%w: sudo refused: %w", ErrPermission, err)
	}
	return err
}

// settle waits until a script that has said its last word is gone: a host may allow one session
// at a time, and dropbear may take a new one for one that has just ended.
func (c *conversation) settle(ctx context.Context) {
	for err := error(nil); err == nil; {
		_, err = c.talk.Hear(ctx)
	}
	c.talk.Close()
}

// open starts the script and returns when it has spoken.
func (c *conversation) open(ctx context.Context, h host.Host, s host.Script) error {
	talk, err := host.Start(ctx, h, s)
	if err != nil {
		return err
	}
	c.talk, c.over = talk, false
	w, err := c.next(ctx)
	if err != nil {
		return err
	}
	c.heard = w
	return nil
}

// next returns what the script says, or what it complains of.
func (c *conversation) next(ctx context.Context) (host.Words, error) {
	if w := c.heard; w.First != "" {
		c.heard = host.Words{}
		return w, nil
	}
	w, err := c.talk.Hear(ctx)
	if err != nil {
		return w, err
	}
	c.note(w)
	said := w.Rest
	if w.First == "end" {
		var failed bool
		if said, failed = strings.CutPrefix(said, "failed "); !failed {
			return w, nil
		}
	}
	if w.First == "failed" || w.First == "end" {
		return w, refusal(said)
	}
	return w, nil
}

// note remembers what will be asked for when all is over.
func (c *conversation) note(w host.Words) {
	switch w.First {
	case "current":
		release := strings.TrimPrefix(w.Rest, "releases/")
		c.now = &release
	case "kept":
		c.kept, _ = strconv.ParseInt(w.Rest, 10, 64)
	case "end":
		c.over = true
	}
}

// hear waits for one of the script's words; any other is against the protocol, but for those that
// tell of its state.
func (c *conversation) hear(ctx context.Context, words ...string) (host.Words, error) {
	for {
		w, err := c.next(ctx)
		switch {
		case err != nil, slices.Contains(words, w.First):
			return w, err
		case w.First == "end":
			return w, c.endedWith(w)
		case !slices.Contains([]string{"made", "kept", "current"}, w.First):
			return w, fmt.Errorf("%w: it said %q where %q was expected", ErrRefused, w.First, words[0])
		}
	}
}

// endedWith returns the error of a script that said its last word before it was time.
func (*conversation) endedWith(w host.Words) error {
	return fmt.Errorf("%w: its side ended: %s", ErrRefused, narrate.Visible(w.Rest))
}

// say says words to the script, whose output then belongs to ctx.
func (c *conversation) say(ctx context.Context, words ...string) error {
	c.talk.Tell(narrate.WithSecret(ctx, c.password))
	return c.reason(ctx, c.talk.Say(ctx, words...))
}

// send says words and sends bytes to the script, whose output then belongs to ctx.
func (c *conversation) send(ctx context.Context, data []byte, words ...string) error {
	c.talk.Tell(narrate.WithSecret(ctx, c.password))
	return c.reason(ctx, c.talk.Send(ctx, data, words...))
}

// reason returns why err happened: if the script stopped listening, what it, or the connection,
// says of that; else err itself.
func (c *conversation) reason(ctx context.Context, err error) error {
	if !errors.Is(err, host.ErrNotListening) {
		return err
	}
	for {
		switch w, why := c.next(ctx); {
		case why != nil:
			return why
		case w.First == "end":
			return c.endedWith(w)
		}
	}
}

// part says the last word and waits for the script's.
func (c *conversation) part(ctx context.Context, word string) error {
	if err := c.say(ctx, word); err != nil {
		return err
	}
	if _, err := c.hear(ctx, "end"); err != nil {
		return err
	}
	return c.talk.Close()
}

// lastWordsWait bounds how long a script may take to clean up before it is left to itself.
const lastWordsWait = 3 * time.Second

// stop ends the script with a word and reports whether it said that it has cleaned up.
func (c *conversation) stop(ctx context.Context, word string) bool {
	if c.talk == nil {
		return false
	}
	defer c.talk.Close()
	ctx, cancel := deadline.Cleanup(ctx)
	defer cancel()
	ctx, cancelWait := context.WithTimeout(ctx, lastWordsWait)
	defer cancelWait()
	if !c.over {
		c.talk.Say(ctx, word) // it may have ended by itself just now
	}
	for !c.over {
		w, err := c.talk.Hear(ctx)
		if err != nil {
			return false
		}
		c.note(w)
	}
	return true
}

type passwordFunc = func(ctx context.Context, question string) (string, error)

// passwordWanted reports whether err is that sudo wants the password of user.
func passwordWanted(err error) (user string, wanted bool) {
	e, ok := errors.AsType[*refusalError](err)
	if !ok || e.word != "password" {
		return "", false
	}
	return e.text, true
}

// refusalError is what the host's side of an operation says against it.
type refusalError struct {
	kind error
	word string // the kind, as the script says it
	text string
}

func (e *refusalError) Error() string {
	if e.text == "" {
		return e.kind.Error()
	}
	return e.kind.Error() + ": " + e.text
}

func (e *refusalError) Unwrap() error { return e.kind }

// refusals are the first words of a script's complaints.
var refusals = map[string]error{
	"locked": ErrLocked, "space": ErrSpace, "permission": ErrPermission, "password": ErrPermission,
	"corrupt": ErrCorrupt, "refused": ErrRefused, "service": ErrUnhealthy, "inway": ErrInTheWay,
	"absent": ErrNotInstalled, "unfinished": ErrRefused, "gone": ErrRefused, "stale": ErrRefused,
}

// refusal returns the error that a script's "failed KIND TEXT" stands for.
func refusal(said string) error {
	word, text, _ := strings.Cut(said, " ")
	text = narrate.Visible(text)
	kind, known := refusals[word]
	switch {
	case !known:
		return &refusalError{ErrRefused, word, narrate.Visible(said)}
	case word == "inway":
		text += " is there and is not Davit's"
	case word == "gone":
		text = "the change that is to be committed is not there any more: the host has put back what was before"
	case word == "stale":
		text = "the change that is to be taken back is not the last one there, or what was before it is gone"
	case word == "unfinished":
		text = "a change of the daemon was broken off on the host: davit restart puts back what was before (" + text + ")"
	case word == "locked":
		since, holder, _ := strings.Cut(text, " ")
		if text = holder + " has just begun to work on it"; since != "now" {
			text = fmt.Sprintf("%s works on it since %s", holder, since)
		}
	case word == "space":
		left, why, _ := strings.Cut(text, " ")
		text = cmp.Or(why, "the disk is full") + ", " + left + " KiB are left"
	}
	return &refusalError{kind, word, text}
}

// steps measures the named parts of an operation.
type steps struct {
	list  []Step
	now   int       // of list, the one under way
	began time.Time // zero if none is
}

// begin ends the step under way and begins another, whose events ctx then belongs to. One that was there
// before takes up its time.
func (s *steps) begin(ctx context.Context, name string) context.Context {
	s.end()
	s.now = slices.IndexFunc(s.list, func(was Step) bool { return was.Name == name })
	if s.now < 0 {
		s.now = len(s.list)
		s.list = append(s.list, Step{Name: name})
	}
	s.began = time.Now()
	deadline.Enter(ctx, name)
	return narrate.WithStep(ctx, name)
}

func (s *steps) end() {
	if !s.began.IsZero() {
		s.list[s.now].Seconds = seconds(time.Duration(s.list[s.now].Seconds*float64(time.Second)) + time.Since(s.began))
		s.began = time.Time{}
	}
}

// done ends the last step and returns all.
func (s *steps) done() []Step {
	s.end()
	return s.list
}

// current returns the name of the step that began last.
func (s *steps) current() string {
	if len(s.list) == 0 {
		return ""
	}
	return s.list[s.now].Name
}
