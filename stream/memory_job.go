package stream

import (
	"context"
	"io"
	"sort"

	"github.com/davit-sh/davit/narrate"
)

// memoryJob is a ring of the last events of one job.
type memoryJob struct {
	ring    []entry // the event with seq s stands at (s-1) modulo the ring's final size
	last    uint64  // seq of the newest event
	dropped uint64  // n of the event that fell out last
	ended   bool
	removed bool
	wake    chan struct{} // closed at the next change; nil if nobody waits
}

type entry struct {
	n     uint64
	event narrate.Event // without its ID, which is made of n for those who read it
}

func (j *memoryJob) push(x entry, size uint64) {
	j.last++
	x.event.Seq = j.last
	if uint64(len(j.ring)) < size {
		j.ring = append(j.ring, x)
	} else {
		slot := j.at(j.last)
		j.dropped = slot.n
		*slot = x
	}
	j.ended = x.event.Kind == narrate.End
	j.wakeAll()
}

func (j *memoryJob) at(seq uint64) *entry { return &j.ring[(seq-1)%uint64(len(j.ring))] }

func (j *memoryJob) oldest() uint64 { return j.last - uint64(len(j.ring)) + 1 }

func (j *memoryJob) wakeAll() {
	if j.wake != nil {
		close(j.wake)
		j.wake = nil
	}
}

// after returns the seq of the event that follows from, or why there is none.
func (j *memoryJob) after(from Position, epoch string) (uint64, *Reset) {
	p, err := from.Parse()
	switch {
	case err != nil:
		return 0, &Reset{Reason: UnknownPosition}
	case p.Epoch == "" && p.N <= j.last:
		return p.N + 1, nil
	case p.Epoch != epoch:
		return 0, &Reset{Reason: UnknownPosition}
	}
	return j.afterN(p.N)
}

func (j *memoryJob) afterN(n uint64) (uint64, *Reset) {
	oldest := j.oldest()
	i := sort.Search(len(j.ring), func(i int) bool { return j.at(oldest+uint64(i)).n >= n })
	seq := oldest + uint64(i)
	switch {
	case seq <= j.last && j.at(seq).n == n:
		return seq + 1, nil
	case n == j.dropped: // it was the job's, and all that came after it is here
		return oldest, nil
	case n < j.dropped:
		return 0, &Reset{Reason: Expired}
	}
	return 0, &Reset{Reason: UnknownPosition}
}

// memoryCursor reads the ring. It costs nothing while it waits but its place in a select.
type memoryCursor struct {
	log   *Memory
	job   *memoryJob
	next  uint64 // seq of the event to give next
	reset *Reset // to be given first; next means nothing until it was
}

// Next implements [Cursor]. It looks before it waits: what is there is given even if ctx is done.
func (c *memoryCursor) Next(ctx context.Context) ([]narrate.Event, error) {
	for {
		events, wake, err := c.take()
		if wake == nil {
			return events, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close implements [Cursor]; there is nothing to free.
func (c *memoryCursor) Close() {}

// take returns what Next should, or the channel that is closed when looking again is worth it.
func (c *memoryCursor) take() ([]narrate.Event, <-chan struct{}, error) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	j := c.job
	oldest := j.oldest()
	switch {
	case c.reset == nil && j.ended && c.next > j.last:
		return nil, nil, io.EOF
	case j.removed:
		return nil, nil, ErrUnknownJob
	case c.reset != nil:
		r := c.reset
		c.reset, c.next = nil, oldest
		return nil, nil, r
	case c.next < oldest:
		r := &Reset{Reason: Expired, Lost: oldest - c.next}
		c.next = oldest
		return nil, nil, r
	case c.next <= j.last:
		return c.batch(), nil, nil
	}
	if j.wake == nil {
		j.wake = make(chan struct{})
	}
	return nil, j.wake, nil
}

func (c *memoryCursor) batch() []narrate.Event {
	n := min(c.job.last-c.next+1, MaxBatch)
	events := make([]narrate.Event, 0, n)
	for range n {
		x := c.job.at(c.next)
		e := x.event
		e.ID = Point{Epoch: c.log.epoch, N: x.n}.String()
		events = append(events, e)
		c.next++
	}
	return events
}
