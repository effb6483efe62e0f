package hosttest

import (
	"errors"
	"io"
	"net"
	"strings"

	"github.com/davit-sh/davit/host"
)

func dial(s *suite) {
	conn, err := s.host.Dial(s.ctx, "tcp", echoServer(s))
	s.must(err)
	defer conn.Close()
	sent := strings.Repeat("through the host ", 1<<16)
	go func() {
		io.WriteString(conn, sent)
		conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != sent {
		s.Errorf("%d of %d bytes came back, error %v", len(got), len(sent), err)
	}
}

// dialRefused dials a port that is taken, by our end of a connection, and where nobody listens.
func dialRefused(s *suite) {
	conn, err := net.Dial("tcp", echoServer(s))
	s.must(err)
	defer conn.Close()
	_, err = s.host.Dial(s.ctx, "tcp", conn.LocalAddr().String())
	if !errors.Is(err, host.ErrUnreachable) {
		s.Errorf("error %v, want %v", err, host.ErrUnreachable)
	}
}

func dialNonsense(s *suite) {
	for _, addr := range []string{"", "127.0.0.1", "127.0.0.1:99999999"} {
		if conn, err := s.host.Dial(s.ctx, "tcp", addr); err == nil {
			conn.Close()
			s.Errorf("%q: no error", addr)
		}
	}
}

func closeUnblocksDial(s *suite) {
	conn, err := s.host.Dial(s.ctx, "tcp", echoServer(s))
	s.must(err)
	read := run(func() error { _, err := conn.Read(make([]byte, 1)); return err })
	s.must(conn.Close())
	s.returns("read", read)
}
