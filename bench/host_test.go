package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// site is a host and the ssh_config with which everybody reaches it, under any name.
type site struct {
	*testhost.Host
	b      *testing.B
	config string // path
	dir    string // of what the ways need on this side
}

// name is what the host is called where one name is enough.
const name = "bench"

// startSite starts a host at the end of the link: on loopback if that is nothing special.
func startSite(b *testing.B, link testhost.Link) *site {
	b.Helper()
	options := []testhost.Option{testhost.WithSSHD("KexAlgorithms curve25519-sha256")}
	if link != (testhost.Link{}) {
		options = append(options, testhost.Beyond(testhost.NewWAN(b, link)))
	}
	s := &site{Host: testhost.Start(b, options...), b: b}
	var err error
	if s.dir, err = os.MkdirTemp("/tmp", "dv"); err != nil { // short: Ansible puts sockets there
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(s.dir) })
	s.config = filepath.Join(s.dir, "config")
	ip, port, _ := net.SplitHostPort(s.Addr)
	text := fmt.Sprintf(`Host *
HostName %s
Port %s
User %s
IdentityFile %s
UserKnownHostsFile %s
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
IdentitiesOnly yes
IdentityAgent none
BatchMode yes
LogLevel ERROR
`, ip, port, s.User, s.IdentityFile, s.KnownHosts)
	if err := os.WriteFile(s.config, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	return s
}

// wipe removes what ways have put on the host, and has the disk catch up: what one has left to be
// written must not hold up the next.
func (s *site) wipe() {
	s.b.Helper()
	for _, path := range []string{".local", "four", "worker", ".ansible"} {
		if err := os.RemoveAll(filepath.Join(s.Home, path)); err != nil {
			s.b.Fatal(err)
		}
	}
	if err := run("sync", "-f", s.Home); err != nil {
		s.b.Fatal(err)
	}
}

func (s *site) dial() (*ssh.Host, error) {
	return ssh.New(name, ssh.Options{ConfigFile: s.config})
}

// install is what a program does that embeds Davit.
func (s *site) install(binary string) (davit.Receipt, error) {
	conn, err := s.dial()
	if err != nil {
		return davit.Receipt{}, err
	}
	defer conn.Close()
	ctx := narrate.WithNarrator(context.Background(), narrate.New())
	return davit.Install(ctx, conn, davit.InstallOptions{Binary: binary, Name: "worker"})
}

// roundTrip is the link whose round trip takes d.
func roundTrip(d time.Duration) testhost.Link { return testhost.Link{Latency: d / 2} }
