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

// onCurve25519 is a host that exchanges keys in the way that all here know and none takes long for.
func onCurve25519(c *testhost.Config) {
	testhost.WithSSHD("KexAlgorithms curve25519-sha256")(c)
}

// ownCrontabs is a host whose crontabs are its own: those of the machine are not for benchmarks to change.
func ownCrontabs(c *testhost.Config) {
	testhost.WithMounts(`at=/var/spool/cron/crontabs; [ ! -d $at ] || mount -t tmpfs -o mode=1730,gid="$(stat -c %g $at)" tmpfs $at`)(c)
}

// startSite starts a host at the end of the link: on loopback if that is nothing special.
func startSite(b *testing.B, link testhost.Link, more ...testhost.Option) *site {
	b.Helper()
	options := append([]testhost.Option{onCurve25519}, more...)
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
	return s.installAndRun(binary, nil)
}

func (s *site) installAndRun(binary string, as *davit.Run) (r davit.Receipt, err error) {
	err = s.connected(func(ctx context.Context, conn *ssh.Host) error {
		r, err = davit.Install(ctx, conn, davit.InstallOptions{Binary: binary, Name: "worker", Run: as})
		return err
	})
	return r, err
}

// connected calls f with a connection of its own, and tells nobody anything.
func (s *site) connected(f func(context.Context, *ssh.Host) error) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(narrate.WithNarrator(context.Background(), narrate.New()), conn)
}

// roundTrip is the link whose round trip takes d.
func roundTrip(d time.Duration) testhost.Link { return testhost.Link{Latency: d / 2} }
