package openssh

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/link"
	"golang.org/x/crypto/ssh"
)

// The words of OpenSSH's PROTOCOL.mux that are needed here.
const (
	muxHello     = 0x00000001
	muxProxy     = 0x1000000f
	muxProxyDone = 0x8000000f
	muxVersion   = 4
)

// maxMessage is the longest message that is taken from the ssh program, in bytes.
const maxMessage = 256 << 10

// mux is the connection that an ssh program has made, by way of its control socket, in the proxy
// mode of PROTOCOL.mux: the connection protocol of SSH (RFC 4254), in the clear. The program
// encrypts it and makes the numbers of our channels different from those of others.
type mux struct {
	conn io.ReadWriteCloser
	in   *bufio.Reader
	why  func(error) error // returns the reason, in words for people, for which the socket failed

	writing sync.Mutex // held while a message is written

	mu       sync.Mutex
	channels map[uint32]*channel
	number   uint32 // of the next channel

	done chan struct{} // closed when the connection has ended
	err  error         // valid then: why
}

var _ link.Conn = (*mux)(nil)

// newMux turns a connection to a control socket into the proxy mode. Whoever wants to bound that
// closes conn. why is called once, when the connection has ended, and may take a moment.
func newMux(conn io.ReadWriteCloser, why func(error) error) (*mux, error) {
	m := &mux{
		conn: conn, in: bufio.NewReaderSize(conn, 64<<10), why: why,
		channels: map[uint32]*channel{}, done: make(chan struct{}),
	}
	if err := m.greet(); err != nil {
		return nil, err
	}
	go m.run()
	return m, nil
}

func (m *mux) greet() error {
	if err := m.write(ssh.Marshal(struct{ Type, Version uint32 }{muxHello, muxVersion})); err != nil {
		return err
	}
	const request = 0
	if err := m.write(ssh.Marshal(struct{ Type, Request uint32 }{muxProxy, request})); err != nil {
		return err
	}
	for _, want := range [][2]uint32{{muxHello, muxVersion}, {muxProxyDone, request}} {
		said, err := m.read(nil)
		if err != nil {
			return err
		}
		if len(said) < 8 || binary.BigEndian.Uint32(said) != want[0] || binary.BigEndian.Uint32(said[4:]) != want[1] {
			return &host.Error{
				Kind: host.ErrConfig, Err: fmt.Errorf("the ssh program's control socket says %q, and takes no commands of ours", said),
				Hint: "use OpenSSH 7.4 or later, or leave --ssh openssh out",
			}
		}
	}
	return nil
}

// read returns the next message, which may use the memory of buf.
func (m *mux) read(buf []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(m.in, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes is announced", n)
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	_, err := io.ReadFull(m.in, buf[:n])
	return buf[:n], err
}

// write writes a message.
func (m *mux) write(parts ...[]byte) error {
	message := make([]byte, 4, 4+64)
	for _, part := range parts {
		message = append(message, part...)
	}
	binary.BigEndian.PutUint32(message, uint32(len(message)-4))
	m.writing.Lock()
	defer m.writing.Unlock()
	_, err := m.conn.Write(message)
	return err
}

// send sends a message of the connection protocol. Before it stands the length of its padding.
func (m *mux) send(body []byte, more ...[]byte) error {
	return m.write(append([][]byte{{0}, body}, more...)...)
}

// run is a goroutine of its own until the connection ends.
func (m *mux) run() {
	var message []byte
	var err error
	for err == nil {
		if message, err = m.read(message); err == nil {
			err = m.handle(message)
		}
	}
	m.conn.Close()
	m.err = m.why(err)
	close(m.done)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.channels {
		c.end()
	}
}

// handle hands a message to the channel that it is for. One for a channel that is closed here
// may still have been on its way.
func (m *mux) handle(message []byte) error {
	if len(message) < 6 {
		return errors.New("a message is cut short")
	}
	body := message[2:]
	m.mu.Lock()
	c := m.channels[binary.BigEndian.Uint32(body)]
	m.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.handle(message[1], message[1:])
}

// OpenChannel implements [link.Conn].
func (m *mux) OpenChannel(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	c := newChannel(m)
	m.mu.Lock()
	c.number = m.number
	m.number++
	m.channels[c.number] = c
	m.mu.Unlock()
	err := m.send(ssh.Marshal(msgOpen{name, c.number, windowSize, maxPacket, data}))
	if err == nil {
		select {
		case err = <-c.opened:
		case <-m.done:
			err = m.err
		}
	}
	if err != nil {
		m.forget(c)
		if _, refused := errors.AsType[*ssh.OpenChannelError](err); !refused {
			err = m.Wait()
		}
		return nil, nil, err
	}
	return c, c.requests, nil
}

func (m *mux) forget(c *channel) {
	m.mu.Lock()
	delete(m.channels, c.number)
	m.mu.Unlock()
}

// SendRequest implements [link.Conn] for what it is used for: to find out whether the connection
// has ended. The ssh program itself asks the host for signs of life.
func (m *mux) SendRequest(string, bool, []byte) (bool, []byte, error) {
	select {
	case <-m.done:
		return false, nil, m.err
	default:
		return false, nil, nil
	}
}

// Wait implements [link.Conn].
func (m *mux) Wait() error {
	<-m.done
	return m.err
}

// Close ends the connection.
func (m *mux) Close() error { return m.conn.Close() }
