package davit

import (
	"context"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// DefaultStartTimeout is the time that a start or a restart has, all of it.
const DefaultStartTimeout = 2 * time.Minute

// StartOptions say which daemon to start, and how.
type StartOptions struct {
	Target
	Run
}

// Validate returns an error of kind [ErrUsage] if the options cannot be used whatever the host.
func (o StartOptions) Validate() error {
	if err := o.Target.Validate(); err != nil {
		return err
	}
	return o.Run.validate()
}

// Start has the daemon run on h, and returns when it serves. One that runs already as it is to run is only looked
// at. If it does not serve, what was before is put back: it is stopped again, or runs as it did. Every
// failure is an [*Error]. Start does not close h.
func Start(ctx context.Context, h host.Host, o StartOptions) (Receipt, error) {
	return o.operate(ctx, h, verb{"start", "Start daemon", DefaultStartTimeout}, o.Validate(), func(ctx context.Context, op *operation) error {
		return op.run(ctx, o.Run, Started)
	})
}

// Restart is Start for a daemon that may run: it is ended, and started anew.
func Restart(ctx context.Context, h host.Host, o StartOptions) (Receipt, error) {
	return o.operate(ctx, h, verb{"restart", "Restart daemon", DefaultStartTimeout}, o.Validate(), func(ctx context.Context, op *operation) error {
		return op.run(ctx, o.Run, Restarted)
	})
}

// run starts the daemon, anew if that is the outcome.
func (op *operation) run(ctx context.Context, r Run, outcome Outcome) error {
	random := newRandom()
	if err := op.look(ctx, random, r.life(outcome)); err != nil {
		return err
	}
	if err := op.installed(); err != nil {
		return err
	}
	c := op.newChange(r, random)
	if outcome == Started && c.same() {
		if err := c.affirm(ctx); err != nil {
			return err
		}
		op.done(ctx, UpToDate, "%s runs already on %s: release %s, pid %d", op.Name, op.host.Name(), op.receipt.Release, op.receipt.PID)
		return nil
	}
	if err := c.perform(ctx); err != nil {
		return err
	}
	op.done(ctx, outcome, "%s %s on %s: release %s, pid %d", capital(string(outcome)), op.Name, op.host.Name(), op.receipt.Release, op.receipt.PID)
	return nil
}

// affirm looks whether a daemon that runs as it is to run serves, and changes nothing.
func (c *change) affirm(ctx context.Context) error {
	ctx = c.steps.begin(ctx, "health")
	c.receipt.Service, c.receipt.PID, c.receipt.State = c.facts.kind, c.facts.pid, StateRunning
	if c.Health != nil {
		w := newWatch(ctx, c.conversation, c.host)
		err := c.look(w.ctx, w)
		w.end()
		if err != nil {
			return err
		}
		c.receipt.Health = Healthy
	}
	narrate.Sayf(ctx, "unchanged", "✅ Nothing is to be changed")
	return c.part(ctx, "bye")
}
