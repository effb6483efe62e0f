package fleet_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"pgregory.net/rapid"
)

// fate is what becomes of a host.
type fate struct {
	begun, ended time.Duration // since the run began; ended is 0 while it has not
	takes        time.Duration
	err          error
	backErr      error
	calls, backs int
}

// voyage is a run of random hosts.
type voyage struct {
	o         fleet.Options
	limit     int // of failures
	interrupt time.Duration
	revert    bool
	gated     bool
	fates     map[string]*fate
	order     []string
}

func drawVoyage(t *rapid.T) *voyage {
	n := rapid.IntRange(0, 25).Draw(t, "hosts")
	v := &voyage{
		o: fleet.Options{
			Parallel: rapid.IntRange(1, 8).Draw(t, "parallel"),
			Canary:   rapid.SampledFrom([]int{0, 0, 1, 3, 30}).Draw(t, "canary"),
		},
		limit: n, fates: map[string]*fate{}, revert: rapid.Bool().Draw(t, "revert"),
		interrupt: time.Duration(rapid.SampledFrom([]int{0, 0, 300, 2500}).Draw(t, "interrupt")) * time.Millisecond,
	}
	v.gated = rapid.Bool().Draw(t, "gated")
	if rapid.Bool().Draw(t, "limited") {
		v.limit = rapid.IntRange(0, 4).Draw(t, "limit")
		v.o.MaxFailures = fleet.AtMost(v.limit)
	}
	outcome := rapid.SampledFrom([]error{nil, nil, nil, errOh, host.ErrUnreachable})
	for i, h := range hosts(n) {
		// No two end at the same instant: then what comes first is certain.
		takes := time.Duration(rapid.IntRange(1, 2000).Draw(t, "takes"))*time.Millisecond + time.Duration(1<<i)
		v.fates[h.Name()] = &fate{takes: takes, err: outcome.Draw(t, "outcome"), backErr: outcome.Draw(t, "back")}
		v.order = append(v.order, h.Name())
	}
	return v
}

// hosts returns its hosts.
func (v *voyage) hosts() []host.Host {
	if v.gated {
		return fleetBehind(nil, len(v.order), 0)
	}
	return hosts(len(v.order))
}

// sail runs it.
func (v *voyage) sail() ([]fleet.Result[int], *door) {
	var at, back door
	ctx, cancel := context.WithCancelCause(narrate.WithNarrator(context.Background(), narrate.New()))
	defer cancel(nil)
	if v.interrupt > 0 {
		defer time.AfterFunc(v.interrupt, func() { cancel(davit.ErrInterrupted) }).Stop()
	}
	began := time.Now()
	var revert fleet.RevertFunc[int]
	if v.revert {
		revert = func(ctx context.Context, h host.Host, done int) error {
			f := v.fates[h.Name()]
			f.backs++
			if done != 7 || at.now > 0 {
				return errors.New("put back too early")
			}
			if err := back.pass(ctx, f.takes); err != nil {
				return err
			}
			return f.backErr
		}
	}
	results := fleet.RunOrRevert(ctx, v.hosts(), v.o, func(ctx context.Context, h host.Host) (int, error) {
		f := v.fates[h.Name()]
		f.calls++
		f.begun = time.Since(began)
		err := at.pass(ctx, f.takes)
		f.ended = time.Since(began)
		if err == nil {
			err = f.err
		}
		return 7, err
	}, revert)
	at.most = max(at.most, back.most)
	return results, &at
}

// stoppedAt returns when failures must have stopped the run, 0 if none did.
func (v *voyage) stoppedAt() time.Duration {
	var first time.Duration
	for i, name := range v.order {
		f := v.fates[name]
		if f.calls == 0 || f.err == nil || v.interrupt > 0 && f.ended >= v.interrupt {
			continue
		}
		failed := 0
		for _, other := range v.order {
			if g := v.fates[other]; g.calls > 0 && g.err != nil && g.ended <= f.ended {
				failed++
			}
		}
		if (i < v.o.Canary || failed > v.limit) && (first == 0 || f.ended < first) {
			first = f.ended
		}
	}
	return first
}

func TestWhateverBecomesOfHosts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v := drawVoyage(rt)
		var results []fleet.Result[int]
		var at *door
		synctest.Test(t, func(*testing.T) { results, at = v.sail() })
		if len(results) != len(v.order) {
			rt.Fatalf("%d results of %d hosts", len(results), len(v.order))
		}
		if at.most > v.o.Parallel {
			rt.Errorf("%d at once, %d are allowed", at.most, v.o.Parallel)
		}
		stop := v.stoppedAt()
		for i, r := range results {
			v.check(rt, i, r, stop)
		}
	})
}

// check checks what is said of a host against what became of it.
func (v *voyage) check(t *rapid.T, i int, r fleet.Result[int], stop time.Duration) {
	f := v.fates[v.order[i]]
	left := errors.Is(r.Err, fleet.ErrNotBegun)
	interrupted := errors.Is(r.Err, davit.ErrInterrupted)
	switch {
	case r.Host != v.order[i]:
		t.Errorf("result %d is of %s", i, r.Host)
	case f.calls > 1 || f.backs > 1:
		t.Errorf("%s: %d calls, %d of revert", r.Host, f.calls, f.backs)
	case left == (f.calls == 1):
		t.Errorf("%s: %d calls, and %v", r.Host, f.calls, r.Err)
	case left && stop == 0 && !interrupted:
		t.Errorf("%s was left out, and nothing stopped the run: %v", r.Host, r.Err)
	case !left && stop > 0 && f.begun >= stop:
		t.Errorf("%s was begun at %v, and the run was stopped at %v", r.Host, f.begun, stop)
	case !left && v.interrupt > 0 && f.begun > v.interrupt:
		t.Errorf("%s was begun at %v, and the run was interrupted at %v", r.Host, f.begun, v.interrupt)
	}
	if i > v.o.Canary && v.o.Canary > 0 && f.calls == 1 {
		for _, canary := range v.order[:v.o.Canary] {
			if c := v.fates[canary]; c.err != nil || c.ended == 0 || c.ended > f.begun {
				t.Errorf("%s was begun at %v, and the canary %s is %+v", r.Host, f.begun, canary, *c)
			}
		}
	}
	v.checkBack(t, f, r, stop)
}

// checkBack checks what is said of a host that may have been put back.
func (v *voyage) checkBack(t *rapid.T, f *fate, r fleet.Result[int], stop time.Duration) {
	succeeded := f.calls == 1 && f.err == nil && (v.interrupt == 0 || f.ended < v.interrupt)
	owed := v.revert && succeeded && stop > 0
	switch {
	case f.backs > 0 && !owed:
		t.Errorf("%s was put back for no reason: %+v", r.Host, r)
	case owed && f.backs == 0 && (v.interrupt == 0 || !errors.Is(r.RevertErr, davit.ErrInterrupted)):
		t.Errorf("%s was not put back: %+v", r.Host, r)
	case r.Reverted && (f.backErr != nil || r.RevertErr != nil || !errors.Is(r.Err, fleet.ErrReverted)),
		owed && !r.Reverted && (r.RevertErr == nil || !errors.Is(r.Err, r.RevertErr)):
		t.Errorf("%s: %+v, and the error was %v", r.Host, r, f.backErr)
	case !owed && succeeded && r.Err != nil:
		t.Errorf("%s: %v", r.Host, r.Err)
	case !owed && f.calls == 1 && !succeeded && r.Err == nil:
		t.Errorf("%s succeeded", r.Host)
	}
}
