//go:build unix

package openssh_test

import (
	"net"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

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
