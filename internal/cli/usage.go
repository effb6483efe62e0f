package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/spelling"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError says that the command cannot be run as it was written. Nothing was done.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the cause and the kind.
func (e *usageError) Unwrap() []error { return []error{e.err, davit.ErrUsage} }

func usagef(hint, format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), hint: hint}
}

// asUsage makes err, which was found before anything was done, a usage error with its own hint.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err: err, hint: davit.Hint(err)}
}

// helpFor is the hint when there is no better one.
func helpFor(cmd *cobra.Command) string { return cmd.CommandPath() + " --help tells how it is used" }

// flagError is what becomes of an error of the flags' parser.
func flagError(cmd *cobra.Command, err error) error {
	hint := helpFor(cmd)
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if near := nearest(unknown.GetSpecifiedName(), cmd.Flags()); near != "" {
			hint = "did you mean --" + near + "?"
		}
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok && wrong.GetFlag().Value.Type() == "duration" {
		hint = "a time has a unit: 90s, 5m, 1h30m"
	}
	return usagef(hint, "%w", err)
}

// nearest returns the flag that name is most likely a misspelling of, or "".
func nearest(name string, flags *pflag.FlagSet) string {
	best, least := "", 3 // a misspelling is two strokes at most
	flags.VisitAll(func(f *pflag.Flag) {
		d := spelling.Distance(name, f.Name)
		if len(name) > 2 && strings.HasPrefix(f.Name, name) {
			d = 1
		}
		if d < least && d < len(name) {
			best, least = f.Name, d
		}
	})
	return best
}
