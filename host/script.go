package host

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/davit-sh/davit/deadline"
)

// Script is POSIX sh that runs under a host's /bin/sh, whatever the login shell. It finds, as
// variables of the shell, its Vars and:
//
//	sentinel  a random word that begins every line it says to us; see [Talk.Hear]
//	seconds   the time that remains, in whole seconds, after which it must have ended itself
//	fullblock "yes" if the host's dd takes iflag=fullblock, and so exactly as many bytes as it is told
//	next      in a script that another goes Through: the command that runs that one
type Script struct {
	Name string // for people
	Vars []Var
	Body string
	// Terse says that the lines of Body that are comments or empty are no part of anything longer, such as
	// a here-document: then they do not travel.
	Terse bool

	// Through, if set, runs first and hands over with: exec … /bin/sh -c "$next".
	Through *Script
	// Secret, if set, is a line on stdin that follows the text of a script, for the program
	// that it hands over to. It is in no argument, event or error.
	Secret string
}

// Var is a variable of a script. Its name must be one of the shell's.
type Var struct{ Name, Value string }

// DefaultLimit is how long a script may run that is started without a limit.
const DefaultLimit = time.Hour

// Text returns what the host's shell runs, for people: the variables, quoted, and the body.
func (s Script) Text() string { return s.assignments() + s.Body }

// Sent returns what travels: the same, without comments if they need not.
func (s Script) Sent() string {
	if !s.Terse {
		return s.Text()
	}
	var b strings.Builder
	for line := range strings.Lines(s.Body) {
		if word := strings.TrimLeft(line, " \t"); word != "\n" && !strings.HasPrefix(word, "#") {
			b.WriteString(line)
		}
	}
	return s.assignments() + b.String()
}

func (s Script) assignments() string {
	var b strings.Builder
	for _, v := range s.Vars {
		fmt.Fprintf(&b, "%s=%s\n", v.Name, Quote(v.Value))
	}
	return b.String()
}

// Quote returns value as one word of any POSIX shell. It is the only way in which values come
// into a script. NUL bytes, which no shell can hold, are dropped.
func Quote(value string) string {
	return shellescape.Quote(strings.ReplaceAll(value, "\x00", ""))
}

// with returns s with further variables, which stand first.
func (s Script) with(vars ...Var) Script {
	s.Vars = append(vars, s.Vars...)
	return s
}

// padding are lines for a login's own start-up files to read, should they read stdin.
const padding = "\n\n\n\n\n\n\n\n"

// boot returns the command that reads and runs a text of size bytes that follows on stdin, between
// two lines of the sentinel. Every login shell understands it: it has no newline and no exclamation
// mark, one pair of single quotes, and a backslash only before an n. Nothing is read that is beyond
// the text, for that is the text's own: a dd that can takes it at once, else the shell does, byte by
// byte. A text that is cut short is not run. In a locale of UTF-8 bash would lose bytes of a value that
// is not UTF-8.
//
// What runs beside is a clock, for a network that swallows the text: it ends the shell, unless that
// has ended, or has the text, whose first line ends the clock.
func boot(sentinel string, size, seconds int) string {
	return fmt.Sprintf(`exec /bin/sh -c '`+
		`(i=%[3]d; while kill -0 $$ && [ $i -gt 0 ]; do sleep 1; i=$((i-1)); done; kill $$) >/dev/null 2>&1 & `+
		`LC_ALL=C; while read -r l || exit; do case $l in %[1]s) break ;; esac; done; `+
		`if t=$(dd bs=%[2]d count=1 iflag=fullblock 2>/dev/null); then fullblock=yes; else `+
		`fullblock=no; n=$(printf "\n."); n=${n%%.}; t=; `+
		`while IFS= read -r l || exit; do t=$t$l$n; case $l in %[1]s) break ;; esac; done; t=${t%%$n}; fi; `+
		`case $t in *%[1]s) eval "${t%%%[1]s}" ;; esac'`, sentinel, size, seconds)
}

// letter returns text as boot's command wants it on stdin, and the size that it must be told.
func letter(sentinel, text string) (stdin string, size int) {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	text = "kill $!\n" + text + sentinel + "\n"
	return padding + sentinel + "\n" + text, len(text)
}

// start returns the command that starts s, and what must follow on its stdin.
func (s Script) start(sentinel string, seconds int) (command string, stdin []byte) {
	common := []Var{{"sentinel", sentinel}, {"seconds", fmt.Sprint(seconds)}}
	text, size := letter(sentinel, s.with(common...).Sent())
	command = boot(sentinel, size, seconds)
	if s.Through == nil {
		return command, []byte(text)
	}
	before, size := letter(sentinel, s.Through.with(append(common, Var{"next", command})...).Sent())
	if s.Through.Secret != "" {
		before += s.Through.Secret + "\n"
	}
	return boot(sentinel, size, seconds), []byte(before + text)
}

// remaining returns how many seconds a script that is started now may run: as long as the caller
// waits for it, and at least one.
func remaining(ctx context.Context) int {
	left, ok := deadline.Remaining(ctx)
	if end, bounded := ctx.Deadline(); !ok && bounded {
		left, ok = time.Until(end), true
	}
	if !ok {
		left = DefaultLimit
	}
	return max(1, int(math.Ceil(left.Seconds())))
}
