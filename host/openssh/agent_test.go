//go:build unix

package openssh_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// listenUnix serves a socket until the test ends and returns its path.
func listenUnix(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dv") // short: a path to a socket has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return ln.Addr().String()
}

func TestAKeyOfTheAgentIsLetIn(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	private, err := ssh.ParseRawPrivateKey([]byte(read(t, h.IdentityFile)))
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	config := without(h, "IdentityFile", "IdentityAgent") + "  IdentityFile none\n"
	socket := listenUnix(t, func(conn net.Conn) { agent.ServeAgent(ring, conn) })
	if err := connect(t, open(t, "x", config+"  IdentityAgent "+socket+"\n")); err != nil {
		t.Error(err)
	}
	gone := open(t, "x", config+"  IdentityAgent /nonexistent/agent\n")
	fails(t, connect(t, gone), host.ErrAuth, "x", "no key was offered")
}

func TestAnAgentThatHangsEndsWithTheContext(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	program, last := noting(t)
	socket := listenUnix(t, func(net.Conn) { <-t.Context().Done() })
	config := without(h, "IdentityAgent") + "  IdentityAgent " + socket + "\n"
	endsWithContext(t, open(t, "x", config, func(o *openssh.Options) { o.Program = program }))
	gone(t, last())
}
