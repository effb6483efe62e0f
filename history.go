package davit

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/scripts"
)

// DefaultHistoryLines is how much of a daemon's history is told.
const DefaultHistoryLines = 20

// Entry is one line of what was done to a daemon on a host.
type Entry struct {
	Time      time.Time `json:"time"`
	Who       string    `json:"who"`
	Operation string    `json:"operation"`
	Release   string    `json:"release"` // the one that was current afterwards
	Outcome   string    `json:"outcome"`
}

// HistoryOptions say how much of a daemon's history to tell.
type HistoryOptions struct {
	Target
	Lines int // the last so many, 20 if 0
}

// History returns what was done to the daemon on h, the oldest first. It changes nothing there. Lines that it cannot
// read are left out. Every failure is an [*Error]. History does not close h.
func History(ctx context.Context, h host.Host, o HistoryOptions) ([]Entry, error) {
	op := &operation{Target: o.Target, verb: verb{"history", "Read history", DefaultStatusTimeout}, host: h}
	invalid := o.Validate()
	if o.Lines < 0 {
		invalid = usage("%d lines are asked for; it must be more than 0", o.Lines)
	}
	return within(ctx, op, invalid, func(ctx context.Context) ([]Entry, error) {
		all := []Entry{}
		query := scripts.Query{What: scripts.History, Name: o.Name, Lines: cmp.Or(o.Lines, DefaultHistoryLines)}
		err := op.show(ctx, query, func(w host.Words) error {
			e := Entry{}
			if w.First == "line" && json.Unmarshal([]byte(w.Rest), &e) == nil {
				all = append(all, e)
			}
			return nil
		})
		if err == nil && len(all) == 0 {
			err = op.installed()
		}
		if err != nil {
			return nil, op.failed(ctx, err)
		}
		return all, nil
	})
}
