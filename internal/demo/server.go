package demo

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// login is the name under which the host lets the demo in.
const login = "demo"

// server is an SSH host on loopback: the real protocol, the real /bin/sh, a home of its own. It
// lets in one key, which is nobody's but the demo's, and forwards nothing.
type server struct {
	home     string
	config   string // path of an ssh_config with which the host is reached, and no other
	addr     string
	listener net.Listener
	ssh      *ssh.ServerConfig

	serving sync.WaitGroup
	mu      sync.Mutex
	closed  bool
	conns   map[net.Conn]struct{}
	groups  map[int]struct{} // process groups that were started and may still run
}

// startServer starts a host whose files are in dir. The caller must close it.
func startServer(dir string) (*server, error) {
	s := &server{
		home: filepath.Join(dir, "home"), config: filepath.Join(dir, "ssh_config"),
		conns: map[net.Conn]struct{}{}, groups: map[int]struct{}{},
	}
	if err := os.Mkdir(s.home, 0o700); err != nil {
		return nil, err
	}
	hostKey, err := newKey(filepath.Join(dir, "host_key"))
	if err != nil {
		return nil, err
	}
	clientKey, err := newKey(filepath.Join(dir, "client_key"))
	if err != nil {
		return nil, err
	}
	s.ssh = &ssh.ServerConfig{PublicKeyCallback: only(clientKey.PublicKey())}
	s.ssh.AddHostKey(hostKey)
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.addr = s.listener.Addr().String()
	if err := s.writeConfig(dir, hostKey.PublicKey()); err != nil {
		s.listener.Close()
		return nil, err
	}
	s.serving.Go(s.accept)
	return s, nil
}

// target is the host as a user would write it.
func (s *server) target() string { return login + "@" + s.addr }

// writeConfig writes what a client needs, so that nothing of the user's own is read or written.
func (s *server) writeConfig(dir string, hostKey ssh.PublicKey) error {
	known := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(known, []byte(knownhosts.Line([]string{s.addr}, hostKey)+"\n"), 0o600); err != nil {
		return err
	}
	config := fmt.Sprintf(`IdentityFile "%s"
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile "%s"
GlobalKnownHostsFile none
StrictHostKeyChecking yes
`, filepath.Join(dir, "client_key"), known)
	return os.WriteFile(s.config, []byte(config), 0o600)
}

// newKey makes an ed25519 key and writes it to path.
func newKey(path string) (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "davit demo")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

// only lets in one key.
func only(key ssh.PublicKey) func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
	want := string(key.Marshal())
	return func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
		if string(offered.Marshal()) != want {
			return nil, errors.New("not the demo's key")
		}
		return nil, nil
	}
}

func (s *server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.hold(conn) {
			return
		}
		s.serving.Go(func() {
			defer s.release(conn)
			s.serve(conn)
		})
	}
}

// hold reports whether conn is to be served; a closed server serves nobody.
func (s *server) hold(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *server) release(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	conn.Close()
}

// serve is one connection, from its handshake to its end.
func (s *server) serve(conn net.Conn) {
	_, channels, requests, err := ssh.NewServerConn(conn, s.ssh)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		if channel.ChannelType() != "session" {
			channel.Reject(ssh.Prohibited, "the demo's host only runs commands")
			continue
		}
		ch, requests, err := channel.Accept()
		if err != nil {
			continue
		}
		s.serving.Go(func() { s.session(ch, requests) })
	}
}

// close ends the host: its connections, and every process that was started through one.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	s.listener.Close()
	for conn := range s.conns {
		conn.Close()
	}
	for group := range s.groups {
		endGroup(group)
	}
	s.mu.Unlock()
	s.serving.Wait()
}
