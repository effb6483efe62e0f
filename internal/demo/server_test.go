package demo

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// serving returns a server and a connection to it, both closed with the test.
func serving(t *testing.T) (*server, *ssh.Client) {
	t.Helper()
	dir := t.TempDir()
	s, err := startServer(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	client, err := dial(s, filepath.Join(dir, "client_key"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return s, client
}

func dial(s *server, key string) (*ssh.Client, error) {
	pem, err := os.ReadFile(key)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", s.addr, &ssh.ClientConfig{
		User: login, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
}

func session(t *testing.T, client *ssh.Client) *ssh.Session {
	t.Helper()
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheHostRunsCommandsInItsHome(t *testing.T) {
	t.Parallel()
	server, client := serving(t)
	s := session(t, client)
	var stdout, stderr bytes.Buffer
	s.Stdin, s.Stdout, s.Stderr = strings.NewReader("from here\n"), &stdout, &stderr
	if err := s.Run(`cat; echo "$HOME $(pwd -P) $USER"; echo aside >&2`); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(server.home)
	if err != nil {
		t.Fatal(err)
	}
	if want := "from here\n" + server.home + " " + real + " demo\n"; stdout.String() != want || stderr.String() != "aside\n" {
		t.Errorf("stdout %q, want %q; stderr %q", stdout.String(), want, stderr.String())
	}
}

func TestTheHostTellsHowACommandEnded(t *testing.T) {
	t.Parallel()
	_, client := serving(t)
	for command, want := range map[string]struct {
		status int
		signal string
	}{
		"exit 7":        {7, ""},
		"kill -KILL $$": {0, "KILL"},
		"kill -TERM $$": {0, "TERM"},
		"no-such-tool":  {127, ""},
	} {
		exit, ok := errors.AsType[*ssh.ExitError](session(t, client).Run(command))
		if !ok || exit.Signal() != want.signal || want.signal == "" && exit.ExitStatus() != want.status {
			t.Errorf("%s: %v", command, exit)
		}
	}
}

func TestTheHostLetsNobodyElseInAndDoesNothingElse(t *testing.T) {
	t.Parallel()
	server, client := serving(t)
	stranger := filepath.Join(t.TempDir(), "key")
	if _, err := newKey(stranger); err != nil {
		t.Fatal(err)
	}
	if other, err := dial(server, stranger); err == nil {
		other.Close()
		t.Error("a stranger was let in")
	}
	if conn, err := client.Dial("tcp", server.addr); err == nil {
		conn.Close()
		t.Error("a connection was forwarded")
	}
	if err := session(t, client).Shell(); err == nil {
		t.Error("a shell was started")
	}
	if err := session(t, client).RequestSubsystem("sftp"); err == nil {
		t.Error("a subsystem was started")
	}
}

func TestACommandEndsWithItsHost(t *testing.T) {
	t.Parallel()
	server, client := serving(t)
	s := session(t, client)
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("sleep 1000 & echo up; wait"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	server.close() // returns only when both have ended: they hold the output
	if s.Wait() == nil {
		t.Error("the command is said to have ended well")
	}
}
