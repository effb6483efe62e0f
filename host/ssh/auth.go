package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/secret"
	"golang.org/x/crypto/ssh"
)

const (
	// maxKeys is how many keys are offered. OpenSSH's server ends the connection at the sixth
	// failure; the last one is kept for a password.
	maxKeys = 5
	// maxAsked is how often the user is asked for the same secret.
	maxAsked = 3
)

// auth signs in to one host.
type auth struct {
	ctx      context.Context // of the connection being made
	settings *settings
	opts     Options
	password string // from the file; "" if there is none
	ring     *keyring

	began  bool     // the host was asked to let us in
	takes  []string // the methods that it takes
	asking error    // why a secret was not had
}

// newAuth collects what can be offered. The caller closes it.
func newAuth(ctx context.Context, s *settings, o Options) (*auth, error) {
	password, err := secret.PasswordIn(o.PasswordFile)
	if err != nil {
		return nil, err
	}
	a := &auth{ctx: ctx, settings: s, opts: o, password: password}
	a.ring, err = newKeyring(ctx, s, o)
	return a, err
}

func (a *auth) close() { a.ring.close() }

// methods returns what is tried, in the order of OpenSSH. Each takes one try of the few that a
// server grants, but for keys, which take one each.
func (a *auth) methods() []ssh.AuthMethod {
	methods := []ssh.AuthMethod{ssh.PublicKeysCallback(a.ring.offer)}
	if a.password == "" && a.opts.Prompt == nil {
		return methods
	}
	tries := 1
	if a.opts.Prompt != nil {
		tries = maxAsked
	}
	return append(methods,
		ssh.RetryableAuthMethod(ssh.KeyboardInteractive(a.challenge), tries),
		ssh.RetryableAuthMethod(ssh.PasswordCallback(a.askPassword), tries))
}

// observe is an [ssh.ClientAuthCallback] that changes nothing.
func (a *auth) observe(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	a.began = true
	if len(c.AllowedMethods) > 0 {
		a.takes = c.AllowedMethods
	}
	return nil, nil
}

// errNoAnswer ends a method for which there is no secret (any more).
var errNoAnswer = errors.New("nothing to answer with")

// askPassword returns the password of the file once, then what the user says.
func (a *auth) askPassword() (string, error) {
	if password := a.password; password != "" {
		a.password = ""
		return password, nil
	}
	return a.ask("password for " + a.settings.user + "@" + a.settings.target.Name + ": ")
}

// challenge answers what the host asks, as askPassword does where the answer is a secret.
func (a *auth) challenge(_, instruction string, questions []string, echos []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i, question := range questions {
		if password := a.password; password != "" && !echos[i] {
			answers[i], a.password = password, ""
			continue
		}
		var err error
		if answers[i], err = a.ask(strings.TrimLeft(instruction+"\n", "\n") + question); err != nil {
			return nil, err
		}
		instruction = ""
	}
	return answers, nil
}

func (a *auth) ask(question string) (string, error) {
	if a.opts.Prompt == nil {
		return "", errNoAnswer
	}
	answer, err := a.opts.Prompt(a.ctx, question)
	if err != nil {
		a.asking = err
		return "", err
	}
	return answer, nil
}

// failed returns the error of a host that lets us in with nothing.
func (a *auth) failed(err error) error {
	var parts []string
	if offered := a.ring.offered; len(offered) > 0 {
		parts = append(parts, "offered "+strings.Join(offered, ", "))
	} else {
		parts = append(parts, "no key was offered")
	}
	if a.ring.left > 0 {
		parts = append(parts, fmt.Sprintf("%d more keys were not, as servers end the connection after a few", a.ring.left))
	}
	parts = append(parts, a.ring.notes...)
	if a.asking != nil {
		parts = append(parts, a.asking.Error())
	}
	if len(a.takes) > 0 {
		parts = append(parts, "it takes "+strings.Join(a.takes, ", "))
	}
	e := &host.Error{
		Kind: host.ErrAuth, Hint: a.settings.command(),
		Err: &authError{
			text: fmt.Sprintf("the host does not let %s in: %s", a.settings.user, strings.Join(parts, "; ")), cause: err,
		},
	}
	switch {
	case a.ring.left > 0:
		e.Hint = "name the right key with --identity, or with IdentityFile and IdentitiesOnly in ssh_config"
	case a.ring.locked != "":
		e.Hint = "ssh-add " + a.ring.locked
	}
	return e
}

// authError says in our words what the library says in its own.
type authError struct {
	text  string
	cause error
}

func (e *authError) Error() string { return e.text }
func (e *authError) Unwrap() error { return e.cause }

// isBroken reports whether err is about the connection and not about what was said over it.
func isBroken(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
