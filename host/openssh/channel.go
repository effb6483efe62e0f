package openssh

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"
)

// The messages of RFC 4254, section 9.
const (
	kindOpen         = 90
	kindOpened       = 91
	kindOpenFailure  = 92
	kindWindowAdjust = 93
	kindData         = 94
	kindExtendedData = 95
	kindEOF          = 96
	kindClose        = 97
	kindRequest      = 98
	kindFailure      = 100
)

const (
	// windowSize is how many bytes a host may send on a channel before any of them was read.
	windowSize = 2 << 20
	// windowStep is how many bytes are read before the host is told that it may send more.
	windowStep = 128 << 10
	// maxPacket is how many bytes of data there are in a message at most.
	maxPacket = 32 << 10
)

type (
	msgOpen struct {
		Name      string `sshtype:"90"`
		Sender    uint32
		Window    uint32
		MaxPacket uint32
		Data      []byte `ssh:"rest"`
	}
	msgOpened struct {
		To        uint32 `sshtype:"91"`
		Sender    uint32
		Window    uint32
		MaxPacket uint32
		Data      []byte `ssh:"rest"`
	}
	msgOpenFailure struct {
		To       uint32 `sshtype:"92"`
		Reason   uint32
		Message  string
		Language string
	}
	msgWindowAdjust struct {
		To   uint32 `sshtype:"93"`
		More uint32
	}
	msgData struct {
		To   uint32 `sshtype:"94"`
		Size uint32
	}
	msgEOF struct {
		To uint32 `sshtype:"96"`
	}
	msgClose struct {
		To uint32 `sshtype:"97"`
	}
	msgRequest struct {
		To        uint32 `sshtype:"98"`
		Name      string
		WantReply bool
		Payload   []byte `ssh:"rest"`
	}
	msgFailure struct {
		To uint32 `sshtype:"100"`
	}
)

// stderrCode is the code of extended data that is standard error.
const stderrCode = 1

// channel is one channel of a mux.
type channel struct {
	mux      *mux
	number   uint32 // ours
	peer     uint32 // the host's; valid once opened
	max      uint32 // bytes that the host takes in a message; valid once opened
	opened   chan error
	answered bool // opened has got its answer; for the mux's goroutine alone
	requests chan *ssh.Request

	sending   sync.Mutex // held while a message of this channel is sent
	sentEOF   bool
	sentClose bool

	mu       sync.Mutex
	changed  *sync.Cond // of what follows
	window   uint32     // bytes that the host takes yet
	received uint32     // bytes that the host may send yet
	read     uint32     // bytes that were read, of which the host does not know yet
	stdout   bytes.Buffer
	stderr   bytes.Buffer
	eof      bool // the host sends no more
	ended    bool // the host has closed the channel, or there is no host any more
}

var _ ssh.Channel = (*channel)(nil)

func newChannel(m *mux) *channel {
	c := &channel{mux: m, opened: make(chan error, 1), requests: make(chan *ssh.Request, 16), received: windowSize}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// handle takes a message of the host. It does not wait for anybody.
func (c *channel) handle(kind byte, message []byte) error {
	switch kind {
	case kindOpened:
		var m msgOpened
		if err := ssh.Unmarshal(message, &m); err != nil {
			return err
		}
		if c.answered || m.MaxPacket == 0 {
			return errors.New("a channel is opened in a way that makes no sense")
		}
		c.peer, c.max, c.window = m.Sender, min(m.MaxPacket, maxPacket), m.Window
		c.answer(nil)
	case kindOpenFailure:
		var m msgOpenFailure
		if err := ssh.Unmarshal(message, &m); err != nil {
			return err
		}
		c.answer(&ssh.OpenChannelError{Reason: ssh.RejectionReason(m.Reason), Message: m.Message})
	case kindWindowAdjust:
		var m msgWindowAdjust
		if err := ssh.Unmarshal(message, &m); err != nil {
			return err
		}
		c.update(func() { c.window += m.More })
	case kindData:
		return c.take(&c.stdout, message, 5)
	case kindExtendedData:
		if len(message) < 9 || binary.BigEndian.Uint32(message[5:]) != stderrCode {
			return errors.New("extended data that is not standard error")
		}
		return c.take(&c.stderr, message, 9)
	case kindEOF:
		c.update(func() { c.eof = true })
	case kindClose:
		c.end()
		c.mux.forget(c)
		c.Close()
	case kindRequest:
		var m msgRequest
		if err := ssh.Unmarshal(message, &m); err != nil {
			return err
		}
		return c.request(m)
	}
	return nil
}

// answer hands on whether the host has opened the channel.
func (c *channel) answer(err error) {
	if !c.answered {
		c.answered = true
		c.opened <- err
	}
}

// update changes what others wait for.
func (c *channel) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.changed.Broadcast()
}

// take takes data that stands as a string at an offset of message.
func (c *channel) take(to *bytes.Buffer, message []byte, at int) (err error) {
	if len(message) < at+4 || len(message)-at-4 != int(binary.BigEndian.Uint32(message[at:])) {
		return errors.New("a message is cut short")
	}
	data := message[at+4:]
	c.update(func() {
		if uint32(len(data)) > c.received {
			err = errors.New("the host sends more than it may")
			return
		}
		c.received -= uint32(len(data))
		to.Write(data)
	})
	return err
}

// request hands on what the host says about the command. What it wants to be answered, such as a
// question for a sign of life, is answered here.
func (c *channel) request(m msgRequest) error {
	if m.WantReply {
		return c.send(ssh.Marshal(msgFailure{c.peer}))
	}
	select {
	case c.requests <- &ssh.Request{Type: m.Name, Payload: bytes.Clone(m.Payload)}:
	default: // nobody has so much to say
	}
	return nil
}

// end notes that nothing comes from the host any more. It is called once: the mux forgets the
// channel with it.
func (c *channel) end() {
	c.update(func() {
		if !c.ended {
			close(c.requests)
		}
		c.eof, c.ended = true, true
	})
}

// send sends a message, unless the channel was closed: the host would not know it any more.
func (c *channel) send(body []byte, more ...[]byte) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	return c.sendLocked(body, more...)
}

func (c *channel) sendLocked(body []byte, more ...[]byte) error {
	if c.sentClose {
		return io.EOF
	}
	return c.mux.send(body, more...)
}

// Read implements [ssh.Channel].
func (c *channel) Read(p []byte) (int, error) { return c.readFrom(&c.stdout, p) }

func (c *channel) readFrom(from *bytes.Buffer, p []byte) (int, error) {
	n, more, err := c.waitFor(from, p)
	if more > 0 {
		c.send(ssh.Marshal(msgWindowAdjust{c.peer, more})) // if that fails, so will the next read
	}
	return n, err
}

// waitFor reads what there is, once there is something, and returns how many bytes the host may
// be told to send besides.
func (c *channel) waitFor(from *bytes.Buffer, p []byte) (n int, more uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for from.Len() == 0 && !c.eof {
		c.changed.Wait()
	}
	n, err = from.Read(p)
	if c.read += uint32(n); c.read >= windowStep && !c.eof {
		more, c.read = c.read, 0
		c.received += more
	}
	return n, more, err
}

// Write implements [ssh.Channel].
func (c *channel) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		n, err := c.reserve(len(p))
		if err != nil {
			return written, err
		}
		if err := c.sendData(p[:n]); err != nil {
			return written, err
		}
		written += n
		p = p[n:]
	}
	return written, nil
}

func (c *channel) sendData(p []byte) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.sentEOF {
		return io.EOF
	}
	return c.sendLocked(ssh.Marshal(msgData{c.peer, uint32(len(p))}), p)
}

// reserve waits until the host takes some bytes, and returns how many, at most n.
func (c *channel) reserve(n int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.window == 0 && !c.ended {
		c.changed.Wait()
	}
	if c.ended {
		return 0, io.EOF
	}
	take := min(uint32(min(n, maxPacket)), c.max, c.window)
	c.window -= take
	return int(take), nil
}

// CloseWrite implements [ssh.Channel].
func (c *channel) CloseWrite() error {
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.sentEOF {
		return nil
	}
	c.sentEOF = true
	return c.sendLocked(ssh.Marshal(msgEOF{c.peer}))
}

// Close implements [ssh.Channel].
func (c *channel) Close() error {
	c.sending.Lock()
	defer c.sending.Unlock()
	err := c.sendLocked(ssh.Marshal(msgClose{c.peer}))
	c.sentClose = true
	return err
}

// SendRequest implements [ssh.Channel], but for waiting for an answer.
func (c *channel) SendRequest(name string, wantReply bool, payload []byte) (bool, error) {
	if wantReply {
		return false, errors.ErrUnsupported
	}
	return false, c.send(ssh.Marshal(msgRequest{c.peer, name, false, payload}))
}

// Stderr implements [ssh.Channel].
func (c *channel) Stderr() io.ReadWriter { return standardError{c} }

// standardError is what a command says there; we have nothing to say there ourselves.
type standardError struct{ channel *channel }

func (e standardError) Read(p []byte) (int, error) { return e.channel.readFrom(&e.channel.stderr, p) }
func (standardError) Write([]byte) (int, error)    { return 0, errors.ErrUnsupported }
