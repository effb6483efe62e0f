package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// draw shows a frame of these rows, as mpb does.
func draw(t *testing.T, s *screen, rows ...string) {
	t.Helper()
	for _, row := range rows {
		if _, err := s.ReadFrom(strings.NewReader(row + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(len(rows)); err != nil {
		t.Fatal(err)
	}
}

// visible does what a terminal does with what a screen writes, and returns what is to be seen.
func visible(t *testing.T, written string) string {
	t.Helper()
	var lines []string
	for written != "" {
		if rest, ok := strings.CutPrefix(written, "\x1b["); ok {
			n := 0
			for rest[0] != 'A' {
				n, rest = n*10+int(rest[0]-'0'), rest[1:]
			}
			rest, ok = strings.CutPrefix(rest, "A\x1b[J")
			if !ok || n > len(lines) || n == 0 {
				t.Fatalf("%d lines up of %d, then %q", n, len(lines), rest)
			}
			lines, written = lines[:len(lines)-n], rest
			continue
		}
		line, rest, ended := strings.Cut(written, "\n")
		if !ended {
			return strings.Join(append(lines, line), "\n")
		}
		lines, written = append(lines, line), rest
	}
	return strings.Join(append(lines, ""), "\n")
}

func TestLinesPassAboveTheFrame(t *testing.T) {
	t.Parallel()
	var w bytes.Buffer
	s := newScreen(&w, nil)
	see := func(want string) {
		t.Helper()
		if got := visible(t, w.String()); got != want {
			t.Fatalf("to be seen:\n%s\nwant:\n%s", got, want)
		}
	}
	io.WriteString(s, "one\n")
	see("one\n")
	draw(t, s, "[=   ]", "[==  ]")
	see("one\n[=   ]\n[==  ]\n")
	io.WriteString(s, "two\n")
	see("one\ntwo\n[=   ]\n[==  ]\n")
	draw(t, s, "[=== ]")
	see("one\ntwo\n[=== ]\n")
	draw(t, s)
	see("one\ntwo\n")
	draw(t, s, "[====]")
	s.close()
	see("one\ntwo\n")
	draw(t, s, "[late]")
	io.WriteString(s, "three\n")
	see("one\ntwo\nthree\n")
}

func TestNothingIsDrawnWhileTheScreenIsHeld(t *testing.T) {
	t.Parallel()
	var w bytes.Buffer
	s := newScreen(&w, nil)
	draw(t, s, "[=   ]")
	to, release := s.hold()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.WriteString(s, "meanwhile\n")
	}()
	io.WriteString(to, "Password: ")
	if got := visible(t, w.String()); got != "Password: " {
		t.Errorf("to be seen: %q", got)
	}
	io.WriteString(to, "\n")
	release()
	<-done
	draw(t, s, "[==  ]")
	if got := visible(t, w.String()); got != "Password: \nmeanwhile\n[==  ]\n" {
		t.Errorf("to be seen: %q", got)
	}
}
