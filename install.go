package davit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
)

// Install puts the executable on h and makes it current, or leaves h as it was. With o.Run it has the daemon run it,
// too, and puts back what was before if that does not serve. It is done or failed within the limit. Every failure is an [*Error]; [ExitCode] and [Hint] tell more of it.
// Install does not close h.
func Install(ctx context.Context, h host.Host, o InstallOptions) (Receipt, error) {
	return o.install(ctx, h, verb{"install", "Install daemon", DefaultInstallTimeout})
}

func (o InstallOptions) install(ctx context.Context, h host.Host, v verb) (Receipt, error) {
	o.Timeout = cmp.Or(o.Timeout, v.limit)
	ctx = narrate.WithActor(narrate.WithHost(ctx, h.Name()), v.name)
	file, err := o.open()
	if err != nil {
		return Receipt{}, &Error{
			Operation: v.name, Daemon: o.Name, Host: h.Name(), Err: err, State: "nothing was touched", Hint: Hint(err),
		}
	}
	i := &install{InstallOptions: o.resolved(), verb: v, host: h, file: file}
	i.receipt = Receipt{Operation: v.name, Daemon: i.Name, Host: h.Name(), Started: time.Now().UTC()}
	limit := deadline.Limit{Label: v.label, After: i.Timeout}
	receipt, err := deadline.Value(ctx, limit, i.run)
	if err == nil {
		return receipt, nil
	}
	if _, told := errors.AsType[*Error](err); !told {
		// It was left behind at the limit: what it knows of the host is not ours to read.
		err = &Error{Operation: v.name, Daemon: i.Name, Host: h.Name(), Err: err, State: stateUnheard}
	}
	return Receipt{}, err
}

// install is an install under way.
type install struct {
	InstallOptions
	verb
	host host.Host
	file *artifact.File // nil until it is built

	conversation
	sha256  string
	random  string // what the host calls this install
	facts   facts
	begun   bool    // the host was told to change something
	change  *change // nil if the daemon is not to run
	sent    bool    // all it needs for that is on its way
	receipt Receipt
}

// run is the whole of it, as a story.
func (i *install) run(ctx context.Context) (Receipt, error) {
	narrate.Sayf(ctx, "install_start", "📦 Installing %s on %s", i.described(), i.host.Name())
	err := i.perform(ctx)
	i.receipt.Steps = i.steps.done()
	i.receipt.Seconds = seconds(time.Since(i.receipt.Started))
	if err != nil {
		return i.receipt, i.failed(ctx, err)
	}
	narrate.Emit(ctx, narrate.Event{Action: "install_complete", Message: i.closing(), Attrs: map[string]any{
		"release": i.sha256, "outcome": i.receipt.Outcome, "path": i.receipt.Path, "link": i.receipt.Link, "sent": i.receipt.Sent,
		"resumed": i.receipt.Resumed,
	}})
	return i.receipt, nil
}

func (i *install) perform(ctx context.Context) error {
	if err := i.connect(ctx); err != nil {
		return err
	}
	if i.Build != nil {
		if err := i.build(ctx); err != nil {
			return err
		}
	}
	if err := i.probe(ctx); err != nil {
		return err
	}
	current := i.facts.have && i.facts.linked && i.facts.current == i.id()
	switch {
	case i.Run != nil:
		return i.runIt(ctx, current)
	case current:
		return i.keep(ctx)
	case i.facts.have:
		return i.restore(ctx)
	}
	if err := i.transfer(ctx); err != nil {
		return err
	}
	if err := i.verify(ctx); err != nil {
		return err
	}
	return i.activate(ctx)
}

// runIt installs the release, unless it is current, as a change of a daemon that then runs.
func (i *install) runIt(ctx context.Context, current bool) error {
	i.change.release, i.change.hold = i.id(), !current
	if err := i.change.fits(); err != nil {
		return err
	}
	switch {
	case i.change.same():
		i.receipt.Outcome = UpToDate
		return i.change.affirm(ctx)
	case current:
		i.receipt.Outcome = Restarted
		if i.facts.state != StateRunning {
			i.receipt.Outcome = Started
		}
	case i.facts.have:
		i.receipt.Outcome = Restored
		narrate.Sayf(ctx, "restoring", "♻️  Release %s is on the host already", i.id())
	default:
		i.receipt.Outcome = Installed
		if err := i.transfer(ctx); err != nil {
			return err
		}
		if err := i.verify(ctx); err != nil {
			return err
		}
	}
	i.begun = true
	return i.change.perform(ctx)
}

// described names the daemon, and what is known of its executable.
func (i *install) described() string {
	if i.file == nil {
		return i.Name
	}
	return fmt.Sprintf("%s (%s, %s)", i.Name, narrate.Bytes(i.file.Size), i.file.Needs)
}

// connect signs in to the host, and reads the executable, if it is there, meanwhile.
func (i *install) connect(ctx context.Context) error {
	ctx = i.steps.begin(ctx, "connect")
	narrate.Sayf(ctx, "connecting", "🔌 Connecting to %s", i.host.Name())
	if i.file == nil {
		return i.host.Connect(ctx)
	}
	type digest struct {
		sha256 string
		err    error
	}
	read := make(chan digest, 1)
	go func() {
		sha256, err := i.file.Digest(ctx)
		read <- digest{sha256, err}
	}()
	if err := i.host.Connect(ctx); err != nil {
		return err
	}
	d := <-read
	i.sha256 = d.sha256
	return d.err
}

// build has the executable built for what a look at the host finds. The look is a conversation of its own: while
// a compiler works nothing of ours runs on the host, and nothing was touched there.
func (i *install) build(ctx context.Context) error {
	at := i.steps.begin(ctx, "probe")
	f, err := i.look(at, i.host, scripts.Place{System: i.Scope == System, Dir: i.Dir}, i.Scope, i.Password)
	if err != nil {
		return err
	}
	if err := i.say(at, "bye"); err != nil {
		return err
	}
	i.settle(at)
	if err := f.able(); err != nil {
		return err
	}
	at = i.steps.begin(ctx, "build")
	built, err := i.Build.Build(at, f.platform)
	if err != nil {
		return err
	}
	i.file = built.File
	i.receipt.Build = &Build{Tool: built.Tool, Platform: f.platform.String(), Cached: built.Cached, Seconds: built.Seconds}
	i.sha256, err = i.file.Digest(at)
	return err
}

// probe learns what the host is and has, and refuses what cannot work there.
func (i *install) probe(ctx context.Context) error {
	ctx = i.steps.begin(ctx, "probe")
	random := newRandom()
	script := i.script(i.verb.name, random, i.sha256, i.file.Size)
	if err := i.start(ctx, i.host, script, i.Scope, i.Password); err != nil {
		return err
	}
	if err := i.hearOfLife(ctx, &i.facts); err != nil {
		return err
	}
	if i.Run != nil {
		i.change = &change{
			conversation: &i.conversation, Run: *i.Run, target: Target{Name: i.Name, Scope: i.Scope, Dir: i.Dir, Password: i.Password},
			host: i.host, facts: &i.facts, receipt: &i.receipt, random: random,
		}
	}
	i.receipt.Release, i.receipt.Size, i.random = i.sha256, i.file.Size, random
	if i.facts.current != i.id() {
		i.receipt.Previous = i.facts.current
	}
	i.receipt.Path = i.facts.root + "/" + i.Name + "/releases/" + i.id() + "/" + i.Name
	i.receipt.Link = i.facts.bin + "/" + i.Name
	current := "current release: " + cmp.Or(i.facts.current, "none")
	if i.Build == nil { // else it is told already what the host is
		current = i.facts.summary() + ", " + current
	}
	narrate.Emit(ctx, narrate.Event{Action: "probe", Message: "🔎 " + current, Attrs: i.facts.attrs()})
	return i.facts.suit(i.file, i.Name)
}

// keep is all there is to do when the release is current.
func (i *install) keep(ctx context.Context) error {
	i.receipt.Outcome = UpToDate
	return i.part(ctx, "keep")
}

// restore makes a release current that the host still has.
func (i *install) restore(ctx context.Context) error {
	i.begun, i.sent = true, true
	ctx = i.steps.begin(ctx, "activate")
	narrate.Sayf(ctx, "restoring", "♻️  Release %s is on the host already", i.id())
	if err := i.say(ctx, "switch"); err != nil {
		return err
	}
	i.receipt.Outcome = Restored
	return i.switched(ctx)
}

// transfer sends what the host does not have of the executable.
func (i *install) transfer(ctx context.Context) error {
	ctx = i.steps.begin(ctx, "transfer")
	i.begun = true
	i.receipt.Resumed = min(i.facts.partial, i.file.Size) / blockSize * blockSize
	narrate.Sayf(ctx, "create_dir", "📁 Using %s/%s", i.facts.root, i.Name)
	return i.deliver(ctx, i.receipt.Resumed)
}

// deliver sends the executable, but for the first bytes, which the host has.
func (i *install) deliver(ctx context.Context, offset int64) error {
	copying := fmt.Sprintf("📤 Copying %s (%s) to %s", i.Name, narrate.Bytes(i.file.Size), i.host.Name())
	if offset > 0 {
		copying += fmt.Sprintf(", which has %s of it from the last try", narrate.Bytes(offset))
	}
	hold := ""
	if i.Run != nil {
		hold = "hold"
	}
	if err := i.say(ctx, "take", fmt.Sprint(offset), hold); err != nil {
		return err
	}
	roundTrip := time.Duration(0)
	if m, ok := host.As[host.Measured](i.host); ok {
		roundTrip = m.RoundTrip()
	}
	d := delivery{conversation: &i.conversation, file: i.file, pace: newPace(i.facts.form(), roundTrip), made: make(chan struct{}, 1), arrived: offset}
	narrate.Emit(ctx, narrate.Event{
		Action: "copying", Message: copying, Attrs: map[string]any{"bytes": i.file.Size, "resumed": offset},
	})
	err := i.reason(ctx, d.run(ctx))
	i.receipt.Sent += d.sent
	i.receipt.Form = d.form()
	i.sent = d.all
	if errors.Is(err, host.ErrLost) {
		return &lostError{d.arrived, i.file.Size, err}
	}
	return err
}

// verify waits for the host to find the same bytes that we have. If it does not, and some of them
// came with an earlier try, all are sent again, once.
func (i *install) verify(ctx context.Context) error {
	ctx = i.steps.begin(ctx, "verify")
	verdict, err := i.hear(ctx, "chmod", "again")
	if err == nil && verdict.First == "again" {
		narrate.Warnf(ctx, "again", "What the host had from the last try is not of this executable: sending all of it")
		i.receipt.Resumed = 0
		if err := i.deliver(i.steps.begin(ctx, "transfer"), 0); err != nil {
			return err
		}
		ctx = i.steps.begin(ctx, "verify")
		_, err = i.hear(ctx, "chmod")
	}
	if err != nil {
		return err
	}
	narrate.Sayf(ctx, "chmod", "🔐 Made %s executable", i.Name)
	if _, err := i.hear(ctx, "verified"); err != nil {
		return err
	}
	narrate.Sayf(ctx, "verify", "✅ Verified on the host: SHA-256 %s…, %s", i.id(), narrate.Bytes(i.file.Size))
	return nil
}

// activate waits for the host to switch to the new release.
func (i *install) activate(ctx context.Context) error {
	ctx = i.steps.begin(ctx, "activate")
	i.receipt.Outcome = Installed
	return i.switched(ctx)
}

func (i *install) switched(ctx context.Context) error {
	if _, err := i.hear(ctx, "installed"); err != nil {
		return err
	}
	was := ""
	if i.receipt.Previous != "" {
		was = ", " + i.receipt.Previous + " is kept as the previous one"
	}
	i.receipt.Change = i.random
	narrate.Sayf(ctx, "activate", "🔀 Release %s is current%s", i.id(), was)
	if i.facts.managed {
		narrate.Sayf(ctx, "restart_needed", "ℹ️  It runs from the next start on: davit restart %s %s", host.Quote(i.Name), host.Quote(i.host.Name()))
	}
	return i.part(ctx, "bye")
}

func (i *install) closing() string {
	took := time.Duration(i.receipt.Seconds * float64(time.Second)).Round(10 * time.Millisecond)
	switch i.receipt.Outcome {
	case UpToDate:
		return fmt.Sprintf("🎉 %s is up to date on %s: release %s, nothing sent, in %v", i.Name, i.host.Name(), i.id(), took)
	case Restored:
		return fmt.Sprintf("🎉 Installed %s on %s: %s, nothing sent, in %v", i.Name, i.host.Name(), i.receipt.Link, took)
	}
	resumed := ""
	if i.receipt.Resumed > 0 {
		resumed = fmt.Sprintf(" (%s were there from the last try)", narrate.Bytes(i.receipt.Resumed))
	}
	return fmt.Sprintf("🎉 Installed %s on %s: %s, %s sent%s, in %v", i.Name, i.host.Name(), i.receipt.Link, narrate.Bytes(i.receipt.Sent), resumed, took)
}

// id names the release on the host.
func (i *install) id() string { return releaseID(i.sha256) }

func releaseID(sha256 string) string { return sha256[:min(12, len(sha256))] }

// failed leaves the host as it was, as far as it can be reached, and says how that is.
func (i *install) failed(ctx context.Context, err error) error {
	e := &Error{Operation: i.verb.name, Daemon: i.Name, Host: i.host.Name(), Step: i.steps.current(), Err: err}
	if i.change != nil && i.change.guarded {
		heard := i.change.undo(ctx, err)
		e.Err, e.State = i.change.verdict(err), i.change.state(heard)
	} else {
		e.State = i.state(i.stop(ctx, i.lastWord(err)))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Step = "" // the limit's own error names the step
	}
	e.Hint = i.hint(e.Err)
	return e
}

// lastWord returns the word that ends the script: what arrived is kept for the next try if it was the
// limit that ended this one, for the next may have all the time; nobody else is likely to go on.
func (i *install) lastWord(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "pause"
	}
	return "abort"
}

// stateUnheard is what can be said of a host that may or may not have gone on.
const stateUnheard = "the host ends by itself what was begun there; it runs the release it ran before, or the new one, whole"

// state says what the host is like; heard is that it has told us so itself.
func (i *install) state(heard bool) string {
	now := i.facts.current
	if i.now != nil {
		now = *i.now
	}
	runs := "its current release is " + now
	switch {
	case now == "":
		runs = i.Name + " is not installed there"
	case now == i.facts.current:
		runs += ", as before"
	}
	switch {
	case !i.begun: // and not all of the facts may be known
		return "nothing was touched on " + i.host.Name()
	case heard && now == i.id():
		return "the new release " + now + " is current on " + i.host.Name() + "; nothing else is left of the attempt"
	case heard && i.kept > 0:
		return i.host.Name() + " keeps the " + narrate.Bytes(i.kept) + " that arrived for the next try, for a day, and nothing else of the attempt; " + runs
	case heard:
		return "nothing is left of the attempt on " + i.host.Name() + "; " + runs
	case i.sent:
		return stateUnheard
	}
	return i.host.Name() + " ends by itself what was begun there, and keeps what had arrived for the next try, for a day; " + runs
}

// hint adds what only an install knows to the hints of its causes.
func (i *install) hint(err error) string {
	switch {
	case Hint(err) != "":
		return Hint(err)
	case i.change != nil && (i.change.guarded || i.facts.foreign != "" || errors.Is(err, ErrService)):
		return lifeHint(err, i.Name, i.host.Name())
	case errors.Is(err, ErrLocked):
		return "wait until it has ended, then try again"
	case errors.Is(err, ErrInTheWay):
		return "move it away, or choose another name with --name"
	case errors.Is(err, ErrSpace):
		return "make room on the host, or name another directory with --dir"
	case errors.Is(err, ErrPermission) && i.Scope == User:
		return "change the owner or the mode, or name another directory with --dir"
	case errors.Is(err, host.ErrLost), errors.Is(err, ErrCorrupt):
		return "try again"
	case errors.Is(err, context.DeadlineExceeded) && i.steps.current() == "build":
		return "build it once without a host, with davit build, so that its parts are there; or give it more time with --timeout"
	case errors.Is(err, context.DeadlineExceeded):
		return "look at the connection with: davit check " + host.Quote(i.host.Name()) + "; or give it more time with --timeout"
	}
	return ""
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}
