package host

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/davit-sh/davit/narrate"
)

// Talk is a conversation with a script that runs on a host: we say lines and send bytes on its
// stdin; it answers with marked lines. What else it prints is told as captured output. The
// caller must call Close. One goroutine may hear while another says and sends; Close is for any.
type Talk struct {
	name     string // of the script
	process  Process
	sentinel string

	words  chan Words // what it says; closed at the end of its output
	writes chan write
	closed chan struct{}
	once   sync.Once

	stdout, stderr output
	ended          error // why there are no more words; set before words is closed
}

// Words is one marked line: its first word, and the rest. It is fit to be shown: what could steer
// a terminal is as [narrate.Visible] has it.
type Words struct{ First, Rest string }

// write is a line and some bytes for the script, and where to say how that went.
type write struct {
	line, data []byte
	done       chan error
}

// Start runs s on h, connecting if need be, and returns when it is on its way; ctx bounds that.
// The script is told how much time ctx leaves.
func Start(ctx context.Context, h Host, s Script) (*Talk, error) {
	sentinel := "davit-" + strings.ToLower(rand.Text()[:12])
	command, stdin := s.start(sentinel, remaining(ctx))
	process, err := h.Exec(ctx, command)
	if err != nil {
		return nil, err
	}
	t := &Talk{
		name: s.Name, process: process, sentinel: sentinel,
		words: make(chan Words, 64), writes: make(chan write), closed: make(chan struct{}),
	}
	t.Tell(ctx)
	go t.write()
	go t.listen()
	if err := t.send(ctx, stdin, nil); err != nil && !errors.Is(err, ErrNotListening) {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Tell makes the script's output, from now on, belong to ctx: its step, its secrets, its sinks.
func (t *Talk) Tell(ctx context.Context) {
	t.stdout.use(ctx, "stdout")
	t.stderr.use(ctx, "stderr")
}

// Hear returns the script's next marked line. It waits until ctx ends, and then returns its
// cause. Once the script has ended, the error says how: it wraps an [*ExitError], [ErrLost], or
// [ErrShell] if the script never spoke.
func (t *Talk) Hear(ctx context.Context) (Words, error) {
	select {
	case w, ok := <-t.words:
		if !ok {
			return Words{}, t.ended
		}
		return w, nil
	case <-ctx.Done():
		return Words{}, context.Cause(ctx)
	}
}

// ErrNotListening says that the script takes nothing any more; what [Talk.Hear] returns says why.
var ErrNotListening = errors.New("the host's side does not listen any more")

// Say says a line to the script. Say and Send wait until the host's side has room, or until ctx
// ends, and then return its cause; what was begun then is written all the same, before what is
// said next. They return [ErrNotListening] once the script or the connection has ended.
func (t *Talk) Say(ctx context.Context, words ...string) error {
	return t.Send(ctx, nil, words...)
}

// Send says a line and sends bytes behind it, as many as the line announces. If it fails, data may
// still be read from until Close.
func (t *Talk) Send(ctx context.Context, data []byte, words ...string) error {
	return t.send(ctx, []byte(strings.Join(words, " ")+"\n"), data)
}

func (t *Talk) send(ctx context.Context, line, data []byte) error {
	w := write{line: line, data: data, done: make(chan error, 1)}
	select {
	case t.writes <- w:
	case <-t.closed:
		return ErrNotListening
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-w.done:
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotListening, err)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write is a goroutine of its own, so that a stalled network does not hold up the caller.
func (t *Talk) write() {
	for {
		select {
		case w := <-t.writes:
			_, err := t.process.Write(w.line)
			if err == nil && len(w.data) > 0 {
				_, err = t.process.Write(w.data)
			}
			w.done <- err
		case <-t.closed:
			return
		}
	}
}

// Close ends the conversation: the script sees the end of its input and ends itself. Close does
// not wait for that.
func (t *Talk) Close() error {
	err := error(nil)
	t.once.Do(func() {
		close(t.closed)
		err = t.process.Close()
	})
	return err
}

// listen is a goroutine of its own until the script's output has ended.
func (t *Talk) listen() {
	var errors tail
	var both sync.WaitGroup
	both.Go(func() { io.Copy(io.MultiWriter(&errors, &t.stderr), t.process.Stderr()) })
	noise, spoke := t.read()
	both.Wait()
	t.stdout.end()
	t.stderr.end()
	t.ended = t.end(spoke, noise, errors.String())
	close(t.words)
}

// read takes the script's stdout to its end. What comes before the script first speaks is the
// login's own noise: it is not told, but returned. It may end without a newline, hence the first
// mark may stand inside a line. A marked line that lacks its end was cut short, and says nothing.
func (t *Talk) read() (noise string, spoke bool) {
	var before tail
	mark := []byte(t.sentinel + " ")
	in := bufio.NewReaderSize(t.process.Stdout(), maxLine)
	for whole := true; ; {
		line, err := in.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		at := 0
		if !spoke {
			at = max(0, bytes.Index(line, mark))
		}
		said, marked := bytes.CutPrefix(line[at:], mark)
		switch {
		case marked && (whole || !spoke):
			spoke = true
			if err == nil || full {
				t.hand(string(said))
			}
		case spoke:
			t.stdout.Write(line)
		default:
			before.Write(line)
		}
		whole = err == nil
		if err != nil && !full {
			return before.String(), spoke
		}
	}
}

// maxLine is how much of a marked line counts, in bytes. What follows is told as output.
const maxLine = 64 << 10

func (t *Talk) hand(line string) {
	first, rest, _ := strings.Cut(narrate.Visible(strings.TrimRight(line, "\r\n")), " ")
	select {
	case t.words <- Words{First: first, Rest: rest}:
	case <-t.closed:
	}
}

// end returns why there is nothing more to hear.
func (t *Talk) end(spoke bool, noise, errors string) error {
	err := t.process.Wait()
	last := lastLine(errors)
	if last == "" {
		last = lastLine(noise)
	}
	switch {
	case err == nil:
		err = &ExitError{}
	case isLost(err):
		return err
	}
	if last != "" {
		err = fmt.Errorf("%w: %s", err, last)
	}
	if !spoke {
		return &Error{
			Kind: ErrShell, Err: fmt.Errorf("the host ran something else than our script: %w", err),
			Hint: "the login shell must run commands; see what it does with: ssh HOST echo hello",
		}
	}
	return fmt.Errorf("the script %s broke off: %w", t.name, err)
}

func isLost(err error) bool { return errors.Is(err, ErrLost) }

// output tells what a script prints, as it comes, to the context of the day.
type output struct {
	mu    sync.Mutex
	lines *narrate.LineWriter
}

func (o *output) use(ctx context.Context, stream string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lines != nil {
		o.lines.Close()
	}
	o.lines = narrate.NewLineWriter(ctx, stream)
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lines.Write(p)
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines.Close()
}

// tail keeps the end of what is written to it, for error messages.
type tail struct{ kept []byte }

const tailSize = 1 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-tailSize):]...)
	t.kept = t.kept[max(0, len(t.kept)-tailSize):]
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }

// lastLine returns the last line of text that says anything, fit for an error message.
func lastLine(text string) string {
	lines := strings.Split(strings.ToValidUTF8(text, "\uFFFD"), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" {
			return narrate.Visible(line)
		}
	}
	return ""
}
