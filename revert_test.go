package davit_test

import (
	"testing"
	"time"

	"github.com/davit-sh/davit"
)

// reverts takes a change back.
func (l *life) reverts(change string) (davit.Receipt, error) {
	ctx, _ := told(l)
	return davit.Revert(ctx, l, davit.RevertOptions{Target: l.target(), Change: change})
}

func TestAChangeIsTakenBack(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(l *life) {
		one, two, three := sleeper(l, "one"), sleeper(l, "two"), sleeper(l, "three")

		first := l.must(l.install(one, l.running()))
		if r := l.must(l.reverts(first.Change)); r.Outcome != davit.Reverted || r.State != davit.StateAbsent {
			l.Errorf("the first install: %+v", r)
		}
		l.is(davit.StateAbsent, "")
		l.nothingLeft()

		run := l.running()
		run.Spec.Env = []string{"COLOUR=red"}
		l.must(l.install(one, run))
		run = l.running()
		run.Spec.Env = []string{"COLOUR=blue"}
		changed := l.must(l.install(two, run))
		r := l.must(l.reverts(changed.Change))
		if r.Release != id(l, one) || r.Previous != id(l, two) || r.State != davit.StateRunning || r.PID == 0 {
			l.Errorf("an install: %+v", r)
		}
		s := l.is(davit.StateRunning, id(l, one))
		if s.Previous != "" || s.PID != r.PID || l.seen.Run("grep COLOUR= "+l.base()+"/service/env") == "" {
			l.Errorf("status: %+v", s)
		}
		if env := l.seen.Run("cat " + l.base() + "/service/env"); env != l.seen.Run("cat "+l.base()+"/releases/"+id(l, one)+"/service/env") {
			l.Errorf("it has this environment: %s", env)
		}
		_, err := l.reverts(changed.Change)
		explained(l, err, davit.ExitFailed, "is not the last one there")
		l.stays(id(l, one), s.PID)

		plain := l.must(l.install(three, nil)) // the daemon runs on as it is
		if r := l.must(l.reverts(plain.Change)); r.Release != id(l, one) || r.State != "" {
			l.Errorf("an install that starts nothing: %+v", r)
		}
		l.stays(id(l, one), s.PID)

		l.must(davit.Stop(t.Context(), l, davit.StopOptions{Target: l.target()}))
		started := l.must(davit.Start(t.Context(), l, davit.StartOptions{Target: l.target(), Run: davit.Run{Settle: 300 * time.Millisecond}}))
		l.must(l.reverts(started.Change))
		l.is(davit.StateStopped, id(l, one))
		same := l.must(l.install(one, nil))
		if same.Change != "" {
			l.Errorf("nothing was changed, and it is called %q", same.Change)
		}
	})
}
