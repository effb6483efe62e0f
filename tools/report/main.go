// Report reads what go test -json prints and says what is worth reading: packages, tests that
// failed with what they said, tests that were skipped with the reason, and, at the end, what
// tests have to report even if they pass: the lines that they log after "REPORT: ".
//
//	go test -json ./... | go -C tools run ./report -may-skip TestVictim
//
// It exits with 1 if anything failed, or, with CI=true, if a test was skipped that may not be.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	maySkip := flag.String("may-skip", "", "names of tests that may be skipped even in CI, separated by commas")
	flag.Parse()
	r := report{out: os.Stdout, maySkip: strings.Split(*maySkip, ","), strict: os.Getenv("CI") == "true"}
	ok, err := r.read(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action, Package, ImportPath, Test, Output string
}

type report struct {
	out     io.Writer
	maySkip []string
	strict  bool // a skipped test is a failed one

	said           map[string]string // by package and test
	reports        map[string]string // the same
	reporters      []string          // the keys of reports, in the order in which they came
	passed, failed int
	skipped        []string            // reasons, in the order in which they came
	because        map[string][]string // tests by reason
}

// read reads events to their end and reports whether all is well.
func (r *report) read(in io.Reader) (ok bool, err error) {
	r.said, r.reports, r.because = map[string]string{}, map[string]string{}, map[string][]string{}
	for dec := json.NewDecoder(in); ; {
		var e event
		switch err := dec.Decode(&e); {
		case errors.Is(err, io.EOF):
			return r.summary(), nil
		case err != nil:
			return false, fmt.Errorf("go test -json: %w", err)
		}
		r.take(e)
	}
}

func (r *report) take(e event) {
	key := e.Package + e.ImportPath + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		if !strings.HasPrefix(strings.TrimSpace(e.Output), "=== ") {
			r.said[key] += e.Output
		}
		r.note(key, e.Output)
		return
	case "build-fail":
		r.failed++
		fmt.Fprint(r.out, r.said[key])
	case "fail":
		r.failed++
		fmt.Fprint(r.out, r.said[key])
	case "pass":
		if e.Test == "" {
			fmt.Fprint(r.out, lastLine(r.said[key]))
			break
		}
		r.passed++
	case "skip":
		if e.Test != "" {
			r.skip(e, r.said[key])
		}
	default:
		return
	}
	delete(r.said, key)
}

// note keeps a line that a test wants to be read: "    odd_test.go:12: REPORT: three hosts".
func (r *report) note(key, output string) {
	line, ok := strings.CutPrefix(logged(output), "REPORT: ")
	if !ok {
		return
	}
	if r.reports[key] == "" {
		r.reporters = append(r.reporters, key)
	}
	r.reports[key] += line + "\n"
}

// logged returns what a test logged, without the place where it did.
func logged(line string) string {
	line = strings.TrimSpace(line)
	if file, text, ok := strings.Cut(line, ".go:"); ok && !strings.Contains(file, " ") {
		_, line, _ = strings.Cut(text, ": ")
	}
	return line
}

// skip notes why a test was skipped: "    need.go:45: SKIPPED, NOT TESTED: no sshd".
func (r *report) skip(e event, said string) {
	why, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	why = strings.TrimPrefix(logged(why), "SKIPPED, NOT TESTED: ")
	if r.because[why] == nil {
		r.skipped = append(r.skipped, why)
	}
	r.because[why] = append(r.because[why], e.Test)
}

func (r *report) summary() (ok bool) {
	ok = r.failed == 0
	for _, key := range r.reporters {
		fmt.Fprint(r.out, r.reports[key])
	}
	for _, why := range r.skipped {
		tests := slices.DeleteFunc(r.because[why], func(test string) bool { return slices.Contains(r.maySkip, test) })
		if len(tests) == 0 {
			continue
		}
		ok = ok && !r.strict
		fmt.Fprintf(r.out, "SKIPPED, NOT TESTED: %s: %s\n", why, strings.Join(tests, ", "))
	}
	fmt.Fprintf(r.out, "%d tests passed, %d failures\n", r.passed, r.failed)
	if r.failed == 0 && !ok {
		fmt.Fprintln(r.out, "in CI a skipped test is a failed one")
	}
	return ok && r.passed > 0
}

func lastLine(text string) string {
	lines := strings.SplitAfter(strings.TrimRight(text, "\n")+"\n", "\n")
	return lines[len(lines)-2]
}
