package streamtest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/stream"
)

func nothingAfterEnd(s *suite) {
	s.create("a")
	live := s.follow("a", stream.Start)
	s.say("a", 1, 2)
	s.end("a")
	s.wants("append", s.log.Append(s.ctx, narrate.Event{Kind: narrate.Narration, Job: "a"}), stream.ErrEnded)
	s.wants("end twice", s.log.Append(s.ctx, narrate.Event{Kind: narrate.End, Job: "a"}), stream.ErrEnded)
	for _, c := range []stream.Cursor{live, s.follow("a", stream.Start)} {
		events := s.take(c, 3)
		s.must(checkSeqs("a", events, 1))
		for range 2 {
			_, err := c.Next(s.ctx)
			s.wants("next", err, io.EOF)
		}
		_, err := s.log.Follow(s.ctx, "a", stream.Position(events[2].ID))
		s.wants("follow from the end", err, stream.ErrEnded)
		_, err = s.log.Follow(s.ctx, "a", "3")
		s.wants("follow from the end's seq", err, stream.ErrEnded)
	}
}

func removed(s *suite) {
	s.create("a", "b")
	s.say("a", 1, 1)
	s.say("b", 1, 1)
	c := s.follow("a", stream.Start)
	s.take(c, 1)
	done := make(chan error, 1)
	go func() { done <- s.log.Remove(s.ctx, "a") }()
	_, err := c.Next(s.ctx)
	s.wants("next", err, stream.ErrUnknownJob)
	s.must(<-done)
	s.wants("append", s.log.Append(s.ctx, narrate.Event{Kind: narrate.Narration, Job: "a"}), stream.ErrUnknownJob)
	_, err = s.log.Follow(s.ctx, "a", stream.Start)
	s.wants("follow", err, stream.ErrUnknownJob)
	s.wants("remove again", s.log.Remove(s.ctx, "a"), stream.ErrUnknownJob)
	s.must(checkSeqs("b", s.whole("b", 1), 1))
}

func createdAgain(s *suite) {
	s.create("a")
	s.say("a", 1, 3)
	first := s.whole("a", 3)
	s.must(s.log.Remove(s.ctx, "a"))
	s.create("a")
	s.say("a", 1, 2)
	s.must(checkSeqs("a", s.whole("a", 2), 1))
	for _, e := range first {
		c := s.follow("a", stream.Position(e.ID))
		s.waitReset(c)
		s.must(checkSeqs("a", s.take(c, 2), 1))
	}
}

func handlerResumes(s *suite) {
	s.create("a")
	s.say("a", 1, 2)
	s.end("a")
	mux := http.NewServeMux()
	mux.Handle("GET /{id}", stream.Handler(s.log))
	server := httptest.NewServer(mux)
	defer server.Close()
	var ids []string
	for _, e := range s.whole("a", 3) {
		ids = append(ids, e.ID)
	}
	for i := range ids {
		status, got, err := s.get(server.URL+"/a", ids[i])
		s.must(err)
		if want := strings.Join(ids[i+1:], " "); got != want {
			s.Errorf("after %s: got %q, want %q", ids[i], got, want)
		}
		if atEnd := i == len(ids)-1; atEnd != (status == http.StatusNoContent) {
			s.Errorf("after %s: status %d", ids[i], status)
		}
	}
	if status, _, err := s.get(server.URL+"/b", ""); err != nil || status != http.StatusNotFound {
		s.Errorf("unknown job: status %d, error %v", status, err)
	}
}

// get reads a stream to its end and returns the IDs in it.
func (s *suite) get(url, lastID string) (status int, ids string, err error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Last-Event-ID", lastID)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(resp.Body)
	var found []string
	for line := range strings.Lines(string(body)) {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			found = append(found, strings.TrimSpace(id))
		}
	}
	return resp.StatusCode, strings.Join(found, " "), errors.Join(err, resp.Body.Close())
}
