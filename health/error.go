package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/davit-sh/davit/narrate"
)

// The kinds of answers, for errors.Is.
var (
	// ErrUnhealthy: the daemon does not serve, or not as it should; look at its log.
	ErrUnhealthy = errors.New("unhealthy")
	// ErrCannotAsk: it is not known whether the daemon serves; asking again does not help.
	ErrCannotAsk = errors.New("health cannot be asked for")
)

// Error says why a daemon is not known to be healthy. errors.Is finds both the kind and the cause.
type Error struct {
	Target   string        // what was asked; see [Check.String]
	Reason   string        // what came of the last look, in words: `status 503, want 2xx: "warming up"`
	Attempts int           // the looks of [Prober.Wait]; 0 of [Prober.Once]
	After    time.Duration // how long they took

	// Kind is ErrUnhealthy or ErrCannotAsk. It is nil if something else ended the looks, which Err says.
	Kind error
	// Err is the cause: what ended the context, [host.ErrLost]; nil if the daemon is unhealthy.
	Err  error
	Hint string // a way out; may be empty
}

// Error is one line, fit to be shown.
func (e *Error) Error() string {
	seen := e.Target
	if e.Reason != "" {
		seen += ": " + e.Reason
	}
	switch {
	case e.Attempts > 0 && e.Kind == ErrUnhealthy:
		return fmt.Sprintf("unhealthy after %s in %v: %s", times(e.Attempts), short(e.After), seen)
	case e.Err == nil:
		return seen
	case e.Attempts > 0 && e.Reason != "":
		return fmt.Sprintf("%v; not healthy in %s before: %s", e.Err, times(e.Attempts), seen)
	case e.Reason != "":
		return fmt.Sprintf("%s: %v", seen, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Target, e.Err)
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() (all []error) {
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

func times(attempts int) string {
	if attempts == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", attempts)
}

// short returns d as people want it.
func short(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// excerptLimit is how much of what a daemon says is shown, in bytes.
const excerptLimit = 200

// fit returns text as a piece of an error: on one line, without secrets, and short. Secrets go before
// anything is cut: half of one would not be known as one.
func fit(ctx context.Context, text string) string {
	for _, secret := range narrate.Secrets(ctx) {
		text = strings.ReplaceAll(text, secret, narrate.Mask)
	}
	text = narrate.Visible(strings.Join(strings.Fields(text), " "))
	if len(text) <= excerptLimit {
		return text
	}
	const more = "…"
	end := excerptLimit - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// quoted returns what a daemon said as the end of a reason, if it said anything.
func quoted(ctx context.Context, text string) string {
	if text = fit(ctx, text); text == "" {
		return ""
	}
	return `: "` + text + `"`
}
