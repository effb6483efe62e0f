package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// quiet is a context that tells nobody.
func quiet(t *testing.T) context.Context { return narrate.WithNarrator(t.Context(), narrate.New()) }

// plan says what becomes of hosts, by name: an error, or nil for success. Those that are not in it succeed.
type plan map[string]error

// trace is what happened, in order.
type trace struct {
	mu   sync.Mutex
	list []string
}

func (t *trace) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, what)
}

// Emit notes the action, and the host if the event has one.
func (t *trace) Emit(e narrate.Event) error {
	t.add(strings.TrimSpace(e.Action + " " + e.Host))
	return nil
}

// goes runs n hosts by this plan, and puts them back by that one; either takes a second a host. It returns the
// results, and all that happened, in order.
func goes(ctx context.Context, n int, o fleet.Options, p, back plan) ([]fleet.Result[string], []string) {
	var t trace
	ctx = narrate.WithNarrator(ctx, narrate.New(&t))
	results := fleet.RunOrRevert(ctx, hosts(n), o,
		func(_ context.Context, h host.Host) (string, error) {
			t.add("begin " + h.Name())
			time.Sleep(time.Second)
			t.add("end " + h.Name())
			return "release of " + h.Name(), p[h.Name()]
		},
		func(ctx context.Context, h host.Host, done string) error {
			if want := "release of " + h.Name(); done != want || narrate.Host(ctx) != h.Name() {
				return fmt.Errorf("got %q, want %q, in the context of %q", done, want, narrate.Host(ctx))
			}
			time.Sleep(time.Second)
			return back[h.Name()]
		})
	return results, t.list
}

// texts are the errors of results, "" for none.
func texts(results []fleet.Result[string]) []string {
	var all []string
	for _, r := range results {
		text := ""
		if r.Err != nil {
			text = r.Err.Error()
		}
		all = append(all, text)
	}
	return all
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\ngot  %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

var errOh = errors.New("oh")

func TestTheOthersAreBegunWhenTheCanaryHasSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results, happened := goes(t.Context(), 4, fleet.Options{Canary: 1, Parallel: 1}, nil, nil)
		equal(t, "what happened", happened, []string{
			"canary", "begin gpu-0", "end gpu-0", "canary_done",
			"begin gpu-1", "end gpu-1", "begin gpu-2", "end gpu-2", "begin gpu-3", "end gpu-3",
		})
		for _, r := range results {
			if r.Err != nil || r.Seconds != 1 || r.Reverted {
				t.Errorf("%+v", r)
			}
		}
		if code := fleet.ExitCode(results); code != davit.ExitDone {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestCanariesAreWorkedOnSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		goes(t.Context(), 8, fleet.Options{Canary: 4}, nil, nil)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("four canaries, then four others: %v", took)
		}
	})
}

func TestNothingIsBegunAfterACanaryHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &davit.Error{Operation: "install", Host: "gpu-0", Err: host.ErrUnreachable}
		results, happened := goes(t.Context(), 4, fleet.Options{Canary: 2, Parallel: 1}, plan{"gpu-0": refused}, nil)
		equal(t, "what happened", happened, []string{"canary", "begin gpu-0", "end gpu-0", "fleet_stopped"})
		left := "not begun: the canary gpu-0 failed"
		equal(t, "errors", texts(results), []string{"install on gpu-0: unreachable", left, left, left})
		for _, r := range results[1:] {
			if !errors.Is(r.Err, fleet.ErrNotBegun) || !errors.Is(r.Err, fleet.ErrStopped) || errors.Is(r.Err, host.ErrUnreachable) {
				t.Errorf("the kinds of %v", r.Err)
			}
		}
		if code := fleet.ExitCode(results); code != davit.ExitConnect {
			t.Errorf("exit code %d, want that of the only host that was begun", code)
		}
		want := "install on gpu-0: unreachable; 3 hosts (gpu-1, gpu-2, gpu-3): not begun: the canary gpu-0 failed"
		if got := fleet.Err(results).Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestARunEndsOnceMoreHostsHaveFailedThanMay(t *testing.T) {
	for name, c := range map[string]struct {
		limit string
		fail  plan
		begun int
		why   string
	}{
		"none may":              {"0", plan{"gpu-3": errOh}, 4, "gpu-3 failed, and none may"},
		"as many as may":        {"2", plan{"gpu-1": errOh, "gpu-9": errOh}, 10, ""},
		"one more":              {"2", plan{"gpu-1": errOh, "gpu-3": errOh, "gpu-5": errOh}, 6, "3 of 10 hosts failed, more than 2 are not allowed"},
		"a share":               {"10%", plan{"gpu-1": errOh, "gpu-3": errOh}, 4, "2 of 10 hosts failed, more than 1 are not allowed"},
		"a share, rounded down": {"19%", plan{"gpu-1": errOh, "gpu-3": errOh}, 4, "2 of 10 hosts failed, more than 1 are not allowed"},
		"a share of nothing":    {"9%", plan{"gpu-1": errOh}, 2, "gpu-1 failed, and none may"},
		"all may":               {"100%", plan{"gpu-0": errOh, "gpu-1": errOh, "gpu-2": errOh}, 10, ""},
	} {
		t.Run(name, func(t *testing.T) {
			limit, err := fleet.ParseLimit(c.limit)
			if err != nil || limit.String() != c.limit {
				t.Fatalf("%s, %v", limit, err)
			}
			synctest.Test(t, func(t *testing.T) {
				results := fleet.Run(quiet(t), hosts(10), fleet.Options{Parallel: 1, MaxFailures: limit},
					func(_ context.Context, h host.Host) (string, error) { return "", c.fail[h.Name()] })
				for i, text := range texts(results) {
					if left := "not begun: " + c.why; (i >= c.begun) != (text == left) {
						t.Errorf("gpu-%d: %q", i, text)
					}
				}
			})
		})
	}
}

func TestWhatIsNoLimitIsRefused(t *testing.T) {
	for _, text := range []string{"", "-1", "x", "101%", "%", "1.5", " 3", "3 %", "99999999999"} {
		if l, err := fleet.ParseLimit(text); err == nil {
			t.Errorf("%q is %v", text, l)
		}
	}
	if l := (fleet.Limit{}).String(); l != "" {
		t.Errorf("no limit is %q", l)
	}
	if l := fleet.AtMost(3).String(); l != "3" {
		t.Errorf("at most 3 is %q", l)
	}
}

func TestHostsThatAreUnderWayAreNotDisturbedByAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := fleet.Run(quiet(t), hosts(5), fleet.Options{Parallel: 3, MaxFailures: fleet.AtMost(0)},
			func(ctx context.Context, h host.Host) (string, error) {
				time.Sleep(time.Second) // all three are under way
				if h.Name() == "gpu-1" {
					return "", errOh
				}
				time.Sleep(time.Minute)
				return "", ctx.Err()
			})
		left := "not begun: gpu-1 failed, and none may"
		equal(t, "errors", texts(results), []string{"", "oh", "", left, left})
		if code := fleet.ExitCode(results); code != davit.ExitPartly {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestOneSlowHostHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var last time.Duration
		fleet.Run(t.Context(), hosts(50), fleet.Options{Parallel: 2}, func(_ context.Context, h host.Host) (int, error) {
			if h.Name() == "gpu-0" {
				time.Sleep(time.Hour)
				return 0, nil
			}
			time.Sleep(time.Second)
			last = time.Since(began)
			return 0, nil
		})
		if last != 49*time.Second {
			t.Errorf("the others were done after %v", last)
		}
	})
}

func TestAStoppedRunIsPutBackTheLastDoneFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results, happened := goes(t.Context(), 6, fleet.Options{Parallel: 1, MaxFailures: fleet.AtMost(0)},
			plan{"gpu-3": errOh}, plan{"gpu-1": errors.New("it is gone")})
		equal(t, "what happened", happened[6:], []string{
			"begin gpu-3", "end gpu-3", "fleet_stopped",
			"reverting gpu-2", "reverted gpu-2", "reverting gpu-1", "revert_failed gpu-1", "reverting gpu-0", "reverted gpu-0",
		})
		why := "gpu-3 failed, and none may"
		equal(t, "errors", texts(results), []string{
			"put back: " + why, "done, but the run was stopped, and it is not put back: it is gone", "put back: " + why,
			"oh", "not begun: " + why, "not begun: " + why,
		})
		for i, r := range results {
			if r.Reverted != (i == 0 || i == 2) || (r.RevertErr != nil) != (i == 1) || errors.Is(r.Err, fleet.ErrReverted) != r.Reverted {
				t.Errorf("%+v", r)
			}
		}
		if code := fleet.ExitCode(results); code != davit.ExitPartly {
			t.Errorf("exit code %d", code)
		}
		for i, want := range []int{davit.ExitFailed, davit.ExitPartly, davit.ExitFailed, davit.ExitFailed, davit.ExitFailed} {
			if code := fleet.ExitCode(results[i : i+1]); code != want {
				t.Errorf("exit code of gpu-%d alone: %d, want %d", i, code, want)
			}
		}
	})
}

func TestAHostOnWhichNothingWasChangedKeepsItsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results, happened := goes(t.Context(), 3, fleet.Options{Parallel: 1, MaxFailures: fleet.AtMost(0)},
			plan{"gpu-2": errOh}, plan{"gpu-0": fmt.Errorf("it was up to date: %w", fleet.ErrUnchanged)})
		equal(t, "what happened", happened[6:], []string{"reverting gpu-1", "reverted gpu-1", "reverting gpu-0", "reverted gpu-0"})
		equal(t, "errors", texts(results), []string{"", "put back: gpu-2 failed, and none may", "oh"})
		if r := results[0]; r.Reverted || r.RevertErr != nil {
			t.Errorf("%+v", r)
		}
	})
}

func TestACanaryThatSucceededIsPutBackIfAnotherFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results, _ := goes(t.Context(), 4, fleet.Options{Canary: 3}, plan{"gpu-1": errOh}, nil)
		why := "the canary gpu-1 failed"
		equal(t, "errors", texts(results), []string{"put back: " + why, "oh", "put back: " + why, "not begun: " + why})
	})
}

func TestNothingIsPutBackIfTheRunWasNotStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, o := range map[string]fleet.Options{
			"no limit": {}, "a limit that held": {MaxFailures: fleet.AtMost(1)}, "a canary that is well": {Canary: 2},
		} {
			results, _ := goes(t.Context(), 4, o, plan{"gpu-3": errOh}, nil)
			equal(t, name, texts(results), []string{"", "", "", "oh"})
		}
	})
}

func TestAnInterruptionPutsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(davit.ErrInterrupted) })
		results, happened := goes(ctx, 3, fleet.Options{Parallel: 1, MaxFailures: fleet.AtMost(0)}, plan{"gpu-1": davit.ErrInterrupted}, nil)
		equal(t, "what happened", happened, []string{"begin gpu-0", "end gpu-0", "begin gpu-1", "end gpu-1"})
		equal(t, "errors", texts(results), []string{"", "interrupted", "not begun: interrupted"})
		if code := fleet.ExitCode(results); code != davit.ExitInterrupted {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestAnInterruptionWhileHostsArePutBackIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3500*time.Millisecond, func() { cancel(davit.ErrInterrupted) })
		results, _ := goes(ctx, 3, fleet.Options{Parallel: 1, MaxFailures: fleet.AtMost(0)}, plan{"gpu-2": errOh}, nil)
		equal(t, "errors", texts(results), []string{
			"done, but the run was stopped, and it is not put back: interrupted", "put back: gpu-2 failed, and none may", "oh",
		})
		if code := fleet.ExitCode(results); code != davit.ExitInterrupted {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestAPanicWhileAHostIsPutBackReachesTheCaller(t *testing.T) {
	defer func() {
		if r := recover(); r != "oh" {
			t.Errorf("recovered %v", r)
		}
	}()
	fleet.RunOrRevert(quiet(t), hosts(2), fleet.Options{Parallel: 1, MaxFailures: fleet.AtMost(0)},
		func(_ context.Context, h host.Host) (int, error) {
			if h.Name() == "gpu-1" {
				return 0, errOh
			}
			return 0, nil
		},
		func(context.Context, host.Host, int) error { panic("oh") })
}

func TestManyHostsThatFailAlikeAreToldInALine(t *testing.T) {
	var results []fleet.Result[int]
	for i := range 300 {
		name := fmt.Sprintf("gpu-%d", i)
		err := &davit.Error{Operation: "install", Daemon: "worker", Host: name, Step: "connect", Err: host.ErrUnreachable}
		results = append(results, fleet.Result[int]{Host: name, Err: err})
	}
	want := "300 hosts (gpu-0, gpu-1, gpu-2 and 297 more): install worker: connect: unreachable"
	if err := fleet.Err(results); err.Error() != want || !errors.Is(err, host.ErrUnreachable) {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	for i := range results {
		results[i].Err = fmt.Errorf("dial 10.0.0.%d: no route", i)
	}
	text := fleet.Err(results).Error()
	if !strings.HasPrefix(text, "gpu-0: dial 10.0.0.0: no route; ") || !strings.HasSuffix(text, "; and 294 more failed") {
		t.Errorf("got %s", text)
	}
}
