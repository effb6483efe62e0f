package davit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
	"github.com/davit-sh/davit/service"
)

// change is a change of a daemon that is to serve afterwards. The host keeps what was before until the change is
// committed, and puts it back by itself if our side says so, goes away, or takes too long.
type change struct {
	*conversation
	Run
	target  Target
	host    host.Host
	facts   *facts
	receipt *Receipt
	random  string // what the host calls this change
	release string // 12 hex, the one that is to run
	hold    bool   // it is not current yet
	recall  bool   // it is to run as it did when it was last committed

	guarded   bool
	until     time.Time // when the host puts back what was before
	committed bool
	restored  *restoration // what the host says that it has put back
	log       []string     // the last lines of the daemon that is not well
	before    *portUse     // who listened at its port before anything was changed; nil if nobody, or it
	blamed    error        // why it is not well, with who is to blame, if that is known
}

// restoration is what a host says of what it has put back.
type restoration struct {
	release string // "" if none was current
	state   State
	pid     int
	failed  string // why it could not; then the rest is not known
}

// lastLines is how many lines of a daemon's log are shown when it is not well.
const lastLines = 50

// same reports whether nothing would change: it runs as it is to run.
func (c *change) same() bool {
	d, err := c.definition()
	return err == nil && d == nil && !c.hold && c.facts.state == StateRunning
}

// perform makes the change, and says the last word.
func (c *change) perform(ctx context.Context) error {
	ctx = narrate.WithSecret(ctx, c.secrets()...)
	if err := c.begin(ctx); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	return c.finish(ctx)
}

// begin has the host keep what there is, and runs what is to be run before.
func (c *change) begin(ctx context.Context) error {
	ctx = c.steps.begin(ctx, "start")
	if err := c.fits(); err != nil {
		return err
	}
	patience := c.patience(ctx)
	c.until = time.Now().Add(patience)
	fresh := ""
	if c.Fresh {
		if _, ok := host.As[host.Renewable](c.host); !ok {
			return usage("%s cannot be connected to anew, to confirm over a fresh connection", c.host.Name())
		}
		fresh = "fresh"
	}
	c.guarded = true
	if err := c.say(ctx, "guard", strconv.Itoa(int(patience.Seconds())), fresh); err != nil {
		return err
	}
	if _, err := c.askPort(ctx); err != nil {
		return err
	}
	return c.hook(ctx, "before", c.Before)
}

// patience is after how long the host puts back what was before: that takes time, too, inside the limit.
func (c *change) patience(ctx context.Context) time.Duration {
	end, bounded := ctx.Deadline()
	if !bounded {
		return host.DefaultLimit
	}
	left := time.Until(end)
	return max(time.Second, left/2, left-c.grace()-restoring).Truncate(time.Second)
}

// restoring is what it takes to start what was before, once what is now has ended.
const restoring = 2 * time.Second

// grace is how long the daemon has to end.
func (c *change) grace() time.Duration {
	if c.Spec != nil && c.Spec.Stop > 0 {
		return c.Spec.Stop
	}
	return service.DefaultStopTimeout
}

// fits returns nil if the host can keep the daemon running in the way that is wanted.
func (c *change) fits() error {
	if c.facts.unfit != "" {
		return fmt.Errorf("%w: %s", ErrService, c.facts.unfit)
	}
	if c.facts.foreign != "" && !c.Adopt {
		return fmt.Errorf("%w: %s is there and is not Davit's", ErrInTheWay, c.facts.foreign)
	}
	return nil
}

// kind is what is to keep the daemon running.
func (c *change) kind() service.Kind { return cmp.Or(c.Kind, service.Kind(c.facts.kind)) }

// definition returns the description of the service that the host is to have, nil if it has it.
func (c *change) definition() (*service.Definition, error) {
	spec := service.Spec{}
	switch {
	case c.Spec != nil:
		spec = *c.Spec
	case c.facts.defined == "": // then it is run in the plainest way
	case c.kind() == service.Kind(c.facts.kind):
		return nil, nil
	default:
		return nil, usage("it runs by %s there; say how it is to be run by %s, in the manifest", c.facts.kind, c.Kind)
	}
	d, err := service.Define(c.kind(), spec, service.Place{
		Name: c.target.Name, System: c.target.Scope == System, User: c.facts.user, Home: c.facts.home,
		Base: c.facts.root + "/" + c.target.Name,
	})
	if err != nil {
		return nil, usage("%w", err)
	}
	d.Unit = scripts.Unit(d)
	sum := sha256.Sum256(append(append([]byte{}, d.Unit...), d.Env...))
	if c.facts.defined == hex.EncodeToString(sum[:]) && d.Kind == service.Kind(c.facts.kind) {
		return nil, nil
	}
	return &d, nil
}

// start has the host switch, put the description in force, and start the daemon.
func (c *change) start(ctx context.Context) error {
	ctx = c.steps.begin(ctx, "start")
	d, err := c.definition()
	if err != nil {
		return err
	}
	if c.recall {
		if err := c.say(ctx, "recall", c.release); err != nil {
			return err
		}
	}
	if d != nil {
		size := []string{"define", string(d.Kind), strconv.Itoa(len(d.Unit)), strconv.Itoa(len(d.Env))}
		if err := c.send(ctx, append(d.Unit, d.Env...), size...); err != nil {
			return err
		}
	}
	c.receipt.Service = string(c.kind())
	verb := "starting"
	if c.facts.state == StateRunning {
		verb = "restarting"
	}
	narrate.Emit(ctx, narrate.Event{
		Action: verb, Message: fmt.Sprintf("🚀 %s %s (%s)", capital(verb), c.target.Name, c.kind()),
		Attrs: map[string]any{"service": c.kind(), "scope": cmp.Or(c.target.Scope, User)},
	})
	switched := ""
	if c.hold {
		switched = c.release
	}
	if err := c.say(ctx, "run", switched); err != nil {
		return err
	}
	if c.hold {
		if _, err := c.wait(c.steps.begin(ctx, "activate"), "installed"); err != nil {
			return err
		}
		narrate.Sayf(ctx, "activate", "🔀 Release %s is current until it has shown that it serves", c.release)
		ctx = c.steps.begin(ctx, "start")
	}
	w, err := c.wait(ctx, "started")
	if err != nil {
		return err
	}
	c.receipt.PID, _ = strconv.Atoi(w.Rest)
	c.receipt.State = StateRunning
	narrate.Emit(ctx, narrate.Event{
		Action: "started", Message: fmt.Sprintf("✅ Started %s, pid %s", c.target.Name, w.Rest), Attrs: map[string]any{"pid": c.receipt.PID},
	})
	return nil
}

func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// wait is hear for what takes long on the host, which may remark on it meanwhile.
func (c *change) wait(ctx context.Context, words ...string) (host.Words, error) {
	for {
		w, err := c.hear(ctx, append(words, "remark", "healed", "port")...)
		if err != nil {
			return w, err
		}
		switch w.First {
		case "remark":
			narrate.Warnf(ctx, "remark", "%s", w.Rest)
		case "healed":
			narrate.Warnf(ctx, "healed", "A change that was broken off was put back first")
		case "port":
			c.notePort(ctx, w)
		default:
			return w, nil
		}
	}
}

// finish waits until the daemon serves, runs what is to be run then, and commits.
func (c *change) finish(ctx context.Context) error {
	if c.Fresh {
		return c.finishFresh(ctx)
	}
	if err := c.serves(ctx); err != nil {
		return err
	}
	if err := c.hook(ctx, "after", c.After); err != nil {
		return err
	}
	ctx = c.steps.begin(ctx, "commit")
	if err := c.say(ctx, "commit"); err != nil {
		return err
	}
	if err := c.say(ctx, "bye"); err != nil {
		return err
	}
	if err := c.hearCommitted(ctx); err != nil {
		return err
	}
	c.committed, c.receipt.Change = true, c.random
	for { // it may end now, which is not of this change
		if w, err := c.hear(ctx, "end", "died"); err != nil || w.First == "end" {
			return cmp.Or(err, c.talk.Close())
		}
	}
}

// hearCommitted hears whether the host has committed the change. It has not if the daemon had ended by then: what was
// before is put back. That it ends later is another matter.
func (c *change) hearCommitted(ctx context.Context) error {
	var died error
	for {
		w, err := c.wait(ctx, "committed", "died", "log", "logged", "restored", "unrestored")
		switch {
		case err != nil:
			return cmp.Or(died, err)
		case w.First == "committed":
			return nil
		case w.First == "died":
			died = &diedError{w.Rest}
		case w.First == "log":
			c.noteLog(ctx, w.Rest)
		default:
			died = cmp.Or[error](died, &diedError{"it ended before the change could be committed"})
		}
		if r := restorationOf(w); r != nil {
			c.restored = r
		}
	}
}

// serves waits until the daemon serves, and no longer than the host will.
func (c *change) serves(ctx context.Context) error {
	ctx = c.steps.begin(ctx, "health")
	ctx, cancel := context.WithDeadlineCause(ctx, c.until.Add(-time.Second/2), errNoTimeLeft)
	defer cancel()
	err := c.watched(ctx)
	if err == nil {
		err = c.ours(ctx)
	}
	if err == nil {
		c.receipt.Health = Healthy
	}
	return err
}

// watched looks at the daemon until it is well, or is not what was started any more.
func (c *change) watched(ctx context.Context) error {
	w := newWatch(ctx, c.conversation, c.host)
	defer w.end()
	err := c.look(w.ctx, w)
	if died, ok := errors.AsType[*diedError](context.Cause(w.ctx)); ok {
		err = died
	}
	return err
}

// look asks for the daemon's health until it is well.
func (c *change) look(ctx context.Context, a health.Asker) error {
	if c.Health == nil {
		settle := cmp.Or(c.Settle, DefaultSettle)
		narrate.Sayf(ctx, "settling", "⏳ Looking whether it still runs in %v", settle)
		select {
		case <-time.After(settle):
			narrate.Sayf(ctx, "settled", "✅ It runs")
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p := health.New(*c.Health, a)
	defer p.Close()
	_, err := p.Wait(ctx)
	return err
}

// errNoTimeLeft says that the host will not wait any longer for its daemon to serve.
var errNoTimeLeft = fmt.Errorf("%w: there is no time left to wait for it, and to put back what was before", ErrUnhealthy)

// diedError says that a daemon that was to serve is not what it was when it was started.
type diedError struct{ why string }

func (e *diedError) Error() string { return "it did not stay: " + e.why }

// Is reports true for [ErrUnhealthy].
func (e *diedError) Is(target error) bool { return target == ErrUnhealthy }

// hook runs what the user wants to be run then.
func (c *change) hook(ctx context.Context, when string, h Hook) error {
	if h == (Hook{}) {
		return nil
	}
	ctx = c.steps.begin(ctx, when)
	if h.Local != "" {
		narrate.Sayf(ctx, "hook", "🪝 Running the %s hook here", when)
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", h.Local)
		cmd.Env = append(cmd.Environ(), c.hookEnv()...)
		if err := narrate.Capture(ctx, cmd, narrate.CaptureOptions{}); err != nil {
			return fmt.Errorf("%w: %s, here: %w", ErrHook, when, err)
		}
	}
	if h.Remote == "" {
		return nil
	}
	narrate.Sayf(ctx, "hook", "🪝 Running the %s hook on %s", when, c.host.Name())
	text := ""
	for _, entry := range c.hookEnv() {
		name, value, _ := strings.Cut(entry, "=")
		text += "export " + name + "=" + host.Quote(value) + "\n"
	}
	text += h.Remote
	if err := c.send(ctx, []byte(text), "ask", strconv.Itoa(len(text)), "loud"); err != nil {
		return err
	}
	w, err := c.wait(ctx, "answer", "died")
	switch {
	case err != nil:
		return err
	case w.First == "died":
		return &diedError{w.Rest}
	case w.Rest != "0":
		return fmt.Errorf("%w: %s, on the host: exit status %s", ErrHook, when, w.Rest)
	}
	return nil
}

// hookEnv is what hooks are told.
func (c *change) hookEnv() []string {
	return []string{
		"DAVIT_DAEMON=" + c.target.Name, "DAVIT_HOST=" + c.host.Name(), "DAVIT_RELEASE=" + c.release, "DAVIT_PREVIOUS=" + c.facts.current,
	}
}

// finishFresh is finish by another connection, for the first may not survive what the daemon does.
func (c *change) finishFresh(ctx context.Context) error {
	ctx = c.steps.begin(ctx, "health")
	ctx, cancel := context.WithDeadlineCause(ctx, c.until.Add(-time.Second/2), errNoTimeLeft)
	defer cancel()
	again, _ := host.As[host.Renewable](c.host)
	renewed, err := again.Renew()
	if err != nil {
		return err
	}
	defer renewed.Close()
	narrate.Sayf(ctx, "connecting", "🔌 Connecting to %s anew", c.host.Name())
	if err := renewed.Connect(ctx); err != nil {
		return err
	}
	if err := c.look(ctx, questions{renewed}); err != nil {
		return err
	}
	if err := c.oursFresh(ctx); err != nil {
		return err
	}
	c.receipt.Health = Healthy
	if err := c.hook(ctx, "after", c.After); err != nil {
		return err
	}
	ctx = c.steps.begin(ctx, "commit")
	last := conversation{password: c.password}
	place := scripts.Place{System: c.target.Scope == System, Dir: c.target.Dir}
	if err := last.start(ctx, renewed, scripts.Confirm(place, c.target.Name, c.random, "commit"), c.target.Scope, c.target.Password); err != nil {
		return err
	}
	if _, err := last.hear(ctx, "confirmed"); err != nil {
		return err
	}
	c.committed, c.receipt.Change = true, c.random
	return last.talk.Close()
}

// undo has the host put back what was before, and hears of it. It reports whether the host has said so.
func (c *change) undo(ctx context.Context, cause error) bool {
	ctx, cancel := deadline.Cleanup(ctx)
	defer cancel()
	if left, ok := deadline.Remaining(ctx); ok && cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		// What is left of the limit is for this.
		longer, stop := context.WithTimeout(context.WithoutCancel(ctx), max(0, left-deadline.Reserve(left)/8))
		defer stop()
		ctx = longer
	}
	ctx = narrate.WithSecret(narrate.WithStep(ctx, "restore"), c.secrets()...)
	if !c.over && errors.Is(cause, ErrUnhealthy) {
		c.blamed = c.blame(ctx, cause)
		c.lastWords(ctx)
	}
	if !c.over {
		narrate.Warnf(ctx, "restoring", "↩️  Putting back what was before")
		if c.say(ctx, "undo") != nil {
			return false
		}
	}
	for !c.over {
		w, err := c.talk.Hear(ctx)
		if err != nil {
			return false
		}
		c.note(w)
		if r := restorationOf(w); r != nil {
			c.restored = r
		}
	}
	c.talk.Close()
	return true
}

// restorationOf returns what the host says of what it put back, nil if it says something else.
func restorationOf(w host.Words) *restoration {
	switch w.First {
	case "restored":
		fields := append(strings.Fields(w.Rest), "", "", "")
		r := &restoration{release: strings.TrimPrefix(fields[0], "releases/"), state: State(fields[1])}
		r.pid, _ = strconv.Atoi(fields[2])
		if r.release == "none" {
			r.release = ""
		}
		if r.state == "kept" { // it was not touched
			r.state = ""
		}
		return r
	case "unrestored":
		return &restoration{failed: refusal(w.Rest).Error()}
	}
	return nil
}

// lastWords tells the last lines of the daemon's log, and keeps them.
func (c *change) lastWords(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWordsWait)
	defer cancel()
	if c.say(ctx, "log", strconv.Itoa(lastLines)) != nil {
		return
	}
	for {
		w, err := c.next(ctx)
		if err != nil || w.First == "end" || w.First == "logged" {
			return
		}
		if w.First == "log" {
			c.noteLog(ctx, w.Rest)
		}
	}
}

// noteLog tells a line of the daemon's log, and keeps it.
func (c *change) noteLog(ctx context.Context, line string) {
	narrate.Outputf(ctx, "stdout", "%s", line)
	c.log = append(c.log, c.masked(line))
}

// secrets are the values that the daemon's environment has and nobody is to see.
func (c *change) secrets() (values []string) {
	if c.Spec == nil {
		return nil
	}
	for _, entry := range c.Spec.Secrets {
		if _, value, _ := strings.Cut(entry, "="); value != "" {
			values = append(values, value)
		}
	}
	return values
}

func (c *change) masked(line string) string {
	for _, secret := range c.secrets() {
		line = strings.ReplaceAll(line, secret, narrate.Mask)
	}
	return line
}

// state says what the host is like after a change that failed.
func (c *change) state(heard bool) string {
	name, on := c.target.Name, c.host.Name()
	was := "release " + c.facts.current
	if c.facts.current == "" {
		was = "nothing, for it was not installed"
	}
	switch {
	case !c.guarded:
		return "nothing was touched on " + on
	case c.committed:
		return "the change is committed on " + on
	case !heard:
		return on + " puts back by itself what was before: " + was
	case c.restored == nil: // it had not begun to change anything
		return name + " is as it was on " + on
	case c.restored.failed != "":
		return "WHAT WAS BEFORE COULD NOT BE PUT BACK on " + on + ": " + c.restored.failed
	case c.restored.release == "":
		return name + " is not installed on " + on + ", as before"
	case c.restored.state == StateRunning:
		return fmt.Sprintf("release %s runs again on %s, as before (pid %d)", c.restored.release, on, c.restored.pid)
	}
	return fmt.Sprintf("release %s is current on %s and does not run, as before", c.restored.release, on)
}

// verdict is err, or why the daemon is not well and what became of that.
func (c *change) verdict(err error) error {
	restored := c.restored != nil && c.restored.failed == ""
	if c.blamed != nil {
		err = c.blamed
	}
	if !errors.Is(err, ErrUnhealthy) && !errors.Is(err, ErrHook) {
		return err
	}
	return &UnhealthyError{Err: err, Log: c.log, Restored: restored}
}
