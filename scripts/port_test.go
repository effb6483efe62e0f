package scripts

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/service"
)

// listens is a line of sh that has another process listen at a port of loopback.
func listens(port string) string {
	return fmt.Sprintf(`perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:%s", Listen => 1) or die; sleep 1000' &`, port)
}

// freePort returns a port that nobody listens at.
func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// TestWhoListensAtAPortIsSeen has daemons and others that do so.
func TestWhoListensAtAPortIsSeen(t *testing.T) {
	t.Parallel()
	testhost.Need(t, "perl")
	for _, c := range []struct {
		kind  service.Kind
		place service.Place
		host  func(t *testing.T) *testhost.Host
	}{
		{service.Process, service.Place{}, func(t *testing.T) *testhost.Host { return plainHost(t) }},
		{service.Systemd, service.Place{System: true}, func(t *testing.T) *testhost.Host { return testhost.Boot(t, testhost.Systemd).Root() }},
		{service.OpenRC, service.Place{System: true}, func(t *testing.T) *testhost.Host { return testhost.Boot(t, testhost.OpenRC).Root() }},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			h := c.host(t)
			port, elsewhere := freePort(t), freePort(t)
			d := newDaemon(t, h, c.kind, c.place, `[ -z "${1-}" ] || `+listens(`'"$1"'`)+"\nwhile :; do sleep 0.1; done")
			of := func(wanted string) {
				t.Helper()
				said := ""
				testhost.Eventually(t, "it is "+wanted, func() bool {
					said = d.must("(pid=; port " + port + " 0100007F 7F000001)").port
					return regexp.MustCompile("^" + wanted + "$").MatchString(said)
				})
			}
			of("free")
			d.run(service.Spec{Args: []string{port}})
			of("ours")
			d.must("KIND_stop 5")
			of("free")

			pid, err := strconv.Atoi(strings.TrimSpace(
				h.Run("setsid sh -c " + host.Quote(listens(port)+" echo $!") + " </dev/null 2>/dev/null")))
			if err != nil {
				t.Fatal(err)
			}
			taken := fmt.Sprintf(` [1-9]\d* %s %d perl`, h.User, pid)
			of("taken" + taken)
			d.run(service.Spec{})
			of("taken" + taken)
			d.must("KIND_stop 5")
			d.run(service.Spec{Args: []string{elsewhere}})
			of("other" + taken)
			d.must("KIND_stop 5")
			h.Run(fmt.Sprintf("kill %d", pid))
			of("free")
		})
	}
}
