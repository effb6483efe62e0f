package deadline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davit-sh/davit/deadline"
	"github.com/davit-sh/davit/narrate"
)

// told returns a context that tells to a recorder only.
func told() (context.Context, *narrate.Recorder) {
	rec := &narrate.Recorder{}
	return narrate.WithNarrator(context.Background(), narrate.New(rec)), rec
}

func messages(rec *narrate.Recorder) []string {
	var m []string
	for _, e := range rec.Events() {
		m = append(m, e.Message)
	}
	return m
}

var install = deadline.Limit{Label: "Install daemon", After: 300 * time.Second}

func TestAFunctionThatNeverReturnsIsCutAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, rec := told()
		never := make(chan struct{})
		began := time.Now()
		err := deadline.Run(ctx, install, func(ctx context.Context) error {
			ctx = narrate.WithStep(ctx, "transfer")
			narrate.Sayf(ctx, "copying", "📤 Copying")
			m := narrate.NewMeter(ctx, 104857600, "bytes")
			m.Add(63963136)
			_ = m.Close()
			<-never
			return nil
		})
		if took := time.Since(began); took != 300*time.Second {
			t.Errorf("returned after %v, want exactly 5m0s", took)
		}
		const want = "install daemon timed out after 300 seconds (transfer, 61% of 104857600 bytes sent)"
		if err == nil || err.Error() != want {
			t.Errorf("error = %v\nwant    %s", err, want)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error("errors.Is(err, context.DeadlineExceeded) = false")
		}
		if n := deadline.Abandoned(); n != 1 {
			t.Errorf("Abandoned() = %d, want 1", n)
		}
		got := messages(rec)
		if got[0] != "⏱️  Install daemon (timeout: 300s)" || got[len(got)-1] != "❌ Install daemon TIMED OUT after 300s" {
			t.Errorf("told %q", got)
		}
		if actions := rec.Actions(); !slices.Equal(actions, []string{"start", "copying", "abandoned", "timeout"}) {
			t.Errorf("actions = %q", actions)
		}
		close(never)
		synctest.Wait()
		if n := deadline.Abandoned(); n != 0 {
			t.Errorf("Abandoned() = %d after the function returned, want 0", n)
		}
	})
}

func TestWorkEndsBeforeTheLimitSoThatCleanUpFitsInside(t *testing.T) {
	for _, c := range []struct{ after, reserve time.Duration }{
		{300 * time.Second, 5 * time.Second},
		{20 * time.Second, time.Second},
		{2 * time.Second, 250 * time.Millisecond},
		{100 * time.Millisecond, 50 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, _ := told()
			began := time.Now()
			var ended, left time.Duration
			err := deadline.Run(ctx, deadline.Limit{Label: "Stop", After: c.after}, func(ctx context.Context) error {
				<-ctx.Done()
				ended = time.Since(began)
				clean, cancel := deadline.Cleanup(ctx)
				defer cancel()
				if clean.Err() != nil {
					t.Error("the clean-up context has ended with the work's")
				}
				end, _ := clean.Deadline()
				left = time.Until(end)
				return ctx.Err()
			})
			if ended != c.after-c.reserve {
				t.Errorf("limit %v: work ended after %v, want %v", c.after, ended, c.after-c.reserve)
			}
			if left <= 0 || left >= c.reserve {
				t.Errorf("limit %v: clean-up has %v, want some of %v", c.after, left, c.reserve)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("limit %v: %v", c.after, err)
			}
		})
	}
}

func TestTheEarliestLimitWinsAndIsNamed(t *testing.T) {
	for _, c := range []struct {
		name         string
		outer, inner time.Duration
		label        string
	}{
		{"outer", 10 * time.Second, time.Minute, "outer timed out after 10 seconds"},
		{"inner", time.Minute, 10 * time.Second, "inner timed out after 10 seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, rec := told()
				began := time.Now()
				never := make(chan struct{})
				defer close(never)
				err := deadline.Run(ctx, deadline.Limit{Label: "Outer", After: c.outer}, func(ctx context.Context) error {
					return deadline.Run(ctx, deadline.Limit{Label: "Inner", After: c.inner}, func(ctx context.Context) error {
						<-never
						return nil
					})
				})
				_ = err
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("returned after %v", took)
				}
				if err == nil || err.Error() != c.label {
					t.Errorf("error = %v, want %s", err, c.label)
				}
				if n := strings.Count(strings.Join(rec.Actions(), " "), "timeout"); n != 1 {
					t.Errorf("timeout told %d times: %q", n, messages(rec))
				}
			})
		})
	}
}

func TestAStepIsNamedBeforeAnythingIsToldOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, _ := told()
		err := deadline.Run(ctx, deadline.Limit{Label: "Outer", After: time.Second}, func(ctx context.Context) error {
			return deadline.Run(ctx, deadline.Limit{Label: "Inner", After: time.Minute}, func(ctx context.Context) error {
				narrate.Sayf(narrate.WithStep(ctx, "connect"), "connecting", "…")
				deadline.Enter(ctx, "probe")
				<-ctx.Done()
				return ctx.Err()
			})
		})
		if err == nil || err.Error() != "outer timed out after 1 second (probe)" {
			t.Errorf("error = %v", err)
		}
	})
	deadline.Enter(t.Context(), "without a limit") // is nothing
}

func TestACancelledCallerIsAnsweredSoonAndTruthfully(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("interrupted")
		ctx, rec := told()
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(why) })
		began := time.Now()
		never := make(chan struct{})
		err := deadline.Run(ctx, install, func(context.Context) error { <-never; return nil })
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("returned after %v, want 1 s and the 5 s of clean-up", took)
		}
		if !errors.Is(err, why) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want one that wraps the cause", err)
		}
		if slices.Contains(rec.Actions(), "timeout") {
			t.Error("a cancelled operation was told as timed out")
		}
		close(never)
	})
}

func TestAnAnswerInTheReserveCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, _ := told()
		v, err := deadline.Value(ctx, install, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 7, nil
		})
		if v != 7 || err != nil {
			t.Errorf("got %d, %v; want 7, nil", v, err)
		}
	})
}

func TestTheFunctionsOwnErrorStaysWhenItWrapsTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, _ := told()
		err := deadline.Run(ctx, install, func(ctx context.Context) error {
			<-ctx.Done()
			return &wrapped{context.Cause(ctx)}
		})
		var w *wrapped
		if !errors.As(err, &w) {
			t.Errorf("error = %#v, want the function's own", err)
		}
	})
}

type wrapped struct{ error }

func (w *wrapped) Unwrap() error { return w.error }

func TestAStalledSinkDoesNotMoveTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		sink := narrate.SinkFunc(func(e narrate.Event) error {
			if e.Action == "timeout" || e.Action == "abandoned" {
				<-hung
			}
			return nil
		})
		ctx := narrate.WithNarrator(context.Background(), narrate.New(sink))
		began := time.Now()
		_ = deadline.Run(ctx, install, func(context.Context) error { <-hung; return nil })
		if over := time.Since(began) - install.After; over > 100*time.Millisecond {
			t.Errorf("returned %v after the limit", over)
		}
		close(hung)
	})
}

func TestALimitOfZeroOrLessIsRefusedBeforeAnythingRuns(t *testing.T) {
	for _, after := range []time.Duration{0, -time.Second} {
		ctx, rec := told()
		ran := false
		err := deadline.Run(ctx, deadline.Limit{Label: "Install daemon", After: after}, func(context.Context) error { ran = true; return nil })
		if err == nil || ran || len(rec.Events()) > 0 {
			t.Errorf("limit %v: err %v, ran %v, told %q", after, err, ran, messages(rec))
		}
	}
}

func TestAPanicReachesTheCaller(t *testing.T) {
	ctx, _ := told()
	defer func() {
		if r := recover(); r != "broken" {
			t.Errorf("recovered %v, want the function's panic", r)
		}
	}()
	_ = deadline.Run(ctx, install, func(context.Context) error { panic("broken") })
}
