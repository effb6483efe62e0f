package streamtest

import (
	"sync"
	"time"

	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/stream"
)

func eventsComeBack(s *suite) {
	s.create("a")
	told := []narrate.Event{
		{
			Time: time.Date(2026, 11, 23, 16, 5, 11, 123e6, time.UTC), Kind: narrate.Narration, Job: "a", Attempt: 2,
			Correlation: "c", Host: "vince@gpu-1", Step: "transfer", Actor: "install", Action: "copying", Level: narrate.Warn,
			Message: "📤 Copying\r\nid: 1\x00", Traceparent: "00-1-2-01",
			Attrs: map[string]any{"bytes": 31457280, "name": "w", "deep": map[string]any{"list": []int{1, 2}}},
		},
		{Kind: narrate.Output, Job: "a", ID: "not mine", Seq: 99},
	}
	for _, e := range told {
		s.must(s.log.Append(s.ctx, e))
	}
	for i, got := range s.whole("a", len(told)) {
		want := told[i]
		want.ID, want.Seq = got.ID, uint64(i+1)
		if s.json(got) != s.json(want) {
			s.Errorf("got  %s\nwant %s", s.json(got), s.json(want))
		}
		if got.ID == told[i].ID {
			s.Error("the log kept the teller's ID")
		}
	}
}

func idsRise(s *suite) {
	s.create("a", "b")
	for i := range 5 {
		s.say("a", i, 1)
		s.say("b", i, 2)
	}
	a, b := s.whole("a", 5), s.whole("b", 10)
	var last stream.Point
	for i := range a {
		for _, e := range []narrate.Event{a[i], b[2*i], b[2*i+1]} {
			p, err := stream.Position(e.ID).Parse()
			s.must(err)
			if p.Epoch == "" || p.N <= last.N || last.Epoch != "" && p.Epoch != last.Epoch {
				s.Errorf("ID %v comes after %v", p, last)
			}
			last = p
		}
	}
}

func concurrentAppends(s *suite) {
	const tellers, each = 8, 50
	s.create("a", "b")
	var wg sync.WaitGroup
	for i := range tellers {
		wg.Go(func() {
			for range each {
				e := narrate.Event{Kind: narrate.Output, Job: []string{"a", "b"}[i%2]}
				if err := s.log.Append(s.ctx, e); err != nil {
					s.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, job := range []string{"a", "b"} {
		s.must(checkSeqs(job, s.whole(job, tellers*each/2), 1))
	}
}

func batchIsBounded(s *suite) {
	s.create("a")
	s.say("a", 1, 3*stream.MaxBatch+1)
	c := s.follow("a", stream.Start)
	for got := 0; got < 3*stream.MaxBatch+1; {
		events, err := c.Next(s.ctx)
		s.must(err)
		if len(events) == 0 || len(events) > stream.MaxBatch {
			s.Fatalf("a batch of %d events", len(events))
		}
		got += len(events)
	}
}

func attrsAreKept(s *suite) {
	s.create("a")
	deep := map[string]any{"x": "told"}
	attrs := map[string]any{"x": "told", "deep": deep}
	s.must(s.log.Append(s.ctx, narrate.Event{Kind: narrate.Narration, Job: "a", Attrs: attrs}))
	attrs["x"], deep["x"] = "changed", "changed"
	const want = `{"deep":{"x":"told"},"x":"told"}`
	if got := s.json(s.whole("a", 1)[0].Attrs); got != want {
		s.Errorf("attrs %s, want %s", got, want)
	}
}

func attrsAreRefused(s *suite) {
	s.create("a")
	unsayable := map[string]any{"x": make(chan int)}
	if err := s.log.Append(s.ctx, narrate.Event{Kind: narrate.Narration, Job: "a", Attrs: unsayable}); err == nil {
		s.Error("a channel was appended")
	}
	s.say("a", 1, 2)
	s.must(checkSeqs("a", s.whole("a", 2), 1))
}

func noJob(s *suite) {
	s.create("a")
	s.wants("create", s.log.Create(s.ctx, ""), stream.ErrNoJob)
	s.wants("append", s.log.Append(s.ctx, narrate.Event{Kind: narrate.Narration, Message: "nobody's"}), stream.ErrNoJob)
	s.say("a", 1, 1)
	s.must(checkSeqs("a", s.whole("a", 1), 1))
}

func createdOnce(s *suite) {
	s.create("a")
	s.say("a", 1, 1)
	s.wants("create again", s.log.Create(s.ctx, "a"), stream.ErrExists)
	s.must(checkSeqs("a", s.whole("a", 1), 1))
}

func unknownJob(s *suite) {
	s.create("a")
	s.wants("append", s.log.Append(s.ctx, narrate.Event{Kind: narrate.Narration, Job: "b"}), stream.ErrUnknownJob)
	_, err := s.log.Follow(s.ctx, "b", stream.Start)
	s.wants("follow", err, stream.ErrUnknownJob)
	_, err = s.log.Follow(s.ctx, "b", "rubbish")
	s.wants("follow from rubbish", err, stream.ErrUnknownJob)
	s.wants("remove", s.log.Remove(s.ctx, "b"), stream.ErrUnknownJob)
}
