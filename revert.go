package davit

import (
	"context"
	"fmt"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
)

// RevertOptions say which change is to be taken back.
type RevertOptions struct {
	Target
	Change string        // of the [Receipt] of the operation that made it
	Grace  time.Duration // as in StopOptions
}

// Validate returns an error of kind [ErrUsage] if the options cannot be used whatever the host.
func (o RevertOptions) Validate() error {
	if o.Change == "" {
		return usage("nothing says which change is to be taken back")
	}
	if o.Grace < 0 {
		return usage("the time to end is %v; it must be more than 0", o.Grace)
	}
	return o.Target.Validate()
}

// Revert takes back what an operation has changed on h: the release, how it is run, and whether it runs are as
// they were before. Only the last change can be taken back. Every failure is an [*Error]. Its limit is
// [DefaultRollbackTimeout], unless another is given. Revert does not close h.
func Revert(ctx context.Context, h host.Host, o RevertOptions) (Receipt, error) {
	return o.operate(ctx, h, verb{"revert", "Revert daemon", DefaultRollbackTimeout}, o.Validate(), func(ctx context.Context, op *operation) error {
		grace := StopOptions{Grace: o.Grace}.grace(ctx)
		if err := op.look(ctx, newRandom(), scripts.Life{Grace: grace, Outcome: string(Reverted)}); err != nil {
			return err
		}
		r, err := op.revert(ctx, o.Change)
		if err != nil {
			return err
		}
		op.receipt.Previous, op.receipt.Release = op.facts.current, r.release
		op.receipt.State, op.receipt.PID = r.state, r.pid
		is := "release " + r.release + " is current"
		if r.release == "" {
			is, op.receipt.State, op.receipt.Link = "it is not installed", StateAbsent, ""
		}
		op.done(ctx, Reverted, "Reverted %s on %s: %s, as before", op.Name, h.Name(), is)
		return nil
	})
}

// revert has the host put back what was before the change.
func (op *operation) revert(ctx context.Context, change string) (*restoration, error) {
	ctx = op.steps.begin(ctx, "restore")
	narrate.Sayf(ctx, "restoring", "↩️  Putting back what was before")
	op.begun = true
	if err := op.say(ctx, "revert", change); err != nil {
		return nil, err
	}
	var r *restoration
	for {
		w, err := op.next(ctx)
		switch {
		case err != nil:
			return nil, err
		case w.First == "end" && r == nil:
			return nil, op.endedWith(w)
		case w.First == "end" && r.failed != "":
			return nil, fmt.Errorf("%w: what was before could not be put back: %s", ErrRefused, r.failed)
		case w.First == "end":
			return r, op.talk.Close()
		}
		if said := restorationOf(w); said != nil {
			r = said
		}
	}
}
