package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/build"
	"github.com/davit-sh/davit/internal/demo"
	"github.com/davit-sh/davit/manifest"
	"github.com/davit-sh/davit/narrate"
)

// printFailure prints what went wrong, the state that the host is in, and what to do, each on
// lines of its own, below the lines before.
func printFailure(w io.Writer, err error, color bool, before ...string) {
	var b strings.Builder
	label := func(word, sequence, text string) {
		if text == "" {
			return
		}
		word += ":"
		if color {
			word = sequence + word + "\x1b[0m"
		}
		for line := range strings.Lines(strings.TrimSpace(text)) {
			fmt.Fprintf(&b, "davit: %s %s\n", word, narrate.Visible(strings.TrimRight(line, "\r\n")))
		}
	}
	for _, line := range before {
		b.WriteString(narrate.Visible(line) + "\n")
	}
	label("error", "\x1b[1;31m", err.Error())
	if e, ok := errors.AsType[*manifest.Error](err); ok {
		for line := range strings.Lines(e.Excerpt) {
			b.WriteString("  " + narrate.Visible(strings.TrimRight(line, "\n")) + "\n")
		}
	}
	label("state", "\x1b[1m", stateOf(err))
	label("hint", "\x1b[1;36m", hintOf(err))
	io.WriteString(w, b.String())
}

// printFailure prints what went wrong. What a build that failed has printed comes first, if it was not
// told already.
func (u *ui) printFailure(err error) {
	var output []string
	if e, ok := errors.AsType[*build.Error](err); ok && (u.quiet || u.json) {
		output = e.Output
	}
	printFailure(u.std.Err, err, u.ErrColor, output...)
}

func stateOf(err error) string {
	if e, ok := errors.AsType[*davit.Error](err); ok {
		return e.State
	}
	return ""
}

func hintOf(err error) string {
	if e, ok := errors.AsType[*usageError](err); ok && e.hint != "" {
		return e.hint
	}
	if e, ok := errors.AsType[*manifest.Error](err); ok {
		return e.Hint
	}
	if e, ok := errors.AsType[*demo.Error](err); ok {
		return e.Hint
	}
	if hint := davit.Hint(err); hint != "" {
		return hint
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "if it only needs longer, give it: --timeout 15m"
	}
	return ""
}
