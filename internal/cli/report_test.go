package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/demo"
	"github.com/google/go-cmp/cmp"
)

const (
	digest   = "062665501106aa4f0b6a3f3d7a3b2f0c8d4d6c1be5474ad6ec0c3c3c3c3c3c3c"
	previous = "be5474ad6ec0"
)

func receipt(name string) davit.Receipt {
	return davit.Receipt{
		Operation: "install", Daemon: "worker", Host: name, Outcome: davit.Installed, Release: digest, Previous: previous,
		Path: "/home/me/.local/share/davit/worker/releases/062665501106/worker", Link: "/home/me/.local/bin/worker",
		Size: 5 << 20, Sent: 5 << 19, Form: "zstd", Seconds: 1.26, Steps: []davit.Step{{Name: "connect", Seconds: 0.4}, {Name: "transfer", Seconds: 0.8}},
	}
}

// printed returns what report prints on streams that are no terminals.
func printed(o output, report func(*ui)) (stdout, stderr string) {
	var out, err bytes.Buffer
	report(newUI(Streams{Out: &out, Err: &err}, o))
	return out.String(), err.String()
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func refusal(name string) error {
	return &davit.Error{
		Operation: "install", Daemon: "worker", Host: name, Step: "connect",
		Err:   &host.Error{Host: name, Kind: host.ErrUnreachable, Err: errors.New("dial tcp 10.0.0.1:22: connection refused")},
		State: "nothing was touched", Hint: "is sshd running there?\nssh -v " + name,
	}
}

func TestASuccessEndsWithWhatRunsWhere(t *testing.T) {
	t.Parallel()
	results := []fleet.Result[davit.Receipt]{{Host: "gpu-1", Value: receipt("gpu-1")}}
	out, errs := printed(output{}, func(u *ui) { reportInstall(u, results) })
	same(t, "stdout", out, `
   run it  /home/me/.local/bin/worker
   file    /home/me/.local/share/davit/worker/releases/062665501106/worker
   sent    2.5 MiB for 5 MiB (zstd)
   took    1.3 s: connect 0.4 s, transfer 0.8 s
   before  be5474ad6ec0
`)
	same(t, "stderr", errs, "")

	out, _ = printed(output{Quiet: true}, func(u *ui) { reportInstall(u, results) })
	same(t, "stdout with --quiet", out, "worker 062665501106 is current on gpu-1: /home/me/.local/bin/worker\n")

	out, _ = printed(output{JSON: true}, func(u *ui) { reportInstall(u, results) })
	same(t, "stdout with --json", out, "")
}

func TestWhatTravelledIsSaid(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*davit.Receipt){
		"2.5 MiB for 5 MiB (zstd)":        func(*davit.Receipt) {},
		"2.5 MiB":                         func(r *davit.Receipt) { r.Form = "plain" },
		"nothing: it was current already": func(r *davit.Receipt) { r.Outcome, r.Sent = davit.UpToDate, 0 },
		"nothing: the host had it":        func(r *davit.Receipt) { r.Outcome, r.Sent = davit.Restored, 0 },
	} {
		r := receipt("gpu-1")
		change(&r)
		if got := sent(r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSeveralHostsEndWithABlockForEachFailureAndASummary(t *testing.T) {
	t.Parallel()
	current := receipt("gpu-3")
	current.Outcome, current.Sent, current.Seconds = davit.UpToDate, 0, 0.7
	out, errs := printed(output{}, func(u *ui) {
		reportInstall(u, []fleet.Result[davit.Receipt]{
			{Host: "gpu-1", Value: receipt("gpu-1")},
			{Host: "gpu-2", Err: refusal("gpu-2")},
			{Host: "gpu-3", Value: current},
			{Host: "gpu-4", Err: fmt.Errorf("%w: %w", fleet.ErrNotBegun, davit.ErrInterrupted)},
		})
	})
	same(t, "stdout", out, `

HOST   RESULT      RELEASE       SENT     TIME
gpu-1  installed   062665501106  2.5 MiB  1.3 s
gpu-2  failed      -             -        -      (exit code 4)
gpu-3  up to date  062665501106  0 B      0.7 s
gpu-4  not begun   -             -        -
4 hosts: 1 installed, 1 up to date, 1 failed, 1 not begun
`)
	same(t, "stderr", errs, `
davit: error: install worker on gpu-2: connect: dial tcp 10.0.0.1:22: connection refused
davit: state: nothing was touched
davit: hint: is sshd running there?
davit: hint: ssh -v gpu-2
davit: error: gpu-4: not begun: interrupted
`)
}

func TestAFailureSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a usage error's own hint":   {usagef("do this", "bad: %w", refusal("h")), "do this"},
		"that of what it wraps":      {asUsage(refusal("h")), "is sshd running there?\nssh -v h"},
		"the demo's":                 {&demo.Error{Err: errors.New("no Go"), Hint: "install Go"}, "install Go"},
		"a limit that was too short": {fmt.Errorf("ended: %w", context.DeadlineExceeded), "if it only needs longer, give it: --timeout 15m"},
		"nothing to say":             {errors.New("oh"), ""},
	} {
		if got := hintOf(c.err); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestWhatAHostSaysCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	printFailure(&b, errors.New("it said \x1b[2J\x07\rroot#"), true)
	same(t, "stderr", b.String(), "davit: \x1b[1;31merror:\x1b[0m it said ␛[2J␇␍root#\n")

	out, _ := printed(output{}, func(u *ui) {
		reportCheck(u, []fleet.Result[davit.Report]{{Host: "h", Value: davit.Report{Host: "h", User: "me\x1b]0;", Free: -1}}})
	})
	if strings.ContainsAny(out, "\x1b") || !strings.Contains(out, "me␛]0;") {
		t.Errorf("got %q", out)
	}
}

func TestCheckShowsATableAndWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	report := davit.Report{
		Host: "gpu-1", Platform: "linux/amd64", Libc: "glibc 2.36", User: "me", Home: "/home/me", Init: "systemd",
		Dir: "/home/me/.local/share/davit", Free: 3 << 30, Tools: map[string]string{"zstd": "/usr/bin/zstd", "gzip": "/bin/gzip"},
		Installed: []davit.InstalledDaemon{{Name: "worker", Release: previous}},
		Findings: []davit.Finding{
			{Text: "zstd is old", Hint: "apt install zstd"},
			{Fatal: true, Text: "me cannot write to /home/me/.local", Hint: "chown me /home/me/.local"},
		},
	}
	err := unfit(report)
	if davit.ExitCode(err) != davit.ExitHost {
		t.Errorf("exit code %d, want %d", davit.ExitCode(err), davit.ExitHost)
	}
	results := []fleet.Result[davit.Report]{{Host: "gpu-1", Value: report, Err: err}, {Host: "gpu-2", Err: refusal("gpu-2")}}
	out, errs := printed(output{Quiet: true}, func(u *ui) { reportCheck(u, results) })
	same(t, "stdout", out, `
gpu-1
   platform   linux/amd64
   libc       glibc 2.36
   user       me (/home/me)
   init       systemd
   directory  /home/me/.local/share/davit (3 GiB free)
   tools      gzip, zstd
   installed  worker be5474ad6ec0
   ⚠️  note: zstd is old
      hint: apt install zstd
   ❌ in the way: me cannot write to /home/me/.local
      hint: chown me /home/me/.local
`)
	if !strings.HasPrefix(errs, "davit: error: install worker on gpu-2: ") || strings.Contains(errs, "gpu-1") {
		t.Errorf("stderr: %q", errs)
	}

	bare := davit.Report{Host: "h", User: "me", Home: "/", Dir: "/d", Free: -1}
	if err := unfit(bare); err != nil {
		t.Errorf("nothing is in the way: %v", err)
	}
	out, _ = printed(output{Quiet: true, Plain: true}, func(u *ui) {
		reportCheck(u, []fleet.Result[davit.Report]{{Host: "h", Value: bare}})
	})
	same(t, "stdout", out, `
h
   platform   unknown
   libc       unknown
   user       me (/)
   init       unknown
   directory  /d
   tools      none
   installed  none
   ready for an install
`)
}

func TestThePlanAsJSONIsOneObject(t *testing.T) {
	t.Parallel()
	plan := davit.Plan{Lines: []string{"connect"}, Scripts: []davit.PlanScript{{Name: "install", Text: "true\n"}}}
	out, _ := printed(output{JSON: true}, func(u *ui) { u.printPlan(plan, []string{"gpu-1"}) })
	var got struct {
		Hosts []string
		davit.Plan
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plan, got.Plan); diff != "" || len(got.Hosts) != 1 || strings.Count(out, "\n") != 1 {
		t.Errorf("got %s", out)
	}
}
