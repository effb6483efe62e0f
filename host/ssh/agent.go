package ssh

import (
	"bytes"
	"context"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentConn is a connection to the user's agent. A nil one is an agent without keys.
type agentConn struct {
	conn net.Conn
	stop func() bool
	keys []ssh.Signer
}

// openAgent asks the agent at socket for its keys. An agent that does not answer ends with the
// ring's context.
func (r *keyring) openAgent(socket string) {
	if socket == "" {
		return
	}
	conn, err := new(net.Dialer).DialContext(r.ctx, "unix", socket)
	if err != nil {
		r.note("the agent cannot be asked: %v", err)
		return
	}
	a := &agentConn{conn: conn, stop: context.AfterFunc(r.ctx, func() { conn.Close() })}
	if a.keys, err = agent.NewClient(conn).Signers(); err != nil {
		r.note("the agent does not answer: %v", err)
		a.close()
		return
	}
	r.agent = a
}

func (a *agentConn) close() {
	if a != nil {
		a.stop()
		a.conn.Close()
	}
}

func (a *agentConn) signers() []ssh.Signer {
	if a == nil {
		return nil
	}
	return a.keys
}

// signer returns the agent's signer for a key, or nil.
func (a *agentConn) signer(public ssh.PublicKey) ssh.Signer {
	blob := public.Marshal()
	for _, signer := range a.signers() {
		if bytes.Equal(signer.PublicKey().Marshal(), blob) {
			return signer
		}
	}
	return nil
}

func (a *agentConn) holds(public ssh.PublicKey) bool {
	if c, ok := public.(*ssh.Certificate); ok && a.signer(c.Key) != nil {
		return true
	}
	return a.signer(public) != nil
}
