package davit

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/scripts"
)

// DefaultLogLines is how many lines of a log are told.
const DefaultLogLines = 100

// LogsOptions say what of a daemon's log to tell.
type LogsOptions struct {
	Target
	Lines  int    // the last so many, 100 if 0
	Since  string // none from before: 10m, 2h, or a time in the form 2006-01-02 15:04:05; where the log has times
	Follow bool   // go on until ctx ends
}

// Validate returns an error of kind [ErrUsage] if the options cannot be used whatever the host.
func (o LogsOptions) Validate() error {
	if o.Lines < 0 {
		return usage("%d lines are asked for; it must be more than 0", o.Lines)
	}
	if _, err := o.since(); err != nil {
		return err
	}
	return o.Target.Validate()
}

// since returns the time in the form that hosts are told.
func (o LogsOptions) since() (string, error) {
	if o.Since == "" {
		return "", nil
	}
	if d, err := time.ParseDuration(o.Since); err == nil && d > 0 {
		return time.Now().Add(-d).UTC().Format("2006-01-02 15:04:05 UTC"), nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, o.Since, time.Local); err == nil {
			return t.UTC().Format("2006-01-02 15:04:05 UTC"), nil
		}
	}
	if t, err := time.Parse(time.RFC3339, o.Since); err == nil {
		return t.UTC().Format("2006-01-02 15:04:05 UTC"), nil
	}
	return "", usage("%q is no time: write 10m, 2h, or 2006-01-02 15:04:05", o.Since)
}

// Logs gives each line of the daemon's log on h to line, the oldest first. Following ends with ctx, and that is no
// failure; without it the limit is [DefaultStatusTimeout]. Every failure is an [*Error]. Logs does not close h.
func Logs(ctx context.Context, h host.Host, o LogsOptions, line func(string)) error {
	op := &operation{Target: o.Target, verb: verb{"logs", "Read logs", DefaultStatusTimeout}, host: h}
	if o.Follow && o.Timeout == 0 {
		op.Timeout = followFor
	}
	_, err := within(ctx, op, o.Validate(), func(ctx context.Context) (struct{}, error) {
		since, _ := o.since()
		err := op.show(ctx, scripts.Query{
			What: scripts.Log, Name: o.Name, Lines: cmp.Or(o.Lines, DefaultLogLines), Since: since, Follow: o.Follow,
		}, func(w host.Words) error {
			if w.First == "log" {
				line(w.Rest)
			}
			return nil
		})
		if o.Follow && op.talk != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			op.talk.Close()
			return struct{}{}, nil
		}
		if err != nil {
			return struct{}{}, op.failed(ctx, err)
		}
		return struct{}{}, nil
	})
	return err
}

// followFor is how long a log is followed that nobody says a limit for.
const followFor = 30 * 24 * time.Hour
