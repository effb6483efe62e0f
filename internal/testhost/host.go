package testhost

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Host is a running SSH host. Its methods that fail the test may only be called by the test's
// own goroutine, like [testing.TB.Fatal].
type Host struct {
	Addr         string        // IP:port where it is reached
	User         string        // who signs in
	Home         string        // the user's home, and its HOME
	IdentityFile string        // path of the private key that is let in
	KnownHosts   string        // path of a known_hosts file that has its key
	HostKey      ssh.PublicKey // ed25519, the only one that it has

	t      testing.TB
	config Config
	dir    string // all of the host's files
	apart  bool   // it has mounts of its own, even if only for its crontabs
	signer ssh.Signer
	server []string // the command that starts sshd, but for what listen adds
	keeper *keeper

	machine *Machine // that it is a login of, if any
}

// Via returns the same host as reached at addr, where a link to it listens; its KnownHosts
// has the key for both addresses.
func (h *Host) Via(addr string) *Host {
	h.t.Helper()
	file, err := os.OpenFile(h.KnownHosts, os.O_APPEND|os.O_WRONLY, 0)
	h.must(err)
	defer file.Close()
	_, err = fmt.Fprintln(file, knownhosts.Line([]string{addr}, h.HostKey))
	h.must(err)
	via := *h
	via.Addr = addr
	return &via
}

// For returns the same host for another test, which is to end before the one that it was started for.
func (h *Host) For(t testing.TB) *Host {
	other := *h
	other.t = t
	return &other
}

// Target returns the host as a user would write it: user@address:port.
func (h *Host) Target() string { return h.User + "@" + h.Addr }

// SSH returns the arguments with which the system's ssh runs args on the host. They make it
// ignore the configuration, keys and known hosts of whoever runs the tests.
func (h *Host) SSH(args ...string) []string {
	ip, port, _ := net.SplitHostPort(h.Addr)
	return append([]string{
		"-F", "/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i", h.IdentityFile,
		"-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "UserKnownHostsFile=" + h.KnownHosts,
		"-p", port, h.User + "@" + ip,
	}, args...)
}

// Block returns a block of ssh_config for the host under an alias, with more lines in it. With it ssh
// ignores the keys and known hosts of whoever runs the tests.
func (h *Host) Block(alias string, more ...string) string {
	ip, port, _ := net.SplitHostPort(h.Addr)
	return strings.Join(append([]string{
		"Host " + alias, "HostName " + ip, "Port " + port, "User " + h.User, "IdentityFile " + h.IdentityFile,
		"IdentityAgent none", "UserKnownHostsFile " + h.KnownHosts, "GlobalKnownHostsFile none",
	}, more...), "\n  ") + "\n"
}

// ClientConfig returns what [ssh.Dial] needs to sign in to the host.
func (h *Host) ClientConfig() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User:              h.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(h.signer)},
		HostKeyCallback:   ssh.FixedHostKey(h.HostKey),
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		Timeout:           patience,
	}
}

// Run runs the sh script in the host's home and returns what it prints on stdout; the test fails if
// the script does.
func (h *Host) Run(script string) string {
	h.t.Helper()
	out, err := h.Try(script)
	if err != nil {
		h.t.Fatalf("testhost: on %s: %s: %v", h.Target(), script, err)
	}
	return out
}

// ranHere is printed before a script's own output, which may come after noise of the login
// shell.
const ranHere = "testhost: here it runs\n"

// Try is Run for a script that may fail. The error has what it said on stderr, and is an
// [*ssh.ExitError] if it is about the script.
func (h *Host) Try(script string) (string, error) {
	client, err := ssh.Dial("tcp", h.Addr, h.ClientConfig())
	if err != nil {
		return "", err
	}
	defer client.Close()
	defer time.AfterFunc(patience, func() { client.Close() }).Stop()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	// A login that reads stdin gets the empty lines.
	session.Stdin = strings.NewReader(strings.Repeat("\n", 8) + "printf '" + strings.TrimSpace(ranHere) + "\\n'\ncd\n" + script)
	session.Stdout, session.Stderr = &stdout, &stderr
	// Any login shell understands this line; none of them has to understand the script.
	err = session.Run(`exec /bin/sh -c 'eval "$(/bin/cat)"'`)
	_, out, found := strings.Cut(stdout.String(), ranHere)
	if err == nil && !found {
		err = fmt.Errorf("the login shell ran something else: %q", stdout.String())
	}
	if err != nil && stderr.Len() > 0 {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, err
}

// Authorize lets in whoever has the private half of key, besides IdentityFile.
func (h *Host) Authorize(key ssh.PublicKey) {
	h.t.Helper()
	file, err := os.OpenFile(h.authorizedKeys(), os.O_APPEND|os.O_WRONLY, 0)
	h.must(err)
	defer file.Close()
	_, err = file.Write(ssh.MarshalAuthorizedKey(key))
	h.must(err)
}

// Log returns what sshd has logged so far.
func (h *Host) Log() string {
	log, err := os.ReadFile(h.path("sshd.log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Errorf("testhost: %v", err)
	}
	return string(log)
}
