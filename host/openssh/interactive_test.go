//go:build unix

package openssh_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/world"
	"github.com/davit-sh/davit/host/openssh"
	native "github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// asking starts an SSH server that lets in who answers two questions, and returns an ssh_config
// with which it is reached as "x". OpenSSH's own asks nothing without PAM.
func asking(t *testing.T, password, code string) (config string) {
	t.Helper()
	server := &ssh.ServerConfig{
		KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			got, err := ask("", "Two things, please", []string{"Password: ", "Verification code: "}, []bool{false, true})
			if err == nil && (len(got) != 2 || got[0] != password || got[1] != code) {
				err = errors.New("wrong")
			}
			return nil, err
		},
	}
	key := testhost.NewKey(t, filepath.Join(t.TempDir(), "key"))
	server.AddHostKey(key)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go world.Serve(ln, func(conn net.Conn) { serve(conn, server) })
	known := write(t, knownhosts.Line([]string{ln.Addr().String()}, key.PublicKey())+"\n")
	return strings.ReplaceAll(at(ln.Addr().String()), "/dev/null", known)
}

// serve serves a connection to a server that runs nothing.
func serve(conn net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		channel.Reject(ssh.Prohibited, "nothing runs here")
	}
}

// Both ways to speak SSH ask the same.
func TestAServersQuestionsAreAnswered(t *testing.T) {
	t.Parallel()
	const password, code = "correct horse battery", "123 456"
	config := asking(t, password, code)
	for name, c := range map[string]struct {
		file    string
		answers []string // nil: nobody is there
		want    error
		asked   int
	}{
		"by the user":             {"", []string{password, code}, nil, 2},
		"at the second try":       {"", []string{password, "1", password, code}, nil, 4},
		"by a file and the user":  {password + "\n", []string{code}, nil, 1},
		"wrong too often":         {"", []string{"a", "b", "c", "d", "e", "f", password, code}, host.ErrAuth, 6},
		"the user gives up":       {"", []string{}, host.ErrAuth, -1},
		"half of it by a file":    {password + "\n", nil, host.ErrAuth, 0},
		"nobody, and without one": {"", nil, host.ErrAuth, 0},
	} {
		for way, open := range map[string]func(file string, ask func(context.Context, string) (string, error)) (host.Host, error){
			"native": func(file string, ask func(context.Context, string) (string, error)) (host.Host, error) {
				return native.New("x", native.Options{ConfigFile: write(t, config), PasswordFile: file, Prompt: ask})
			},
			"openssh": func(file string, ask func(context.Context, string) (string, error)) (host.Host, error) {
				return openssh.New("x", openssh.Options{ConfigFile: write(t, config), PasswordFile: file, Prompt: ask})
			},
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				testhost.Need(t, "ssh")
				prompt, asked := answers(c.answers...)
				if c.answers == nil {
					prompt = nil
				}
				file := ""
				if c.file != "" {
					file = write(t, c.file)
				}
				h, err := open(file, prompt)
				if err != nil {
					t.Fatal(err)
				}
				defer h.Close()
				ctx, _ := told(t)
				err = h.Connect(ctx)
				if !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if len(*asked) != c.asked && c.asked >= 0 {
					t.Errorf("asked %q, want %d questions", *asked, c.asked)
				}
				if all := fmt.Sprint(*asked); c.asked == 2 && (!strings.Contains(all, "Password") || !strings.Contains(all, "Verification code")) {
					t.Errorf("asked %q", *asked)
				}
				noSecret(t, err, password)
			})
		}
	}
}
