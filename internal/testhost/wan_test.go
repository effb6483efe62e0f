package testhost_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
)

func TestAHostBeyondAWANIsAsFarAwayAsTheLinkSays(t *testing.T) {
	t.Parallel()
	const latency = 20 * time.Millisecond
	w := testhost.NewWAN(t, testhost.Link{Latency: latency})
	h := testhost.Start(t, testhost.Beyond(w))
	if out := h.Run("echo hello"); out != "hello\n" {
		t.Fatalf("the host says %q", out)
	}
	began := time.Now()
	conn, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if took := time.Since(began); took < 2*latency {
		t.Errorf("TCP's handshake took %v: packets are early", took)
	}
	testhost.Eventually(t, "sshd has the connection", func() bool { return h.Connections() == 1 })
}

func TestAWANTakesTheTimeThatItsRateSays(t *testing.T) {
	t.Parallel()
	const rate = 4 << 20
	h := testhost.Start(t, testhost.Beyond(testhost.NewWAN(t, testhost.Link{Rate: rate})))
	client := dial(t, h)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	session.Stdin = io.LimitReader(zeros{}, rate)
	began := time.Now()
	if out, err := session.Output("wc -c"); err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(rate) {
		t.Fatalf("%s bytes came, %v", out, err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("what the link carries in a second took %v", took)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestSeveralHostsMayBeBeyondOneWAN(t *testing.T) {
	t.Parallel()
	w := testhost.NewWAN(t, testhost.Link{})
	a, b := testhost.Start(t, testhost.Beyond(w)), testhost.Start(t, testhost.Beyond(w))
	if a.Addr == b.Addr {
		t.Fatalf("both are at %s", a.Addr)
	}
	for _, h := range []*testhost.Host{a, b} {
		if who := h.Run("id -un"); who != h.User+"\n" {
			t.Errorf("%s is %q", h.Target(), who)
		}
	}
}

func TestAWANIsGoneWithItsTest(t *testing.T) {
	t.Parallel()
	var addr string
	t.Run("has a WAN", func(t *testing.T) {
		h := testhost.Start(t, testhost.Beyond(testhost.NewWAN(t, testhost.Link{})))
		addr, _, _ = net.SplitHostPort(h.Addr)
		if device(addr) == "" {
			t.Fatalf("no device leads to %s", addr)
		}
	})
	if left := device(addr); addr != "" && left != "" {
		t.Errorf("%s is left", left)
	}
}

// endInAWAN is TestVictim with a host beyond a WAN.
func endInAWAN(t *testing.T) {
	h := testhost.Start(t, testhost.Beyond(testhost.NewWAN(t, testhost.Link{})))
	h.Run("true")
	ip, _, _ := net.SplitHostPort(h.Addr)
	fmt.Printf("\nvictim %s %s\n", ip, device(ip))
	select {}
}

func TestAWANIsGoneWhenItsTestIsKilled(t *testing.T) {
	t.Parallel()
	testhost.NewWAN(t, testhost.Link{}) // or there is nothing to test here
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victim+"=wan")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr, there string
	for in := bufio.NewScanner(stdout); there == "" && in.Scan(); {
		fmt.Sscanf(in.Text(), "victim %s %s", &addr, &there)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if there == "" {
		t.Fatal("the victim did not get far")
	}
	testhost.Eventually(t, there+" is gone", func() bool { return device(addr) == "" })
}

// device returns the network device that leads to the far side's address, "" if there is none.
func device(far string) string {
	devices, _ := net.Interfaces()
	for _, d := range devices {
		addrs, _ := d.Addrs()
		for _, a := range addrs {
			if network, ok := a.(*net.IPNet); ok && d.Flags&net.FlagLoopback == 0 && network.Contains(net.ParseIP(far)) {
				return d.Name
			}
		}
	}
	return ""
}
