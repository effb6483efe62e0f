package davit

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// DefaultRollbackTimeout is the time that a rollback has, all of it.
const DefaultRollbackTimeout = 2 * time.Minute

// RollbackOptions say which daemon goes back, and to what.
type RollbackOptions struct {
	Target
	// Release is the beginning of the name of one that is on the host, 4 digits at least; the previous one if empty.
	Release string
	// Run is how it is run then. Without a Spec it is run as it was when that release was last committed.
	Run
}

var releaseName = regexp.MustCompile("^[0-9a-f]{4,12}$")

// Validate returns an error of kind [ErrUsage] if the options cannot be used whatever the host.
func (o RollbackOptions) Validate() error {
	if o.Release != "" && !releaseName.MatchString(o.Release) {
		return usage("%q is no release: its name, or the beginning of it, is 4 to 12 digits of 0-9 and a-f", o.Release)
	}
	if err := o.Target.Validate(); err != nil {
		return err
	}
	return o.Run.validate()
}

// Rollback makes a release current again that is on h. If the daemon runs it is started anew, and must serve, or
// what was before is put back. Every failure is an [*Error]. Rollback does not close h.
func Rollback(ctx context.Context, h host.Host, o RollbackOptions) (Receipt, error) {
	return o.operate(ctx, h, verb{"rollback", "Roll back daemon", DefaultRollbackTimeout}, o.Validate(), func(ctx context.Context, op *operation) error {
		random := newRandom()
		if err := op.look(ctx, random, o.life(RolledBack)); err != nil {
			return err
		}
		release, err := op.earlier(o.Release)
		if err != nil {
			return err
		}
		was := op.facts.current
		narrate.Sayf(ctx, "rolling_back", "⏪ From release %s to %s", was, release)
		op.receipt.Release, op.receipt.Previous = release, was
		if op.facts.state == StateRunning || op.facts.state == StateFailed {
			c := op.newChange(o.Run, random)
			c.release, c.hold, c.recall = release, true, o.Spec == nil
			err = c.perform(ctx)
		} else {
			err = op.switchTo(ctx, release, random)
		}
		if err != nil {
			return err
		}
		op.done(ctx, RolledBack, "Rolled %s back on %s: release %s is current", op.Name, h.Name(), release)
		return nil
	})
}

// earlier returns the release on the host that is meant.
func (op *operation) earlier(release string) (string, error) {
	if err := op.installed(); err != nil {
		return "", err
	}
	if release == "" {
		release = op.facts.previous
	}
	if release == "" {
		return "", fmt.Errorf("%w: there is no previous one to go back to", ErrNoRelease)
	}
	release, err := op.facts.find(release)
	if err == nil && release == op.facts.current {
		err = fmt.Errorf("%w: %s is current", ErrNoRelease, release)
	}
	return release, err
}

// switchTo makes the release current, of a daemon that does not run.
func (op *operation) switchTo(ctx context.Context, release, random string) error {
	ctx = op.steps.begin(ctx, "activate")
	op.begun = true
	if err := op.say(ctx, "switch", release); err != nil {
		return err
	}
	if _, err := op.hear(ctx, "installed"); err != nil {
		return err
	}
	op.receipt.State, op.receipt.Change = StateStopped, random
	narrate.Sayf(ctx, "activate", "🔀 Release %s is current; %s does not run", release, op.Name)
	return op.part(ctx, "bye")
}
