package openssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/link"
)

// lingering is how long what the program has left behind may hold up the word that it has ended.
const lingering = time.Second

// master is an ssh program that runs, in a session of its own: it has no terminal, and no signal
// of ours reaches it.
type master struct {
	cmd   *exec.Cmd
	said  transcript    // on stderr
	ready chan struct{} // closed when it has signed in and listens
	ended chan struct{} // closed when it has ended

	mu   sync.Mutex
	gone bool // it has ended, and its number may be another's
}

// startMaster starts the program at path.
func startMaster(path string, args, env []string) (*master, error) {
	m := &master{cmd: exec.Command(path, args...), ready: make(chan struct{}), ended: make(chan struct{})}
	m.cmd.Env = env
	m.cmd.Stdout = &announcement{line: readyLine, heard: m.ready}
	m.cmd.Stderr = &m.said
	m.cmd.WaitDelay = lingering
	detach(m.cmd)
	started := make(chan error)
	go m.run(started)
	if err := <-started; err != nil {
		return nil, &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("the ssh program does not start: %w", err)}
	}
	return m, nil
}

// run is a goroutine of its own until the program has ended. It keeps its thread for so long: on
// Linux the program ends with the thread that started it.
func (m *master) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := m.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	m.cmd.Wait() // what it said tells more than how it ended
	m.kill()     // what of its group is left
	m.mu.Lock()
	m.gone = true
	m.mu.Unlock()
	close(m.ended)
}

// kill ends the program, and what it started, without waiting.
func (m *master) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.gone {
		killSession(m.cmd)
	}
}

var errEnded = errors.New("the ssh program has ended")

// connect waits until the program has signed in and returns a link to the host of this name by way
// of its socket. It ends with ctx.
func (m *master) connect(ctx context.Context, name, socket string) (*link.Link, error) {
	select {
	case <-m.ready:
	case <-m.ended:
		return nil, errEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	x, err := newMux(conn, m.why)
	if !stop() || err != nil {
		conn.Close()
		return nil, err
	}
	return link.New(name, x, func() {
		conn.Close()
		m.kill()
	}), nil
}

// why returns the reason for which the control socket broke: what the program says, if anything.
func (m *master) why(err error) error {
	timer := time.NewTimer(lingering)
	defer timer.Stop()
	select {
	case <-m.ended:
	case <-timer.C:
	}
	m.kill()
	lines := slices.DeleteFunc(m.said.lines(), isChatter)
	if len(lines) == 0 {
		return fmt.Errorf("%w: %w", errEnded, err)
	}
	return errors.New(lines[len(lines)-1])
}

// isChatter reports whether a line is not about anything that went wrong.
func isChatter(line string) bool {
	return slices.ContainsFunc([]string{
		"debug", "Authenticated to ", "Transferred: ", "Bytes per second: ", "Warning: Permanently added ", hopFailed,
	}, func(prefix string) bool { return strings.HasPrefix(line, prefix) })
}

// announcement is a writer that waits for a line.
type announcement struct {
	line   string
	heard  chan<- struct{} // closed then
	before []byte          // the line that is not complete yet, or its end
	done   bool
}

// Write implements [io.Writer].
func (a *announcement) Write(p []byte) (int, error) {
	a.before = append(a.before, p...)
	for !a.done {
		line, rest, found := bytes.Cut(a.before, []byte("\n"))
		if !found {
			break
		}
		a.before = rest
		if string(bytes.TrimRight(line, "\r")) == a.line {
			a.done = true
			close(a.heard)
		}
	}
	if over := len(a.before) - 1024; a.done || over > 0 {
		a.before = a.before[:0]
	}
	return len(p), nil
}

// transcript keeps the last of what is written to it.
type transcript struct {
	mu   sync.Mutex
	text []byte
}

// transcriptSize holds what a program says while it connects, and more, in bytes.
const transcriptSize = 32 << 10

// Write implements [io.Writer].
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - transcriptSize; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

// lines returns the lines that say anything.
func (t *transcript) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(string(t.text)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
