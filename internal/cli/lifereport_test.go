package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
)

func restarted(name string) davit.Receipt {
	return davit.Receipt{
		Operation: "restart", Daemon: "worker", Host: name, Outcome: davit.Restarted, Release: previous, Service: "systemd",
		State: davit.StateRunning, PID: 4711, Health: davit.Healthy, Seconds: 3.26, Steps: []davit.Step{{Name: "start", Seconds: 0.4}},
	}
}

func TestAnOperationEndsWithHowTheDaemonRuns(t *testing.T) {
	t.Parallel()
	results := []fleet.Result[davit.Receipt]{{Host: "gpu-1", Value: restarted("gpu-1")}}
	out, errs := printed(output{}, func(u *ui) { reportLife(u, results) })
	same(t, "stdout", out, `
   service  systemd, running
   pid      4711
   health   healthy
   release  be5474ad6ec0
   took     3.3 s: start 0.4 s
`)
	same(t, "stderr", errs, "")

	out, _ = printed(output{Quiet: true}, func(u *ui) { reportLife(u, results) })
	same(t, "stdout with --quiet", out, "worker restarted on gpu-1: release be5474ad6ec0, pid 4711\n")
	out, _ = printed(output{JSON: true}, func(u *ui) { reportLife(u, results) })
	same(t, "stdout with --json", out, "")
}

func TestAnOperationOnSeveralHostsEndsWithASummary(t *testing.T) {
	t.Parallel()
	results := []fleet.Result[davit.Receipt]{
		{Host: "gpu-1", Value: restarted("gpu-1")}, {Host: "gpu-22", Err: refusal("gpu-22")}, {Host: "gpu-3", Value: restarted("gpu-3")},
	}
	out, errs := printed(output{}, func(u *ui) { reportLife(u, results) })
	same(t, "stdout", out, `

HOST    RESULT     RELEASE       STATE    TIME
gpu-1   restarted  be5474ad6ec0  running  3.3 s
gpu-22  failed     -             -        -      (exit code 4)
gpu-3   restarted  be5474ad6ec0  running  3.3 s
3 hosts: 2 restarted, 1 failed
`)
	if !strings.Contains(errs, "davit: error: ") || !strings.Contains(errs, "gpu-22") {
		t.Errorf("stderr does not say what failed: %q", errs)
	}
}

func TestStatusIsATableWithRemarksBelow(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	results := []fleet.Result[davit.DaemonStatus]{
		{Host: "gpu-1", Value: davit.DaemonStatus{
			Host: "gpu-1", Daemon: "worker", State: davit.StateRunning, Release: previous, PID: 4711, Since: since, Memory: 3 << 20,
			Health: davit.Unhealthy, Service: "systemd", Reason: "status 503", Pending: true,
		}},
		{Host: "gpu-2", Value: davit.DaemonStatus{Host: "gpu-2", Daemon: "worker", State: davit.StateAbsent, Health: davit.Unknown}},
		{Host: "gpu-3", Err: refusal("gpu-3")},
	}
	same(t, "table", strings.Join(statusTable("worker", results), "\n")+"\n", `
HOST   DAEMON  STATE    RELEASE       PID   SINCE                MEMORY  HEALTH     SERVICE
gpu-1  worker  running  be5474ad6ec0  4711  2026-03-04 05:06:07  3 MiB   unhealthy  systemd
gpu-2  worker  absent   -             -     -                    -       unknown    -
gpu-3  worker  ?        -             -     -                    -       -          (exit code 4)
gpu-1: status 503
gpu-1: a change is under way, or was broken off; the next operation puts that back
`)
}

func TestReleasesAndHistoryNameTheHostsIfThereAreSeveral(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	list := []davit.ReleaseInfo{
		{Release: previous, Size: 5 << 20, Time: at, Current: true}, {Release: "0626aaaaaaaa", Size: 1 << 20, Time: at, Previous: true},
	}
	one := []fleet.Result[[]davit.ReleaseInfo]{{Host: "gpu-1", Value: list}}
	same(t, "one host", strings.Join(gathered(one, releaseColumns, releaseRows), "\n")+"\n", `
RELEASE       SIZE   CAME
be5474ad6ec0  5 MiB  2026-03-04 05:06:07  * current
0626aaaaaaaa  1 MiB  2026-03-04 05:06:07  previous
`)
	entries := []davit.Entry{{Time: at, Who: "ann@desk", Operation: "start", Release: previous, Outcome: "started"}}
	two := []fleet.Result[[]davit.Entry]{{Host: "gpu-1", Value: entries}, {Host: "gpu-2", Err: errors.New("no")}}
	same(t, "two hosts", strings.Join(gathered(two, historyColumns, historyRows), "\n")+"\n", `
HOST   TIME                 WHO       OPERATION  RELEASE       OUTCOME
gpu-1  2026-03-04 05:06:07  ann@desk  start      be5474ad6ec0  started
`)
	if lines := gathered(two[1:], historyColumns, historyRows); lines != nil {
		t.Errorf("a table of nothing: %q", lines)
	}
}

func TestEachHostHasItsLineInJSON(t *testing.T) {
	t.Parallel()
	results := []fleet.Result[davit.DaemonStatus]{
		{Host: "gpu-1", Value: davit.DaemonStatus{Host: "gpu-1", Daemon: "worker", State: davit.StateStopped, Health: davit.Unknown}},
		{Host: "gpu-2", Err: errors.New("no")},
	}
	out := &strings.Builder{}
	l := &life{std: Streams{Out: out}, Name: "worker"}
	err := printJSON(l, results, func(_ string, s davit.DaemonStatus) []any { return []any{s} })
	same(t, "stdout", out.String(), `
{"host":"gpu-1","daemon":"worker","state":"stopped","health":"unknown"}
{"host":"gpu-2","daemon":"worker","error":"no"}
`)
	if err != nil {
		t.Error(err)
	}
}

func TestLinesOfLogsNameTheirHostAndObeyNothing(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{0: "", 6: "gpu-1  | "} {
		out := &strings.Builder{}
		c := &logs{life: life{std: Streams{Out: out}}}
		c.print("gpu-1", width, "at \x1b[2Jwork")
		if got := out.String(); strings.Contains(got, "\x1b") || !strings.HasPrefix(got, want+"at ") || !strings.HasSuffix(got, "work\n") {
			t.Errorf("width %d: got %q", width, got)
		}
	}
	out := &strings.Builder{}
	c := &logs{life: life{std: Streams{Out: out}, output: output{JSON: true}}}
	c.print("gpu-1", 6, "at work")
	if got, want := out.String(), fmt.Sprintln(`{"host":"gpu-1","line":"at work"}`); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
