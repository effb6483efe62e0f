package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/narrate"
)

// reportInstall prints how it went: what failed, then a closing or a summary.
func reportInstall(u *ui, results []fleet.Result[davit.Receipt]) {
	printFailures(u, results)
	switch {
	case len(results) > 1:
		u.print(append([]string{""}, summary(results)...)...)
	case len(results) == 1 && results[0].Err == nil:
		u.print(ending(u, results[0].Value)...)
	}
}

// printFailures prints a block for each host that failed, and one for all that others' failures had not begun, or
// put back.
func printFailures[T any](u *ui, results []fleet.Result[T]) {
	var others []fleet.Result[T]
	for _, r := range results {
		switch {
		case r.Err == nil:
		case r.Reverted, errors.Is(r.Err, fleet.ErrNotBegun):
			others = append(others, r)
		default:
			u.printFailure(fleet.Err([]fleet.Result[T]{r}))
		}
	}
	if len(others) > 0 {
		u.printFailure(fleet.Err(others))
	}
}

// ending is the end of an install on one host. That it is done was told already, unless quiet.
func ending(u *ui, r davit.Receipt) []string {
	if u.quiet {
		return []string{fmt.Sprintf("%s %s is current on %s: %s", r.Daemon, short(r.Release), r.Host, r.Link)}
	}
	rows := [][]string{
		{"run it", r.Link},
		{"file", r.Path},
		{"sent", sent(r)},
	}
	rows = append(append(rows, serving(r)...), []string{"took", took(r.Seconds) + steps(r.Steps)})
	if r.Build != nil {
		rows = append(rows, []string{"built", howBuiltIn(*r.Build)})
	}
	if r.Previous != "" {
		rows = append(rows, []string{"before", r.Previous})
	}
	return indent(table(rows))
}

// steps says how long each step took: ": connect 0.4 s, probe 0.1 s".
func steps(all []davit.Step) string {
	separator, text := ": ", ""
	for _, s := range all {
		text += separator + s.Name + " " + took(s.Seconds)
		separator = ", "
	}
	return text
}

// sent says what travelled.
func sent(r davit.Receipt) string {
	switch {
	case r.Outcome == davit.UpToDate:
		return "nothing: it was current already"
	case r.Outcome == davit.Restored:
		return "nothing: the host had it"
	case r.Form == "":
		return "nothing: all " + narrate.Bytes(r.Resumed) + " were there from the last try"
	}
	text := narrate.Bytes(r.Sent)
	if r.Form != "plain" {
		text += fmt.Sprintf(" for %s (%s)", narrate.Bytes(r.Size-r.Resumed), r.Form)
	}
	if r.Resumed > 0 {
		text += ", " + narrate.Bytes(r.Resumed) + " were there from the last try"
	}
	return text
}

func indent(lines []string) []string {
	for i, line := range lines {
		lines[i] = "   " + line
	}
	return lines
}

// summary is the end of an install on several hosts.
func summary(results []fleet.Result[davit.Receipt]) []string {
	rows := [][]string{{"HOST", "RESULT", "RELEASE", "SENT", "TIME"}}
	for _, r := range results {
		if r.Err != nil {
			rows = append(rows, failedRow(r))
			continue
		}
		rows = append(rows, []string{
			r.Host, string(r.Value.Outcome), short(r.Value.Release), narrate.Bytes(r.Value.Sent), took(r.Value.Seconds),
		})
	}
	return append(table(rows), totals(results))
}

// printPlan prints what would be done, to people or, with --json, as one object.
func (u *ui) printPlan(p davit.Plan, hosts []string) {
	if u.json {
		json.NewEncoder(u.std.Out).Encode(struct {
			Hosts []string `json:"hosts"`
			davit.Plan
		}{hosts, p})
		return
	}
	u.print("On " + strings.Join(hosts, ", ") + ", and nothing was done yet:")
	u.print(indent(p.Lines)...)
	for _, s := range p.Scripts {
		u.print("", "# ---- "+s.Name+" ----", strings.TrimRight(s.Text, "\n"))
	}
}
