package testhost

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// WAN is a network between the tests and the hosts that are [Beyond] it. Unlike a [Proxy] it
// carries packets, not bytes: each end has a TCP of its own, so that handshakes, acknowledgements
// and windows cost what they cost on a real link. No packet is lost: what comes faster than the
// link's rate waits.
//
// Packets have at most 1,500 bytes; where the rate is not limited they pass in bunches, as network
// cards have it. It needs root and /dev/net/tun.
type WAN struct {
	far     string // IP address
	nsenter string // path of the program
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	stderr  bytes.Buffer
	ports   atomic.Int32
}

// crossing is what the process is told that carries a WAN's packets.
type crossing struct {
	Link
	Device    string
	Near, Far netip.Addr
}

// wanEnv has the crossing, as JSON, and makes the test binary carry a WAN's packets. Such a process
// ends with its standard input, and everything goes with it: its devices, and the namespace of the
// far side unless hosts still run there.
const wanEnv = "DAVIT_TESTHOST_WAN"

// wanReady is what it prints when packets pass.
const wanReady = "ready"

// NewWAN makes a network that is removed with the test, and when the test binary is killed. It
// skips the test, or fails it if CI=true, where such a network cannot be had.
func NewWAN(t testing.TB, link Link) *WAN {
	t.Helper()
	NeedRoot(t)
	nsenter := Need(t, "nsenter")
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		lacking(t, err.Error())
	}
	c := crossing{Link: link, Device: newName()}
	var err error
	if c.Near, c.Far, err = freshPair(); err == nil {
		w := &WAN{far: c.Far.String(), nsenter: nsenter}
		t.Cleanup(func() { w.end(t) })
		err = w.start(c)
		if err == nil {
			return w
		}
	}
	t.Fatalf("testhost: new WAN: %v", err)
	return nil
}

// Beyond is a host on the far side of w.
func Beyond(w *WAN) Option { return func(c *Config) { c.WAN = w } }

// freshPair returns two addresses that no network of this machine has, from the ones that are set
// aside for benchmarks (RFC 2544).
func freshPair() (near, far netip.Addr, err error) {
	used, err := net.InterfaceAddrs()
	if err != nil {
		return near, far, err
	}
	for {
		n := rand.IntN(1<<17) &^ 3 // a network of four addresses, the first and last of which are special
		network := netip.AddrFrom4([4]byte{198, byte(18 + n>>16), byte(n >> 8), byte(n)})
		near, far = network.Next(), network.Next().Next()
		if !strings.Contains(fmt.Sprint(used), network.Next().String()+"/") {
			return near, far, nil
		}
	}
}

func (w *WAN) start(c crossing) error {
	encoded, err := json.Marshal(c)
	if err != nil {
		return err
	}
	w.cmd = exec.Command("/proc/self/exe")
	w.cmd.Args[0] = "testhost-wan " + c.Device
	w.cmd.Env = append(os.Environ(), wanEnv+"="+string(encoded), "GORACE=atexit_sleep_ms=0")
	w.cmd.SysProcAttr = ownSession()
	w.cmd.Stderr = &w.stderr
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := w.cmd.Start(); err != nil {
		return err
	}
	said, _ := bufio.NewReader(stdout).ReadString('\n')
	if strings.TrimSpace(said) != wanReady {
		return cmp.Or(w.close(), io.ErrUnexpectedEOF)
	}
	return nil
}

// close returns when nothing is left of the process, or says how that failed.
func (w *WAN) close() error {
	w.stdin.Close()
	defer time.AfterFunc(patience, func() { w.cmd.Process.Kill() }).Stop()
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(w.stderr.Bytes()))
	}
	return nil
}

func (w *WAN) end(t testing.TB) {
	if w.cmd == nil || w.cmd.Process == nil || w.cmd.ProcessState != nil {
		return
	}
	if err := w.close(); err != nil {
		t.Errorf("testhost: end of the WAN: %v", err)
	}
}

// inside returns the command that runs command on the far side.
func (w *WAN) inside(command ...string) []string {
	return append([]string{w.nsenter, fmt.Sprintf("--net=/proc/%d/ns/net", w.cmd.Process.Pid), "--"}, command...)
}

// freeAddr returns an address of the far side that nobody listens at: all who do ask here.
func (w *WAN) freeAddr() string {
	return net.JoinHostPort(w.far, fmt.Sprint(2200+w.ports.Add(1)))
}
