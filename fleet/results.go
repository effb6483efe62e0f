package fleet

import (
	"errors"
	"fmt"
	"strings"

	"github.com/davit-sh/davit"
)

// ExitCode returns the exit code that stands for all results: that of an interruption if there
// was one; the one that all hosts that were begun have in common; [davit.ExitPartly] if only some
// failed, also if the others were put back; and [davit.ExitFailed] if all failed, but not alike.
func ExitCode[T any](results []Result[T]) int {
	codes, stopped := map[int]bool{}, false
	for _, r := range results {
		switch {
		case r.Reverted:
			codes[davit.ExitDone], stopped = true, true
		case r.RevertErr != nil:
			codes[davit.ExitDone], codes[davit.ExitCode(r.RevertErr)] = true, true
		case errors.Is(r.Err, ErrNotBegun) && errors.Is(r.Err, ErrStopped):
			stopped = true
		default:
			codes[davit.ExitCode(r.Err)] = true
		}
	}
	switch {
	case codes[davit.ExitInterrupted]:
		return davit.ExitInterrupted
	case codes[davit.ExitDone] && len(codes) > 1:
		return davit.ExitPartly
	case len(codes) > 1, stopped && (len(codes) == 0 || codes[davit.ExitDone]):
		return davit.ExitFailed
	}
	for code := range codes {
		return code
	}
	return davit.ExitDone
}

// Err returns nil if every host succeeded, the error of the one that failed, or one that says in
// a line what those that failed say, hosts that say the same together.
func Err[T any](results []Result[T]) error {
	var failed failures
	for _, r := range results {
		if r.Err != nil {
			failed = append(failed, failure{r.Host, r.Err})
		}
	}
	switch len(failed) {
	case 0:
		return nil
	case 1:
		return failed[0].named()
	}
	return failed
}

// failure is how it failed on one host.
type failure struct {
	host string
	err  error
}

// named returns the error, with the host's name before it unless an operation's error says it already.
func (f failure) named() error {
	if e, ok := errors.AsType[*davit.Error](f.err); ok && e.Host != "" {
		return f.err
	}
	return fmt.Errorf("%s: %w", f.host, f.err)
}

// nameless is what it says without the host's name.
func (f failure) nameless() string {
	if e, ok := f.err.(*davit.Error); ok {
		of := *e
		of.Host = ""
		return of.Error()
	}
	return f.err.Error()
}

// maxReasons is how many different reasons are told in a line.
const maxReasons = 6

// failures are how it failed on several hosts.
type failures []failure

// Error says each reason once, and the hosts that have it.
func (f failures) Error() string {
	var texts []string
	reasons := map[string][]failure{}
	for _, one := range f {
		text := one.nameless()
		if reasons[text] == nil {
			texts = append(texts, text)
		}
		reasons[text] = append(reasons[text], one)
	}
	var parts []string
	told := 0
	for _, text := range texts[:min(len(texts), maxReasons)] {
		alike := reasons[text]
		told += len(alike)
		if len(alike) == 1 {
			parts = append(parts, alike[0].named().Error())
			continue
		}
		var hosts []string
		for _, one := range alike {
			hosts = append(hosts, one.host)
		}
		parts = append(parts, fmt.Sprintf("%d hosts (%s): %s", len(hosts), list(hosts), text))
	}
	if left := len(f) - told; left > 0 {
		parts = append(parts, fmt.Sprintf("and %d more failed", left))
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns the errors of all hosts.
func (f failures) Unwrap() []error {
	var all []error
	for _, one := range f {
		all = append(all, one.named())
	}
	return all
}

// maxListed is how many hosts a list names.
const maxListed = 3

// list writes names: "a, b, c and 9 more".
func list(names []string) string {
	if len(names) <= maxListed+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
}
