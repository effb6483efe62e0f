package deadline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/davit-sh/davit/narrate"
)

// Error says that a limit ended. [errors.Is] finds [context.DeadlineExceeded] in it.
type Error struct {
	Label string        // of the limit that ended
	After time.Duration // that limit
	at    position
}

// Error names the limit, the step it ended in and how far that was:
//
//	install daemon timed out after 300 seconds (transfer, 61% of 104857600 bytes sent)
func (e *Error) Error() string {
	unit := "seconds"
	if e.After == time.Second {
		unit = "second"
	}
	text := fmt.Sprintf("%s timed out after %s %s", lower(e.Label), strconv.FormatFloat(e.After.Seconds(), 'f', -1, 64), unit)
	if where := e.at.String(); where != "" {
		text += " (" + where + ")"
	}
	return text
}

// Unwrap returns [context.DeadlineExceeded].
func (e *Error) Unwrap() error { return context.DeadlineExceeded }

// Step returns the step that was under way when the limit ended, or "".
func (e *Error) Step() string {
	e.at.mu.Lock()
	defer e.at.mu.Unlock()
	return e.at.step
}

func isOrWraps(err error, limit *Error) bool {
	var e *Error
	return errors.As(err, &e) && e == limit
}

// position is where the work is, learnt from what it tells. It stands still once the work's
// time has ended: clean-up is not what timed out.
type position struct {
	mu    sync.Mutex
	until context.Context
	step  string
	far   string
}

// Emit takes the step and the progress of e.
func (p *position) Emit(e narrate.Event) error {
	if p.until.Err() != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Step != "" && e.Step != p.step {
		p.step, p.far = e.Step, ""
	}
	if e.Kind == narrate.Progress {
		p.far = far(e.Attrs)
	}
	return nil
}

// Prompt says that Emit never waits.
func (p *position) Prompt() {}

func far(attrs map[string]any) string {
	done, _ := attrs["done"].(int64)
	total, _ := attrs["total"].(int64)
	unit, _ := attrs["unit"].(string)
	if unit == "bytes" {
		unit = "bytes sent"
	}
	if total <= 0 {
		return fmt.Sprintf("%d %s", done, unit)
	}
	return fmt.Sprintf("%d%% of %d %s", done*100/total, total, unit)
}

// String returns "transfer, 61% of 104857600 bytes sent", as far as it is known.
func (p *position) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.TrimPrefix(strings.TrimSuffix(p.step+", "+p.far, ", "), ", ")
}
