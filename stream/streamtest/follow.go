package streamtest

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/stream"
)

func resumes(s *suite) {
	const n = 40
	s.create("a", "b")
	for i := range n {
		s.say("a", i, 1)
		s.say("b", i, 1)
	}
	s.take(s.follow("a", "0"), n)
	for _, e := range s.whole("a", n)[:n-1] {
		for _, from := range []string{e.ID, strconv.FormatUint(e.Seq, 10)} {
			c := s.follow("a", stream.Position(from))
			s.must(checkSeqs("a", s.take(c, n-int(e.Seq)), e.Seq+1))
		}
	}
}

func resets(s *suite) {
	s.create("a", "b")
	s.say("b", 1, 1)
	s.say("a", 1, 3)
	s.say("b", 2, 1)
	b := s.whole("b", 2)
	last, err := stream.Position(s.whole("a", 3)[2].ID).Parse()
	s.must(err)
	n := strconv.FormatUint(last.N, 10)
	for name, from := range map[string]string{
		"another log's":           "x" + last.String(),
		"another job's, earlier":  b[0].ID,
		"another job's, later":    b[1].ID,
		"of the future":           stream.Point{Epoch: last.Epoch, N: last.N + 1000}.String(),
		"a seq of the future":     "4",
		"rubbish":                 "rubbish",
		"without an epoch":        "." + n,
		"without a number":        last.Epoch + ".",
		"of a negative number":    last.Epoch + ".-1",
		"padded":                  last.Epoch + ".0" + n,
		"beyond 64 bits":          "18446744073709551616",
		"the largest number":      "18446744073709551615",
		"very long":               strings.Repeat("9", 1<<16),
		"with another line in it": last.String() + "\nid: 1",
		"not UTF-8":               "\xff.\xff",
	} {
		s.Run(name, func(t *testing.T) {
			s := &suite{T: t, ctx: s.ctx, log: s.log}
			c := s.follow("a", stream.Position(from))
			s.waitReset(c)
			s.must(checkSeqs("a", s.take(c, 3), 1))
		})
	}
}

func waits(s *suite) {
	s.create("a")
	c := s.follow("a", stream.Start)
	for i := range 50 {
		told := make(chan error, 1)
		go func() { told <- s.log.Append(s.ctx, narrate.Event{Kind: narrate.Narration, Job: "a"}) }()
		s.must(checkSeqs("a", s.take(c, 1), uint64(i+1)))
		s.must(<-told)
	}
}

func cutShort(s *suite) {
	s.create("a")
	c := s.follow("a", stream.Start)
	why := errors.New("cut short")
	for i := range 20 {
		ctx, cancel := context.WithCancelCause(s.ctx)
		go cancel(why)
		_, err := c.Next(ctx)
		s.wants("next without events", err, why)
		s.say("a", i, 1)
		s.must(checkSeqs("a", s.take(c, 1), uint64(i+1)))
	}
}

func manyWatchers(s *suite) {
	const watchers, n = 100, 200
	s.create("a")
	var wg sync.WaitGroup
	for i := range watchers {
		from := stream.Start
		if i%2 == 1 {
			s.say("a", i, 1)
			from = "1"
		}
		c := s.follow("a", from)
		wg.Go(func() { s.watch(c, from, watchers/2+n) })
	}
	s.say("a", 0, n-1)
	s.end("a")
	wg.Wait()
}

// watch follows a job of n events to its end.
func (s *suite) watch(c stream.Cursor, from stream.Position, n int) {
	first := 1
	if from != stream.Start {
		first = 2
	}
	events, err := takeAtLeast(s.ctx, c, n-first+1)
	if err == nil {
		err = checkSeqs("a", events, uint64(first))
	}
	if err != nil {
		s.Error(err)
		return
	}
	_, err = c.Next(s.ctx)
	s.wants("next after the end", err, io.EOF)
}

func slowWatcher(s *suite) {
	const n = 900
	s.create("a")
	slow, quick := s.follow("a", stream.Start), s.follow("a", stream.Start)
	s.say("a", 1, 1)
	s.take(slow, 1)
	s.take(quick, 1)
	for i := 1; i < n; i++ {
		s.say("a", i, 1)
		s.take(quick, 1)
	}
	s.must(checkSeqs("a", s.take(slow, n-1), 2))
}

func jobsAreApart(s *suite) {
	const n = 100
	jobs := []string{"a", "b", "ab", "a.b"}
	s.create(jobs...)
	var wg sync.WaitGroup
	for _, job := range jobs {
		c := s.follow(job, stream.Start)
		wg.Go(func() {
			events, err := takeAtLeast(s.ctx, c, n)
			if err == nil {
				err = checkSeqs(job, events, 1)
			}
			if err != nil {
				s.Error(err)
			}
		})
	}
	for i := range n {
		for _, job := range jobs {
			s.say(job, i, 1)
		}
	}
	wg.Wait()
}
