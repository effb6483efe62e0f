package narrate

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func figures(events []Event) []int64 {
	var all []int64
	for _, e := range events {
		all = append(all, e.Attrs["done"].(int64))
	}
	return all
}

func TestProgressIsToldFourTimesASecondAndTheLatestWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h hearing
		m := NewMeter(into(t.Context(), &h), 1000, "bytes")
		time.Sleep(5 * time.Millisecond) // no unit comes at the very instant that one is told
		for range 300 {
			time.Sleep(10 * time.Millisecond)
			m.Add(1)
		}
		time.Sleep(time.Minute)
		events := h.heard()
		for i, e := range events[1:] {
			if gap := e.Time.Sub(events[i].Time); gap < ProgressInterval {
				t.Errorf("%v between %v and %v", gap, events[i].Attrs, e.Attrs)
			}
		}
		// 0 at once, then at the end of each of the 13 intervals in which something came.
		if n := len(events); n != 14 {
			t.Errorf("told %d times in three seconds: %v", n, figures(events))
		}
		if last := figures(events)[len(events)-1]; last != 300 {
			t.Errorf("the last figure told is %d, without another 300 comes to nothing", last)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if n := len(h.heard()); n != len(events) {
			t.Error("a figure was told twice")
		}
	})
}

func TestTheLastFigureIsAlwaysTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h hearing
		m := NewMeter(into(t.Context(), &h), 3, "files")
		for range 3 {
			m.Add(1)
		}
		_ = m.Close()
		_ = m.Close()
		m.Add(1)
		time.Sleep(time.Minute)
		if got := figures(h.heard()); len(got) != 2 || got[0] != 0 || got[1] != 3 {
			t.Errorf("told %v, want 0 and 3", got)
		}
		if m.Done() != 4 {
			t.Errorf("Done() = %d, want 4: what comes late is counted still", m.Done())
		}
		e := h.heard()[1]
		if e.Kind != Progress || e.Action != "progress" || e.Message != "3 of 3 files" || e.Attrs["total"] != int64(3) || e.Attrs["unit"] != "files" {
			t.Errorf("told %+v", e)
		}
	})
}

func TestAMeterOfUnknownTotalDoesNotNameOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h hearing
		m := NewMeter(into(t.Context(), &h), 0, "bytes")
		n, err := io.Copy(io.Discard, m.Reader(bytes.NewReader(make([]byte, 5000))))
		if err != nil || n != 5000 || m.Done() != 5000 {
			t.Errorf("copied %d, counted %d, %v", n, m.Done(), err)
		}
		_ = m.Close()
		events := h.heard()
		if e := events[len(events)-1]; e.Message != "5000 bytes" || e.Attrs["total"] != int64(0) {
			t.Errorf("told %+v", e)
		}
	})
}
