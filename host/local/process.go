package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"github.com/davit-sh/davit/host"
)

// process is a command that runs here.
type process struct {
	stdin          *os.File
	stdout, stderr *os.File
	forget         func()
	closed         chan struct{}
	once           sync.Once
	ended          chan struct{}
	err            error // valid once ended
}

// start starts command. Its pipes are ours and not [exec.Cmd]'s, which closes them when the
// command ends, whether they were read to their end or not.
func start(command string) (*process, error) {
	cmd, err := shell(command)
	if err != nil {
		return nil, err
	}
	p := &process{closed: make(chan struct{}), ended: make(chan struct{}), forget: func() {}}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	for _, ours := range []**os.File{&p.stdin, &p.stdout, &p.stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			p.closeFiles()
			return nil, err
		}
		if ours == &p.stdin {
			r, w = w, r
		}
		*ours, theirs = r, append(theirs, w)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	if err := cmd.Start(); err != nil {
		p.closeFiles()
		return nil, err
	}
	go func() {
		p.err = outcome(cmd.Wait())
		close(p.ended)
	}()
	return p, nil
}

// outcome returns the error of a command that has ended.
func outcome(err error) error {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return err
	}
	if signal := endedBy(exit.ProcessState); signal != "" {
		return &host.ExitError{Signal: signal}
	}
	return &host.ExitError{Code: exit.ExitCode()}
}

func (p *process) Write(b []byte) (int, error) { return p.stdin.Write(b) }
func (p *process) CloseWrite() error           { return p.stdin.Close() }
func (p *process) Stdout() io.Reader           { return p.stdout }
func (p *process) Stderr() io.Reader           { return p.stderr }

// Wait implements [host.Process].
func (p *process) Wait() error {
	select {
	case <-p.ended:
	case <-p.closed:
	}
	select {
	case <-p.closed: // it may have ended just because of that
		return fmt.Errorf("given up: %w", os.ErrClosed)
	default:
		return p.err
	}
}

// Close implements [host.Process]. The command goes on, without input and with nobody to read
// what it says.
func (p *process) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.closeFiles()
		p.forget()
	})
	return nil
}

func (p *process) closeFiles() {
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		if f != nil {
			f.Close()
		}
	}
}
