package stream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/davit-sh/davit/narrate"
)

// Memory is a [Log] in memory: it keeps the last events of each job and is gone with the
// process. A job stays until it is removed. [NewMemory] makes one.
type Memory struct {
	perJob uint64
	epoch  string
	last   atomic.Pointer[plainAttrs] // the plain attrs that snapshot took last, or nil

	mu   sync.Mutex // guards all below, and every memoryJob
	n    uint64     // number of the last event, of whichever job
	jobs map[string]*memoryJob
}

var _ Log = (*Memory)(nil)

// NewMemory returns a log that keeps the last perJob events of each job, at least one.
func NewMemory(perJob int) *Memory {
	return &Memory{
		perJob: uint64(max(perJob, 1)),
		epoch:  strings.ToLower(rand.Text()[:8]),
		jobs:   make(map[string]*memoryJob),
	}
}

// Create implements [Log].
func (m *Memory) Create(_ context.Context, job string) error {
	if job == "" {
		return ErrNoJob
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.jobs[job] != nil {
		return ErrExists
	}
	m.jobs[job] = &memoryJob{}
	return nil
}

// Append implements [Log]. It never waits.
func (m *Memory) Append(_ context.Context, e narrate.Event) error {
	return m.add(e, false)
}

// Sink returns a sink that appends each event with a job ID and ignores the others. The first
// event of a job creates the job, if [Memory.Create] did not; so remove a job only when its
// work is over.
func (m *Memory) Sink() narrate.Sink { return narrate.JobsOnly(memorySink{m}) }

type memorySink struct{ log *Memory }

var _ narrate.Prompt = memorySink{}

func (s memorySink) Emit(e narrate.Event) error { return s.log.add(e, true) }

func (memorySink) Prompt() {}

// add appends e; create says what to do about a job that is not there.
func (m *Memory) add(e narrate.Event, create bool) error {
	if e.Job == "" {
		return ErrNoJob
	}
	attrs, err := m.snapshot(e.Attrs)
	if err != nil {
		return err
	}
	e.Attrs = attrs
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[e.Job]
	if j == nil && create {
		j = &memoryJob{}
		m.jobs[e.Job] = j
	}
	switch {
	case j == nil:
		return ErrUnknownJob
	case j.ended:
		return ErrEnded
	}
	m.n++
	j.push(entry{n: m.n, event: e}, m.perJob)
	return nil
}

// snapshot returns attrs as a reader of their JSON form has them, so that what the teller
// changes later, or JSON cannot say, never meets a watcher. Events that tell one after the other
// the same plain facts, as captured output does, share one snapshot: nobody changes it.
func (m *Memory) snapshot(attrs map[string]any) (map[string]any, error) {
	if len(attrs) == 0 {
		return nil, nil
	}
	if last := m.last.Load(); last != nil && last.same(attrs) {
		return last.attrs, nil
	}
	if isPlain(attrs) {
		p := plainAttrs{attrs: maps.Clone(attrs)}
		for k, v := range attrs {
			p.facts = append(p.facts, fact{k, v})
		}
		m.last.Store(&p)
		return p.attrs, nil
	}
	b, err := json.Marshal(attrs)
	if err != nil {
		return nil, fmt.Errorf("event attrs: %w", err)
	}
	var read map[string]any
	err = json.Unmarshal(b, &read)
	return read, err
}

// plainAttrs are attrs that isPlain is true of. They are not changed.
type plainAttrs struct {
	attrs map[string]any
	facts []fact // the same, quicker to go through
}

type fact struct {
	key   string
	value any
}

// same reports whether attrs say the same.
func (p *plainAttrs) same(attrs map[string]any) bool {
	if len(attrs) != len(p.facts) {
		return false
	}
	for _, f := range p.facts {
		// Plain values can be compared, and others are of other types: this does not panic.
		if v, ok := attrs[f.key]; !ok || v != f.value {
			return false
		}
	}
	return true
}

// isPlain reports whether attrs are what a reader of their JSON form has, and share nothing with
// the teller but the map itself.
func isPlain(attrs map[string]any) bool {
	for k, v := range attrs {
		if !utf8.ValidString(k) {
			return false
		}
		switch v := v.(type) {
		case nil, bool:
		case string:
			if !utf8.ValidString(v) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// Follow implements [Log].
func (m *Memory) Follow(_ context.Context, job string, from Position) (Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[job]
	if j == nil {
		return nil, ErrUnknownJob
	}
	next, reset := j.after(from, m.epoch)
	if reset == nil && j.ended && next > j.last {
		return nil, ErrEnded
	}
	return &memoryCursor{log: m, job: j, next: next, reset: reset}, nil
}

// Remove implements [Log].
func (m *Memory) Remove(_ context.Context, job string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[job]
	if j == nil {
		return ErrUnknownJob
	}
	delete(m.jobs, job)
	j.removed = true
	j.wakeAll()
	return nil
}
