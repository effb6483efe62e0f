package davit

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
	"github.com/davit-sh/davit/service"
)

// verb is an operation on a daemon that is on a host.
type verb struct {
	name  string // "start"
	label string // of its limit: "Start daemon"
	limit time.Duration
}

// operation is one under way.
type operation struct {
	Target
	verb
	host host.Host
	conversation
	facts   facts
	receipt Receipt
	change  *change // nil until there is one
	begun   bool    // the host was told to change something
}

// operate does f within the limit of the target, on a host that it has connected to.
func (t Target) operate(ctx context.Context, h host.Host, v verb, invalid error, f func(context.Context, *operation) error) (Receipt, error) {
	t.Scope = cmp.Or(t.Scope, User)
	op := &operation{Target: t, verb: v, host: h}
	op.receipt = Receipt{Operation: v.name, Daemon: t.Name, Host: h.Name(), Started: time.Now().UTC()}
	return within(ctx, op, invalid, func(ctx context.Context) (Receipt, error) {
		err := op.connect(ctx)
		if err == nil {
			err = f(ctx, op)
		}
		op.receipt.Steps = op.steps.done()
		op.receipt.Seconds = seconds(time.Since(op.receipt.Started))
		if err != nil {
			return op.receipt, op.failed(ctx, err)
		}
		return op.receipt, nil
	})
}

// within runs f within the limit of op. Every failure is an [*Error].
func within[T any](ctx context.Context, op *operation, invalid error, f func(context.Context) (T, error)) (T, error) {
	var none T
	ctx = narrate.WithActor(narrate.WithHost(ctx, op.host.Name()), op.verb.name)
	if invalid != nil {
		return none, &Error{
			Operation: op.verb.name, Daemon: op.Name, Host: op.host.Name(), Err: invalid, State: "nothing was touched", Hint: Hint(invalid),
		}
	}
	value, err := deadline.Value(ctx, deadline.Limit{Label: op.label, After: cmp.Or(op.Timeout, op.limit)}, f)
	if err == nil {
		return value, nil
	}
	if _, told := errors.AsType[*Error](err); !told {
		err = &Error{Operation: op.verb.name, Daemon: op.Name, Host: op.host.Name(), Err: err, Hint: Hint(err)}
	}
	return value, err
}

func (op *operation) place() scripts.Place {
	return scripts.Place{System: op.Scope == System, Dir: op.Dir}
}

// connect signs in to the host.
func (op *operation) connect(ctx context.Context) error {
	ctx = op.steps.begin(ctx, "connect")
	narrate.Sayf(ctx, "connecting", "🔌 Connecting to %s", op.host.Name())
	return op.host.Connect(ctx)
}

// look starts the conversation, and learns how the daemon is on the host.
func (op *operation) look(ctx context.Context, random string, life scripts.Life) error {
	ctx = op.steps.begin(ctx, "probe")
	script := scripts.Operate(op.verb.name, op.place(), scripts.Release{
		Name: op.Name, Keep: DefaultKeep, Random: random, Holder: whoami(), Line: logLine(op.verb.name),
	}, life)
	if err := op.start(ctx, op.host, script, op.Scope, op.Password); err != nil {
		return err
	}
	if err := op.hearOf(ctx); err != nil {
		return err
	}
	op.receipt.Release, op.receipt.Previous = op.facts.current, op.facts.previous
	op.receipt.Link = op.facts.bin + "/" + op.Name
	narrate.Emit(ctx, narrate.Event{
		Action: "probe", Message: "🔎 " + op.facts.lifeSummary(op.Name), Attrs: map[string]any{
			"state": op.facts.state, "release": op.facts.current, "service": op.facts.kind, "pid": op.facts.pid,
		},
	})
	return nil
}

// hearOfLife hears the facts, and has what was broken off put back first.
func (c *conversation) hearOfLife(ctx context.Context, f *facts) error {
	var err error
	if *f, err = c.hearFacts(ctx, "ready"); err != nil || !f.pending {
		return err
	}
	narrate.Warnf(ctx, "healing", "A change was broken off here, and is put back first")
	if err := c.say(ctx, "heal"); err != nil {
		return err
	}
	*f, err = c.hearFacts(ctx, "ready")
	return err
}

func (op *operation) hearOf(ctx context.Context) error { return op.hearOfLife(ctx, &op.facts) }

// installed returns nil if the daemon is there.
func (op *operation) installed() error {
	if op.facts.current == "" {
		return fmt.Errorf("%w: %s", ErrNotInstalled, op.Name)
	}
	return nil
}

// newChange returns a change of the daemon to a release that is on the host.
func (op *operation) newChange(r Run, random string) *change {
	op.change = &change{
		conversation: &op.conversation, Run: r, target: op.Target, host: op.host, facts: &op.facts, receipt: &op.receipt,
		random: random, release: op.facts.current,
	}
	return op.change
}

// newRandom returns a word that nobody else uses.
func newRandom() string { return strings.ToLower(rand.Text()[:10]) }

// done tells that the operation is, and what it came to.
func (op *operation) done(ctx context.Context, outcome Outcome, format string, args ...any) {
	op.receipt.Outcome = outcome
	took := time.Since(op.receipt.Started).Round(10 * time.Millisecond)
	narrate.Emit(ctx, narrate.Event{
		Action:  op.verb.name + "_complete",
		Message: "🎉 " + fmt.Sprintf(format, args...) + fmt.Sprintf(", in %v", took),
		Attrs: map[string]any{
			"outcome": outcome, "release": op.receipt.Release, "state": op.receipt.State, "pid": op.receipt.PID, "service": op.receipt.Service,
		},
	})
}

// failed leaves the host as it was, as far as it can be reached, and says how that is.
func (op *operation) failed(ctx context.Context, err error) error {
	e := &Error{Operation: op.verb.name, Daemon: op.Name, Host: op.host.Name(), Step: op.steps.current(), Err: err}
	switch {
	case op.change != nil && op.change.guarded:
		heard := op.change.undo(ctx, err)
		e.Err, e.State = op.change.verdict(err), op.change.state(heard)
	case op.begun:
		heard := op.stop(ctx, "abort")
		e.State = "the host has ended what was begun on " + op.host.Name() + "; davit status tells how it is"
		if !heard {
			e.State = op.host.Name() + " ends by itself what was begun there; davit status tells how it is"
		}
	default:
		op.stop(ctx, "abort")
		e.State = "nothing was touched on " + op.host.Name()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Step = "" // the limit's own error names the step
	}
	e.Hint = lifeHint(e.Err, op.Name, op.host.Name())
	return e
}

// lifeHint adds what concerns a daemon's life to the hints of causes.
func lifeHint(err error, name, on string) string {
	at := host.Quote(name) + " " + host.Quote(on)
	switch {
	case Hint(err) != "":
		return Hint(err)
	case errors.Is(err, ErrNotInstalled):
		return "put it there: davit install " + at
	case errors.Is(err, ErrRunning):
		return "stop it first: davit stop " + at + "; or say --stop"
	case errors.Is(err, ErrLocked):
		return "wait until it has ended, then try again"
	case errors.Is(err, ErrInTheWay):
		return "look at it; --adopt replaces it, and keeps a copy"
	case errors.Is(err, ErrService):
		return "leave --service out for what fits the host, or say --service process"
	case errors.Is(err, ErrNoRelease):
		return "davit releases " + at + " lists those that are there"
	case errors.Is(err, ErrPortTaken):
		return "end that process, or have " + name + " listen elsewhere; of what stands before it ask for health by a command"
	case errors.Is(err, ErrUnhealthy):
		return "look at what it says: davit logs " + at
	case errors.Is(err, host.ErrLost):
		return "see how it is: davit status " + at
	case errors.Is(err, context.DeadlineExceeded):
		return "give it more time with --timeout, or look at the connection with: davit check " + host.Quote(on)
	}
	return ""
}

// lifeSummary says how the daemon is, in a line.
func (f *facts) lifeSummary(name string) string {
	if f.current == "" {
		return name + " is not installed"
	}
	text := fmt.Sprintf("%s %s", name, f.current)
	if f.defined == "" && f.state != StateRunning {
		return text + " is installed, and was not started by davit"
	}
	text += fmt.Sprintf(" is %s (%s", f.state, f.kind)
	if f.pid > 0 {
		text += fmt.Sprintf(", pid %d", f.pid)
	}
	if f.why != "" && f.state != StateRunning {
		text += ": " + f.why
	}
	return text + ")"
}

// find returns the name of the release on the host that begins so.
func (f *facts) find(prefix string) (string, error) {
	var found []string
	for _, release := range f.releases {
		if strings.HasPrefix(release, prefix) {
			found = append(found, release)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: %s is not on the host", ErrNoRelease, prefix)
	case 1:
		return found[0], nil
	}
	slices.Sort(found)
	return "", fmt.Errorf("%w: %s may be %s", ErrNoRelease, prefix, strings.Join(found, " or "))
}

// life returns what a host must know of an operation that is to do that.
func (r Run) life(outcome Outcome) scripts.Life {
	grace := service.DefaultStopTimeout
	if r.Spec != nil && r.Spec.Stop > 0 {
		grace = r.Spec.Stop
	}
	return scripts.Life{Kind: string(r.Kind), Grace: wholeSeconds(grace), Adopt: r.Adopt, Outcome: string(outcome)}
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
