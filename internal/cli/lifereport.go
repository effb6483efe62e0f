package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
)

// reportLife prints how it went: what failed, then a closing or a summary.
func reportLife(u *ui, results []fleet.Result[davit.Receipt]) {
	printFailures(u, results)
	switch {
	case len(results) > 1:
		u.print(append([]string{""}, lifeSummary(results)...)...)
	case len(results) == 1 && results[0].Err == nil:
		u.print(lifeEnding(u, results[0].Value)...)
	}
}

// lifeEnding is the end of an operation on one host. That it is done was told already, unless quiet.
func lifeEnding(u *ui, r davit.Receipt) []string {
	if u.quiet {
		text := fmt.Sprintf("%s %s on %s", r.Daemon, r.Outcome, r.Host)
		if r.State == davit.StateRunning {
			text += fmt.Sprintf(": release %s, pid %d", short(r.Release), r.PID)
		}
		return []string{text}
	}
	rows := serving(r)
	if r.State != davit.StateAbsent && r.Release != "" {
		rows = append(rows, []string{"release", short(r.Release)})
	}
	return indent(table(append(rows, []string{"took", took(r.Seconds) + steps(r.Steps)})))
}

// serving are the rows that say how the daemon runs, none if that was not touched.
func serving(r davit.Receipt) [][]string {
	var rows [][]string
	if r.Service != "" {
		rows = append(rows, []string{"service", r.Service + ", " + string(r.State)})
	}
	if r.PID > 0 {
		rows = append(rows, []string{"pid", fmt.Sprint(r.PID)})
	}
	if r.Health != "" {
		rows = append(rows, []string{"health", string(r.Health)})
	}
	return rows
}

// lifeSummary is the end of an operation on several hosts.
func lifeSummary(results []fleet.Result[davit.Receipt]) []string {
	rows := [][]string{{"HOST", "RESULT", "RELEASE", "STATE", "TIME"}}
	for _, r := range results {
		if r.Err != nil {
			rows = append(rows, failedRow(r))
			continue
		}
		v := r.Value
		rows = append(rows, []string{r.Host, string(v.Outcome), orDash(short(v.Release)), orDash(string(v.State)), took(v.Seconds)})
	}
	return append(table(rows), totals(results))
}

// failure is what became of a host that is not as was asked for.
type failure string

// The failures, as they are counted.
const (
	failed    failure = "failed"
	putBack   failure = "put back"
	notBack   failure = "NOT put back"
	untouched failure = "not begun"
)

// failureOf returns what became of a host whose result has an error.
func failureOf(r fleet.Result[davit.Receipt]) failure {
	switch {
	case r.Reverted:
		return putBack
	case r.RevertErr != nil:
		return notBack
	case errors.Is(r.Err, fleet.ErrNotBegun):
		return untouched
	}
	return failed
}

// failedRow is the row of a summary for such a host.
func failedRow(r fleet.Result[davit.Receipt]) []string {
	what, time := failureOf(r), "-"
	if r.Seconds > 0 {
		time = took(r.Seconds)
	}
	row := []string{r.Host, string(what), "-", "-", time}
	switch what {
	case failed:
		row = append(row, fmt.Sprintf("(exit code %d)", davit.ExitCode(r.Err)))
	case notBack:
		row = append(row, fmt.Sprintf("(exit code %d)", davit.ExitCode(r.RevertErr)))
	}
	return row
}

// totals says how many hosts came to what, successes first: "3 hosts: 2 started, 1 failed".
func totals(results []fleet.Result[davit.Receipt]) string {
	done, not := map[davit.Outcome]int{}, map[failure]int{}
	for _, r := range results {
		if r.Err != nil {
			not[failureOf(r)]++
			continue
		}
		done[r.Value.Outcome]++
	}
	var all []string
	for _, outcome := range outcomes {
		if n := done[outcome]; n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, outcome))
		}
	}
	for _, what := range []failure{failed, putBack, notBack, untouched} {
		if n := not[what]; n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, what))
		}
	}
	return count(len(results), "host") + ": " + strings.Join(all, ", ")
}

// outcomes are all that a summary counts, in its order: what was done, then what was so already.
var outcomes = []davit.Outcome{
	davit.Installed, davit.Restored, davit.Started, davit.Restarted, davit.RolledBack, davit.Stopped, davit.Uninstalled, davit.UpToDate,
}
