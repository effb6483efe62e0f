package link

import (
	"context"
	"errors"
	"io"

	"github.com/davit-sh/davit/host"
	"golang.org/x/crypto/ssh"
)

// process is a command that runs on the host.
type process struct {
	*tube
	stdout, stderr io.Reader
	ended          chan struct{} // closed when the host has closed the channel
	err            error         // valid once ended: how it ended
}

// Exec asks the host to run command and does not wait for an answer, which would cost a round
// trip: what is written next may follow at once.
func (l *Link) Exec(ctx context.Context, command string) (host.Process, error) {
	p, err := await(ctx, "start a command", func() (*process, error) {
		channel, requests, err := l.conn.OpenChannel("session", nil)
		if _, no := errors.AsType[*ssh.OpenChannelError](err); no {
			// sshd frees the place of a session that has ended when it next looks around, and it did
			// before it answered.
			channel, requests, err = l.conn.OpenChannel("session", nil)
		}
		if err != nil {
			return nil, l.refused(err)
		}
		payload := ssh.Marshal(struct{ Command string }{command})
		if _, err := channel.SendRequest("exec", false, payload); err != nil {
			return nil, l.lost(err)
		}
		p := &process{tube: newTube(channel), ended: make(chan struct{})}
		p.stdout, p.stderr = p.receive(channel), p.receive(channel.Stderr())
		go p.watch(l, requests)
		return p, nil
	}, func(p *process) { p.Close() })
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) Stdout() io.Reader { return p.stdout }
func (p *process) Stderr() io.Reader { return p.stderr }

// Wait implements [host.Process].
func (p *process) Wait() error {
	select {
	case <-p.ended:
		return p.err
	case <-p.closed:
		return errGivenUp
	}
}

// watch hears how the command ended.
func (p *process) watch(l *Link, requests <-chan *ssh.Request) {
	defer close(p.ended)
	told := false
	for r := range requests {
		switch r.Type {
		case "exit-status":
			var status struct{ Code uint32 }
			if ssh.Unmarshal(r.Payload, &status) == nil {
				told, p.err = true, exit(int(status.Code), "")
			}
		case "exit-signal":
			var signal struct {
				Name       string
				CoreDumped bool
				Message    string
				Language   string
			}
			if ssh.Unmarshal(r.Payload, &signal) == nil {
				told, p.err = true, exit(0, signal.Name)
			}
		}
		if r.WantReply {
			r.Reply(false, nil)
		}
	}
	p.input.CloseWithError(io.ErrClosedPipe)
	if !told {
		// Either the host closed the channel and has nothing to say, or there is no host any
		// more; only a host answers.
		p.err = &host.ExitError{}
		if err := l.Ping(); err != nil {
			p.err = l.lost(err)
		}
	}
}

func exit(code int, signal string) error {
	if code == 0 && signal == "" {
		return nil
	}
	return &host.ExitError{Code: code, Signal: signal}
}
