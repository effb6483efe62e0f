package davit

import (
	"context"
	"fmt"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
)

// DefaultUninstallTimeout is the time that an uninstall has, all of it.
const DefaultUninstallTimeout = time.Minute

// UninstallOptions say which daemon to remove.
type UninstallOptions struct {
	Target
	Stop     bool          // one that runs is stopped; else it is refused
	Grace    time.Duration // as in StopOptions
	KeepData bool          // its logs and its history stay
}

// Validate returns an error of kind [ErrUsage] if the options cannot be used whatever the host.
func (o UninstallOptions) Validate() error {
	if o.Grace < 0 {
		return usage("the time to end is %v; it must be more than 0", o.Grace)
	}
	return o.Target.Validate()
}

// Uninstall removes the daemon from h with all that Davit has made for it there: releases, links, the service.
// Of one that is half removed it removes the rest. Every failure is an [*Error]. Uninstall does not close h.
func Uninstall(ctx context.Context, h host.Host, o UninstallOptions) (Receipt, error) {
	return o.operate(ctx, h, verb{"uninstall", "Uninstall daemon", DefaultUninstallTimeout}, o.Validate(), func(ctx context.Context, op *operation) error {
		grace := StopOptions{Grace: o.Grace}.grace(ctx)
		if err := op.look(ctx, newRandom(), scripts.Life{Grace: grace, Outcome: string(Uninstalled)}); err != nil {
			return err
		}
		f := &op.facts
		if !f.present && !f.linked && !f.ours {
			return op.installed()
		}
		if f.state == StateRunning && !o.Stop {
			return fmt.Errorf("%w: %s, pid %d", ErrRunning, f.kind, f.pid)
		}
		ctx = op.steps.begin(ctx, "remove")
		narrate.Sayf(ctx, "removing", "🧹 Removing %s from %s", op.Name, h.Name())
		op.begun = true
		keep := ""
		if o.KeepData {
			keep = "keep"
		}
		if err := op.say(ctx, "drop", keep); err != nil {
			return err
		}
		if _, err := op.hear(ctx, "dropped"); err != nil {
			return err
		}
		if err := op.part(ctx, "bye"); err != nil {
			return err
		}
		op.receipt.State, op.receipt.Link = StateAbsent, ""
		op.done(ctx, Uninstalled, "Uninstalled %s from %s", op.Name, h.Name())
		return nil
	})
}
