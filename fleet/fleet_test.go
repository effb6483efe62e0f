package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// named is a host that has a name and that nobody may touch.
type named struct {
	host.Host
	name string
}

func (n named) Name() string { return n.name }

func hosts(n int) []host.Host {
	var all []host.Host
	for i := range n {
		all = append(all, named{name: fmt.Sprintf("gpu-%d", i)})
	}
	return all
}

func TestResultsStandInTheOrderGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := fleet.Run(t.Context(), hosts(20), fleet.Options{Parallel: 7}, func(ctx context.Context, h host.Host) (string, error) {
			var n time.Duration
			fmt.Sscanf(h.Name(), "gpu-%d", &n)
			time.Sleep((20 - n) * time.Second) // the last is the first to be done
			return narrate.Host(ctx), nil
		})
		for i, r := range results {
			if want := fmt.Sprintf("gpu-%d", i); r.Host != want || r.Value != want || r.Err != nil {
				t.Errorf("result %d: %+v, want one of %s, told as such", i, r, want)
			}
		}
	})
}

func TestNoMoreHostsThanAllowedAreWorkedOnAtOnce(t *testing.T) {
	for given, want := range map[int]int32{1: 1, 3: 3, 100: 50, 0: fleet.DefaultParallel, -1: fleet.DefaultParallel} {
		synctest.Test(t, func(t *testing.T) {
			var now atomic.Int32
			results := fleet.Run(t.Context(), hosts(50), fleet.Options{Parallel: given}, func(context.Context, host.Host) (int32, error) {
				defer now.Add(-1)
				n := now.Add(1)
				time.Sleep(time.Second)
				return n, nil
			})
			most := int32(0)
			for _, r := range results {
				most = max(most, r.Value)
			}
			if most != want {
				t.Errorf("parallel %d: %d hosts at once, want %d", given, most, want)
			}
		})
	}
}

func TestNoHostIsBegunOnceTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	began := 0
	results := fleet.Run(ctx, hosts(3), fleet.Options{Parallel: 1}, func(ctx context.Context, _ host.Host) (int, error) {
		began++
		cancel(davit.ErrInterrupted)
		return 1, context.Cause(ctx)
	})
	if began != 1 {
		t.Errorf("%d hosts were begun, want 1", began)
	}
	for i, r := range results {
		if begun := i == 0; errors.Is(r.Err, fleet.ErrNotBegun) == begun || !errors.Is(r.Err, davit.ErrInterrupted) {
			t.Errorf("%s: %v", r.Host, r.Err)
		}
	}
	if code := fleet.ExitCode(results); code != davit.ExitInterrupted {
		t.Errorf("exit code %d, want %d", code, davit.ExitInterrupted)
	}
}

func TestAPanicReachesTheCallerAfterTheOthersHaveReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var returned atomic.Int32
		defer func() {
			if r := recover(); r != "oh" || returned.Load() != 4 {
				t.Errorf("recovered %v after %d had returned, want the 4 that were begun", r, returned.Load())
			}
		}()
		fleet.Run(t.Context(), hosts(9), fleet.Options{Parallel: 5}, func(_ context.Context, h host.Host) (int, error) {
			time.Sleep(time.Second)
			if h.Name() == "gpu-0" {
				panic("oh")
			}
			time.Sleep(time.Second)
			returned.Add(1)
			return 0, nil
		})
	})
}

func TestExitCode(t *testing.T) {
	refused := &davit.Error{Operation: "install", Host: "gpu-1", Err: host.ErrUnreachable}
	keyless := fmt.Errorf("signing in: %w", host.ErrAuth)
	late := fmt.Errorf("ended: %w", context.DeadlineExceeded)
	for name, c := range map[string]struct {
		errs []error
		want int
	}{
		"no host at all":              {nil, davit.ExitDone},
		"all succeeded":               {[]error{nil, nil}, davit.ExitDone},
		"one host, which failed":      {[]error{refused}, davit.ExitConnect},
		"all failed alike":            {[]error{refused, keyless}, davit.ExitConnect},
		"all failed, each its way":    {[]error{refused, late}, davit.ExitFailed},
		"one of two failed":           {[]error{nil, late}, davit.ExitPartly},
		"interrupted after a success": {[]error{nil, davit.ErrInterrupted, late}, davit.ExitInterrupted},
	} {
		t.Run(name, func(t *testing.T) {
			var results []fleet.Result[int]
			for _, err := range c.errs {
				results = append(results, fleet.Result[int]{Host: "h", Err: err})
			}
			if got := fleet.ExitCode(results); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestErrNamesEachHostOnce(t *testing.T) {
	refused := &davit.Error{Operation: "install", Daemon: "worker", Host: "gpu-1", Err: host.ErrUnreachable}
	results := []fleet.Result[int]{{Host: "gpu-0"}, {Host: "gpu-1", Err: refused}, {Host: "gpu-2", Err: host.ErrAuth}}
	if err := fleet.Err(results[:1]); err != nil {
		t.Errorf("all succeeded: %v", err)
	}
	if err := fleet.Err(results[:2]); err != error(refused) {
		t.Errorf("one failed: %v", err)
	}
	err := fleet.Err(results)
	if want := "install worker on gpu-1: unreachable; gpu-2: authentication failed"; err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if !errors.Is(err, host.ErrUnreachable) || !errors.Is(err, host.ErrAuth) {
		t.Error("the kinds of the errors are lost")
	}
}
