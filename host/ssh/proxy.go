package ssh

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/link"
	"github.com/davit-sh/davit/host/internal/program"
)

// proxyConn is a connection through the standard input and output of a command.
type proxyConn struct {
	io.Reader
	io.WriteCloser
	cmd    *exec.Cmd
	stdout io.Closer
	stderr program.Tail
	ended  chan struct{} // closed when the command was waited for
	err    error         // valid then: how it ended
	once   sync.Once
}

// startProxy runs command as ssh does, by the user's shell, in a process group of its own that
// ends with the connection.
func startProxy(command string) (net.Conn, error) {
	p := &proxyConn{cmd: program.Shell(command), ended: make(chan struct{})}
	program.OwnGroup(p.cmd)
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = time.Second // for what of the group escaped the end
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, notStarted(err)
	}
	// Not StdoutPipe, which is closed when the command ends, with bytes of it still in there.
	out, in, err := os.Pipe()
	if err != nil {
		return nil, notStarted(err)
	}
	defer in.Close()
	p.Reader, p.WriteCloser, p.stdout, p.cmd.Stdout = out, stdin, out, in
	if err := p.cmd.Start(); err != nil {
		out.Close()
		return nil, notStarted(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func notStarted(err error) error {
	return &host.Error{
		Kind: host.ErrConfig, Err: fmt.Errorf("the ProxyCommand of ssh_config does not start: %w", err),
	}
}

// Close ends the command, and all of its group.
func (p *proxyConn) Close() error {
	p.once.Do(func() {
		program.KillGroup(p.cmd)
		p.WriteCloser.Close()
		p.stdout.Close()
	})
	return nil
}

// lastWords closes p and returns how the command ended and what it said about it.
func (p *proxyConn) lastWords() string {
	said := make(chan struct{})
	go func() {
		<-p.ended
		close(said)
	}()
	timer := time.NewTimer(p.cmd.WaitDelay) // it closed its output, but may linger
	defer timer.Stop()
	select {
	case <-said:
	case <-timer.C:
	}
	p.Close()
	<-said
	if text := p.stderr.String(); text != "" {
		return text
	}
	if p.err != nil {
		return p.err.Error()
	}
	return "it said nothing"
}

func (p *proxyConn) LocalAddr() net.Addr              { return link.Address("ProxyCommand") }
func (p *proxyConn) RemoteAddr() net.Addr             { return link.Address("ProxyCommand") }
func (p *proxyConn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (p *proxyConn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (p *proxyConn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
