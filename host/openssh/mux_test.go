package openssh

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// socket is a control socket that says what it has to say once a channel is asked for.
type socket struct {
	greeting, rest io.Reader
	asked          chan struct{}
	writes         int
	once           sync.Once
}

func (s *socket) Read(p []byte) (int, error) {
	if n, err := s.greeting.Read(p); err == nil {
		return n, nil
	}
	<-s.asked
	return s.rest.Read(p)
}

func (s *socket) Write(p []byte) (int, error) {
	if s.writes++; s.writes == 3 { // hello, proxy, and a channel
		s.once.Do(func() { close(s.asked) })
	}
	return len(p), nil
}

func (s *socket) Close() error { return nil }

// message returns a message as a master sends it.
func message(body any) []byte {
	b := append([]byte{0}, ssh.Marshal(body)...)
	return append(ssh.Marshal(struct{ Size uint32 }{uint32(len(b))}), b...)
}

func greeting() []byte {
	type words struct{ A, B uint32 }
	size := ssh.Marshal(struct{ Size uint32 }{8})
	return bytes.Join([][]byte{size, ssh.Marshal(words{muxHello, muxVersion}), size, ssh.Marshal(words{muxProxyDone, 0})}, nil)
}

var opened = message(msgOpened{To: 0, Sender: 7, Window: 100, MaxPacket: 10})

// Whatever comes from a host, or from the socket, ends in an error at worst.
func FuzzControlSocket(f *testing.F) {
	data := func(text string) []byte {
		return message(struct {
			To   uint32 `sshtype:"94"`
			Text string
		}{0, text})
	}
	f.Add(bytes.Join([][]byte{opened, data("hello"), message(msgRequest{0, "exit-status", false, []byte{0, 0, 0, 3}}), message(msgEOF{0}), message(msgClose{0})}, nil))
	f.Add(append(opened, opened...))
	f.Add(message(msgOpenFailure{0, 1, "no", ""}))
	f.Add(message(msgOpened{To: 0, Sender: 7, Window: 100}))
	f.Add(append(opened, message(msgClose{0})[:7]...))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, said []byte) {
		m, err := newMux(&socket{greeting: bytes.NewReader(greeting()), rest: bytes.NewReader(said), asked: make(chan struct{})}, func(err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
		c, requests, err := m.OpenChannel("session", nil)
		if err == nil {
			var all sync.WaitGroup
			all.Go(func() { io.Copy(io.Discard, c) })
			all.Go(func() { io.Copy(io.Discard, c.Stderr()) })
			all.Go(func() { ssh.DiscardRequests(requests) })
			all.Go(func() { c.Write(make([]byte, 1000)); c.CloseWrite() })
			all.Wait()
			c.Close()
		}
		if err := m.Wait(); err == nil {
			t.Error("it never ends")
		}
	})
}

func TestASocketThatIsNotAMastersIsRefused(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "SSH-2.0-x\r\n", "\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x03", "\x00\x00\x00\x02xx"} {
		asked := make(chan struct{})
		close(asked)
		_, err := newMux(&socket{greeting: bytes.NewReader([]byte(said)), rest: bytes.NewReader(nil), asked: asked, writes: 9}, nil)
		if err == nil {
			t.Errorf("%q is taken for a master", said)
		}
	}
}

func TestAHostThatSendsMoreThanItMayIsCutOff(t *testing.T) {
	t.Parallel()
	said := bytes.NewBuffer(opened)
	for range windowSize/maxPacket + 1 {
		said.Write(message(struct {
			To   uint32 `sshtype:"94"`
			Text []byte
		}{0, make([]byte, maxPacket)}))
	}
	m, err := newMux(&socket{greeting: bytes.NewReader(greeting()), rest: said, asked: make(chan struct{})}, func(err error) error { return err })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.OpenChannel("session", nil); err != nil {
		t.Fatal(err)
	}
	if err := m.Wait(); errors.Is(err, io.EOF) {
		t.Error("all of it was taken")
	}
}
