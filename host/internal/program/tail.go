package program

import (
	"strings"
	"sync"
)

// Tail keeps the last of what is written to it. The zero value is ready.
type Tail struct {
	mu  sync.Mutex
	end []byte
}

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	if over := len(t.end) - 1024; over > 0 {
		t.end = t.end[over:]
	}
	return len(p), nil
}

// String returns it as one line.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Fields(string(t.end)), " ")
}
