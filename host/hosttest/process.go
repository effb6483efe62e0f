package hosttest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/davit-sh/davit/host"
)

func output(s *suite) {
	s.says("echo hello", "hello\n")
	s.says("true", "")
	s.says("i=0; while test $i -lt 1000; do echo line; i=$((i+1)); done", lines(1000, "line"))
}

func roundTrip(s *suite) {
	sent := make([]byte, 10<<20)
	rand.NewChaCha8(sha256.Sum256([]byte("hosttest"))).Read(sent)
	p := s.start("exec cat")
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(100_000))
			if _, err := p.Write(rest[:n]); err != nil {
				s.Errorf("write: %v", err)
				break
			}
			rest = rest[n:]
		}
		p.CloseWrite()
	}()
	got, _, err := s.finish(p)
	if err != nil || !bytes.Equal([]byte(got), sent) {
		s.Errorf("%d bytes came back, error %v; they differ from the %d that were sent", len(got), err, len(sent))
	}
}

func apart(s *suite) {
	p := s.start("echo out; echo err >&2; echo out; echo err >&2")
	stdout, stderr, err := s.finish(p)
	if stdout != lines(2, "out") || stderr != lines(2, "err") || err != nil {
		s.Errorf("stdout %q, stderr %q, error %v", stdout, stderr, err)
	}
}

func exitStatus(s *suite) {
	for _, code := range []int{1, 3, 127, 255} {
		_, _, err := s.finish(s.start(fmt.Sprintf("exit %d", code)))
		if !isExit(err, host.ExitError{Code: code}) {
			s.Errorf("exit %d: error %v", code, err)
		}
	}
}

func exitSignal(s *suite) {
	for _, signal := range []string{"KILL", "TERM"} {
		_, _, err := s.finish(s.start("kill -" + signal + " $$; sleep 1000"))
		if !isExit(err, host.ExitError{Signal: signal}) {
			s.Errorf("SIG%s: error %v", signal, err)
		}
	}
}

func endOfInput(s *suite) {
	p := s.start("echo first; cat; echo last")
	s.reads(p, "first\n")
	_, err := io.WriteString(p, "middle\n")
	s.must(err)
	s.reads(p, "middle\n")
	s.must(p.CloseWrite())
	if out, _, err := s.finish(p); out != "last\n" || err != nil {
		s.Errorf("got %q, error %v", out, err)
	}
}

func writeAfterEnd(s *suite) {
	p := s.start("exit 0")
	_, _, err := s.finish(p)
	s.must(err)
	s.returns("write", run(func() error {
		for {
			if _, err := p.Write(make([]byte, 1024)); err != nil {
				return err
			}
		}
	}))
}

func sideBySide(s *suite) {
	a, b := s.start("exec cat"), s.start("exec cat")
	for i := range 10 {
		for name, p := range map[string]host.Process{"a": a, "b": b} {
			word := fmt.Sprintf("%s%d\n", name, i)
			_, err := io.WriteString(p, word)
			s.must(err)
			s.reads(p, word)
		}
	}
	a.Close()
	_, err := io.WriteString(b, "still here\n")
	s.must(err)
	s.reads(b, "still here\n")
}

// many also ends each command before the next: what one leaves behind must not add up.
func many(s *suite) {
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 5 {
				word := strings.Repeat("x", i+1)
				s.says("echo "+word, word+"\n")
			}
		})
	}
	all.Wait()
}
