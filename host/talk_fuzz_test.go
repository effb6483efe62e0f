package host

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/davit-sh/davit/narrate"
)

// replies is a process that prints what it was given, in reads of any size, and then has ended.
type replies struct {
	stdout, stderr io.Reader
	err            error
}

func (r *replies) Write(p []byte) (int, error) { return len(p), nil }
func (r *replies) CloseWrite() error           { return nil }
func (r *replies) Stdout() io.Reader           { return r.stdout }
func (r *replies) Stderr() io.Reader           { return r.stderr }
func (r *replies) Wait() error                 { return r.err }
func (r *replies) Close() error                { return nil }

// pieces reads at most size bytes at once.
type pieces struct {
	io.Reader
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.size)]) }

// FuzzTalk has a host say anything. A mark in it stands for the sentinel and a space.
func FuzzTalk(f *testing.F) {
	const mark = "@"
	for _, said := range []string{
		"", mark, mark + "\n", mark + "fact os Linux\n" + mark + "ready\n", "Welcome!\n" + mark + "fact\r\n", "no newline" + mark + "fact os Linux\n" + mark + "ready\n",
		mark + "end done", mark + "end failed loc", "x\n" + mark + "end", mark + "a\n x" + mark + "b\n", mark + " \n" + mark + "  b\n", "\x00" + mark + "a\x00b\n\x1b[2J\n\xff\n",
		mark + "a\n[worker] loading: model\n", "\r\n\r" + mark + "a\r\r\n", mark + "long " + strings.Repeat("x", maxLine) + "\n" + mark + "next\n",
		strings.Repeat("y", maxLine) + mark + "no word\n" + mark + "a\n", mark + "a\n" + strings.Repeat("y", maxLine-7) + mark + "no word\n",
	} {
		f.Add([]byte(said), "", 1<<16, true)
		f.Add([]byte(said), "sh: no such thing\n\x1b]0;title\a\xff", 1, false)
	}
	f.Fuzz(func(t *testing.T, said []byte, noise string, size int, lost bool) {
		sentinel := "davit-k3v9"
		said = bytes.ReplaceAll(said, []byte(mark), []byte(sentinel+" "))
		p := &replies{stdout: pieces{bytes.NewReader(said), max(1, size)}, stderr: iotest.HalfReader(strings.NewReader(noise))}
		if lost {
			p.err = &Error{Kind: ErrLost}
		}
		ctx := narrate.WithNarrator(t.Context(), narrate.New(&narrate.Recorder{}))
		talk := &Talk{name: "test", process: p, sentinel: sentinel, words: make(chan Words, 64), closed: make(chan struct{})}
		talk.Tell(ctx)
		go talk.listen()
		want, spoke := wordsOf(string(said), sentinel+" ")
		for _, w := range want {
			if got, err := talk.Hear(ctx); err != nil || got != w {
				t.Fatalf("heard %q, %v; want %q", got, err, w)
			}
		}
		w, err := talk.Hear(ctx)
		if err == nil {
			t.Fatalf("heard %q after the end", w)
		}
		if errors.Is(err, ErrLost) != lost || errors.Is(err, ErrShell) == (spoke || lost) {
			t.Errorf("lost %v, spoke %v, and the error is %v", lost, spoke, err)
		}
		if text := err.Error(); text != narrate.Visible(text) {
			t.Errorf("the error %q can steer a terminal", err)
		}
	})
}

// wordsOf says it from the whole of what was said: which words are there, and are there any marks?
func wordsOf(said, mark string) (words []Words, spoke bool) {
	for line := range strings.Lines(said) {
		for whole := true; line != ""; whole = false {
			part := line[:min(len(line), maxLine)]
			line = line[len(part):]
			at := strings.Index(part, mark)
			if at < 0 || spoke && (at > 0 || !whole) {
				continue
			}
			spoke = true
			if strings.HasSuffix(part, "\n") || len(part) == maxLine {
				shown := narrate.Visible(strings.TrimRight(part[at+len(mark):], "\r\n"))
				first, rest, _ := strings.Cut(shown, " ")
				words = append(words, Words{first, rest})
			}
		}
	}
	return words, spoke
}
