package openssh

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/secret"
	"github.com/davit-sh/davit/narrate"
)

// The files of a desk, beside the socket.
const (
	askName      = "ask"
	questionName = "question"
	answerName   = "answer"
)

// askScript is what the ssh program runs when it wants to know something. Its argument is the
// question. What the answer is nobody else sees: it is in no argument, variable or file.
//
// It ends when we do, as we alone hold the other end of the pipe. A hint of "none" is no question: the
// user is to touch a key, and the program ends the script then.
const askScript = `#!/bin/sh
cd "${0%/*}" || exit
exec <answer
printf '%s\n%s\000' "$SSH_ASKPASS_PROMPT" "$1" >question
while [ "$SSH_ASKPASS_PROMPT" = none ]; do sleep 1 && kill -0 "$PPID" || exit; done
read -r verdict && [ "$verdict" = yes ] && exec head -n 1
exit 1
`

// desk is where what the program asks while it connects is answered: a private folder with the
// program's control socket and the way to us.
type desk struct {
	ctx      context.Context // of the connection being made, until the desk is closed
	leave    context.CancelFunc
	opts     Options
	dir      string
	question *os.File // both are open for reading and writing, so that neither has an end
	reply    *os.File
	over     chan struct{} // closed when nothing is answered any more
	ended    chan struct{}

	mu        sync.Mutex
	password  string   // of the file; "" if there is none, or it was used
	unknown   []string // host keys that were not accepted: kind and fingerprint
	withoutUs []string // questions that nobody answered
}

// newDesk makes a desk and answers what is asked there. The caller closes it.
func newDesk(ctx context.Context, o Options) (*desk, error) {
	password, err := secret.PasswordIn(o.PasswordFile)
	if err != nil {
		return nil, err
	}
	dir, err := shortDir()
	if err != nil {
		return nil, noDesk(err)
	}
	d := &desk{opts: o, dir: dir, password: password, over: make(chan struct{}), ended: make(chan struct{})}
	d.ctx, d.leave = context.WithCancel(ctx)
	if err := d.furnish(); err != nil {
		d.leave()
		os.RemoveAll(dir)
		return nil, noDesk(err)
	}
	go d.serve()
	return d, nil
}

func noDesk(err error) error {
	return &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("make a folder for the ssh program: %w", err)}
}

// shortDir makes a folder whose path is short: the one of a socket in it has 104 bytes on some
// systems, of which the ssh program wants 18 for itself.
func shortDir() (string, error) {
	parent := os.TempDir()
	if len(parent) > 60 || strings.ContainsAny(parent, "%$~\"\\ ") { // and none that the program would expand
		parent = "/tmp"
	}
	return os.MkdirTemp(parent, "davit-")
}

func (d *desk) furnish() error {
	if err := os.WriteFile(d.path(askName), []byte(askScript), 0o700); err != nil {
		return err
	}
	for _, name := range []string{questionName, answerName} {
		if err := makePipe(d.path(name)); err != nil {
			return err
		}
	}
	var err error
	if d.question, err = os.OpenFile(d.path(questionName), os.O_RDWR, 0); err != nil {
		return err
	}
	if d.reply, err = os.OpenFile(d.path(answerName), os.O_RDWR, 0); err != nil {
		d.question.Close()
	}
	return err
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

// environment returns that of the program.
func (d *desk) environment() []string {
	env := append(os.Environ(),
		"LC_ALL=C", // we read what it says
		"SSH_ASKPASS="+d.path(askName), "SSH_ASKPASS_REQUIRE=force")
	if os.Getenv("DISPLAY") == "" {
		env = append(env, "DISPLAY=none") // which makes programs before OpenSSH 8.4 ask that way
	}
	if shell := filepath.Base(os.Getenv("SHELL")); shell == "nologin" || shell == "false" {
		env = append(env, "SHELL=/bin/sh") // a service's account; the program runs commands with it
	}
	return env
}

// close removes the desk. A question that is being asked is given up.
func (d *desk) close() {
	close(d.over)
	d.leave()
	d.question.Write([]byte{0}) // wakes the reader, where closing does not
	<-d.ended
	d.question.Close()
	d.reply.Close()
	os.RemoveAll(d.dir)
}

// serve is a goroutine of its own until the desk is closed.
func (d *desk) serve() {
	defer close(d.ended)
	in := bufio.NewReader(d.question)
	for {
		said, err := in.ReadString(0)
		select {
		case <-d.over:
			return
		default:
		}
		if err != nil {
			return
		}
		hint, question, _ := strings.Cut(strings.TrimSuffix(said, "\x00"), "\n")
		if hint == "none" {
			narrate.Sayf(d.ctx, "touch", "👆 %s", strings.Join(strings.Fields(question), " "))
			continue
		}
		if answer, ok := d.answer(hint, question); ok {
			d.reply.WriteString("yes\n" + answer + "\n")
		} else {
			d.reply.WriteString("no\n")
		}
	}
}

// answer returns the answer to a question, if there is one. With the hint "confirm" it is a yes or
// a no; the program takes silence for a yes, we do not.
func (d *desk) answer(hint, question string) (answer string, ok bool) {
	if key, asked := unknownKey(question); asked {
		if d.opts.AcceptNewHostKeys { // a jump host's: the program accepts the host's by itself
			narrate.Sayf(d.ctx, "host_key", "🔑 Accepted the host key of a jump host, %s", key)
			return "yes", true
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.unknown = append(d.unknown, key)
		return "no", true
	}
	if password := d.takePassword(question); password != "" {
		return password, true
	}
	why := "there is nobody to ask"
	if d.opts.Prompt != nil {
		answer, err := d.opts.Prompt(d.ctx, question)
		if answer = strings.TrimRight(answer, "\r\n"); err == nil && (hint != "confirm" || isYes(answer)) {
			return answer, true
		}
		why = "the answer was no"
		if err != nil {
			why = err.Error()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if note := strings.TrimRight(strings.TrimSpace(question), ":?") + ": " + why; !slices.Contains(d.withoutUs, note) {
		d.withoutUs = append(d.withoutUs, note)
	}
	return "", false
}

func isYes(answer string) bool { return strings.EqualFold(strings.TrimSpace(answer), "yes") }

// takePassword returns the password of the file, once, if that is what is asked for: "me@host's
// password: ", or "(me@host) Password: ".
func (d *desk) takePassword(question string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !strings.HasSuffix(strings.ToLower(strings.TrimSpace(question)), "password:") {
		return ""
	}
	password := d.password
	d.password = ""
	return password
}

// unknownKey returns the kind and the fingerprint of the host key that a question is about, if it
// is about one: "… ED25519 key fingerprint is SHA256:….  Are you sure …?"
func unknownKey(question string) (key string, ok bool) {
	before, after, ok := strings.Cut(question, " key fingerprint is ")
	if !ok || !strings.Contains(question, "(yes/no") {
		return "", false
	}
	kind := before[strings.LastIndexAny(before, " \n")+1:]
	fingerprint, _, _ := strings.Cut(after, "\n")
	return strings.ToLower(kind) + " " + strings.TrimRight(fingerprint, "."), true
}
