package hosttest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/davit-sh/davit/host"
)

// idle is a script that says that it runs, and then only waits for its input to end.
const idle = "echo up; read -r word; exit 0"

// deaf is a script that does not read its input, and ends by itself once nobody wants it: it
// notices that its output is closed.
const deaf = "echo up; while sleep 1 && echo tick; do :; done"

func closeUnblocksRead(s *suite) {
	p := s.start(idle)
	s.reads(p, "up\n")
	stdout := run(func() error { _, err := p.Stdout().Read(make([]byte, 1)); return err })
	stderr := run(func() error { _, err := p.Stderr().Read(make([]byte, 1)); return err })
	s.must(p.Close())
	s.returns("read stdout", stdout)
	s.returns("read stderr", stderr)
}

func closeUnblocksWrite(s *suite) {
	p := s.start(deaf)
	s.reads(p, "up\n")
	began := make(chan struct{})
	write := run(func() error {
		close(began)
		for { // until all that buffers is full, and then for ever
			if _, err := p.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
	})
	<-began
	s.must(p.Close())
	s.returns("write", write)
}

func closeUnblocksWait(s *suite) {
	p := s.start(idle)
	s.reads(p, "up\n")
	wait := run(p.Wait)
	s.must(p.Close())
	s.returns("wait", wait)
	p.Close() // twice is fine
}

func connectOnce(s *suite) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := s.host.Connect(s.ctx); err != nil {
				s.Errorf("connect: %v", err)
			}
		})
	}
	all.Wait()
	s.must(s.host.Connect(s.ctx))
	s.says("echo connected", "connected\n")
}

func endedContext(s *suite) {
	why := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(s.ctx)
	cancel(why)
	for range 2 { // before and after the host is connected
		_, execErr := s.host.Exec(ctx, "true")
		_, dialErr := s.host.Dial(ctx, "tcp", "127.0.0.1:1")
		for doing, err := range map[string]error{"connect": s.host.Connect(ctx), "exec": execErr, "dial": dialErr} {
			if !errors.Is(err, why) {
				s.Errorf("%s: error %v, want one that wraps the cause", doing, err)
			}
		}
		s.must(s.host.Connect(s.ctx))
	}
}

func contextOfCall(s *suite) {
	ctx, cancel := context.WithCancel(s.ctx)
	p, err := s.host.Exec(ctx, sh("exec cat"))
	s.must(err)
	defer p.Close()
	cancel()
	_, err = io.WriteString(p, "still here\n")
	s.must(err)
	s.reads(p, "still here\n")
}

func closeHost(s *suite) {
	echo := echoServer(s)
	p, q := s.start(idle), s.start(deaf)
	s.reads(p, "up\n")
	s.reads(q, "up\n")
	conn, err := s.host.Dial(s.ctx, "tcp", echo)
	s.must(err)
	read := run(func() error { _, err := p.Stdout().Read(make([]byte, 1)); return err })
	write := run(func() error {
		for {
			if _, err := q.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
	})
	dialled := run(func() error { _, err := conn.Read(make([]byte, 1)); return err })
	s.must(s.host.Close())
	s.returns("read", read)
	s.returns("write", write)
	s.returns("read from a connection", dialled)
	select {
	case <-run(p.Wait): // how it ended, nobody can say any more
	case <-s.ctx.Done():
		s.Error("wait: still blocked")
	}
}

func closedHost(s *suite) {
	s.must(s.host.Connect(s.ctx))
	s.must(s.host.Close())
	s.must(s.host.Close())
	_, execErr := s.host.Exec(s.ctx, "true")
	_, dialErr := s.host.Dial(s.ctx, "tcp", "127.0.0.1:1")
	for doing, err := range map[string]error{"connect": s.host.Connect(s.ctx), "exec": execErr, "dial": dialErr} {
		if !errors.Is(err, host.ErrLost) {
			s.Errorf("%s: error %v, want %v", doing, err, host.ErrLost)
		}
	}
}

// echoServer returns the address of a server that says again what it hears, then ends.
func echoServer(s *suite) string {
	s.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	return ln.Addr().String()
}
