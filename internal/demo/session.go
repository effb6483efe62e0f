package demo

import (
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// session runs the one command that a session asks for.
func (s *server) session(ch ssh.Channel, requests <-chan *ssh.Request) {
	defer ch.Close()
	for r := range requests {
		if r.Type != "exec" {
			r.Reply(false, nil)
			continue
		}
		var asked struct{ Command string }
		if ssh.Unmarshal(r.Payload, &asked) != nil {
			r.Reply(false, nil)
			continue
		}
		c, err := s.start(asked.Command)
		r.Reply(err == nil, nil)
		if err == nil {
			go refuse(requests)
			s.converse(ch, c)
		}
		return
	}
}

// refuse refuses what is asked of a session that has its command: sshd, too, signals nothing
// that root has started.
func refuse(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			r.Reply(false, nil)
		}
	}
}

// command is a command that runs, with our ends of its streams.
type command struct {
	*exec.Cmd
	stdin, stdout, stderr *os.File
}

// start starts text under /bin/sh, in a process group of its own.
func (s *server) start(text string) (*command, error) {
	c := &command{Cmd: exec.Command("/bin/sh", "-c", text)}
	c.Dir = s.home
	c.Env = []string{"HOME=" + s.home, "USER=" + login, "LOGNAME=" + login, "SHELL=/bin/sh", "PATH=" + os.Getenv("PATH")}
	ownGroup(c.Cmd)
	stdin, err := pipe(&c.Cmd.Stdin, nil, &c.stdin)
	if err != nil {
		return nil, err
	}
	stdout, err1 := pipe(nil, &c.Cmd.Stdout, &c.stdout)
	stderr, err2 := pipe(nil, &c.Cmd.Stderr, &c.stderr)
	err = firstOf(err1, err2)
	if err == nil {
		err = s.launch(c)
	}
	closeAll(stdin, stdout, stderr) // the command has its own
	if err != nil {
		closeAll(c.stdin, c.stdout, c.stderr)
		return nil, err
	}
	return c, nil
}

// launch starts c, unless the host is closed, and notes its group.
func (s *server) launch(c *command) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	if err := c.Start(); err != nil {
		return err
	}
	s.groups[c.Process.Pid] = struct{}{}
	return nil
}

// pipe makes a pipe, gives the command its end (which is returned, too) and us the other.
func pipe(in *io.Reader, out *io.Writer, ours **os.File) (theirs *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if in != nil {
		*in, *ours = r, w
		return r, nil
	}
	*out, *ours = w, r
	return w, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// converse carries the streams between the channel and the command until that has ended, and
// what it left behind no longer holds its output.
func (s *server) converse(ch ssh.Channel, c *command) {
	go func() {
		io.Copy(c.stdin, ch)
		c.stdin.Close()
	}()
	var output sync.WaitGroup
	output.Go(func() { io.Copy(ch, c.stdout); io.Copy(io.Discard, c.stdout) })
	output.Go(func() { io.Copy(ch.Stderr(), c.stderr); io.Copy(io.Discard, c.stderr) })
	err := c.Wait()
	output.Wait()
	ch.CloseWrite()
	tellExit(ch, err)
	closeAll(c.stdout, c.stderr)
	s.forget(c.Process.Pid)
}

// forget forgets a group that has nobody left in it: its number may become a stranger's.
func (s *server) forget(group int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if groupGone(group) {
		delete(s.groups, group)
	}
}

// tellExit sends the exit status, or the signal that ended the command.
func tellExit(ch ssh.Channel, err error) {
	status := struct{ Status uint32 }{}
	if exit, ok := err.(*exec.ExitError); ok {
		if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
			ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
				Signal     string
				CoreDumped bool
				Message    string
				Language   string
			}{Signal: signalName(w.Signal())}))
			return
		}
		status.Status = uint32(exit.ExitCode())
	}
	ch.SendRequest("exit-status", false, ssh.Marshal(status))
}

// signalName returns the name of a signal as RFC 4254 has it.
func signalName(s syscall.Signal) string {
	names := map[syscall.Signal]string{
		syscall.SIGABRT: "ABRT", syscall.SIGALRM: "ALRM", syscall.SIGFPE: "FPE", syscall.SIGHUP: "HUP",
		syscall.SIGILL: "ILL", syscall.SIGINT: "INT", syscall.SIGKILL: "KILL", syscall.SIGPIPE: "PIPE",
		syscall.SIGQUIT: "QUIT", syscall.SIGSEGV: "SEGV", syscall.SIGTERM: "TERM",
	}
	if name := names[s]; name != "" {
		return name
	}
	return "TERM"
}
