package ssh_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
)

// endsWithContext fails the test unless connecting ends with its context, for its reason.
func endsWithContext(t *testing.T, h *ssh.Host) {
	t.Helper()
	why := errors.New("the time is over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, why)
	defer cancel()
	err := h.Connect(ctx)
	if !errors.Is(err, why) {
		t.Errorf("got %v, want it to wrap the cause of the context", err)
	}
	if _, ok := errors.AsType[*host.Error](err); ok {
		t.Errorf("%v blames the host", err)
	}
}

func TestWhatIsNoHostIsToldApart(t *testing.T) {
	t.Parallel()
	o := ssh.Options{ConfigFile: "/dev/null", KnownHostsFiles: []string{os.DevNull}}
	refused := testhost.Refused(t)
	fails(t, connect(t, open(t, refused, o)), host.ErrUnreachable, refused, "connection refused", "ssh -v -p")
	web := testhost.NotSSH(t)
	fails(t, connect(t, open(t, web, o)), host.ErrNotSSH, web, "HTTP/1.1 400 Bad Request", web)
	endsWithContext(t, open(t, testhost.Silent(t), o))
	endsWithContext(t, open(t, testhost.StallingHandshake(t), o))
}

func TestAHostThatHasNoRoomSaysSo(t *testing.T) {
	t.Parallel()
	// Not MaxStartups, of which sshd takes the last that it reads.
	h := testhost.Start(t, testhost.WithSSHD("PerSourceMaxStartups 1", "MaxSessions 1"))
	waiting, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := waiting.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	fails(t, connect(t, open(t, h.Target(), options(t, h))), host.ErrUnreachable, h.Target(), "MaxStartups")
	waiting.Close()

	var far *ssh.Host
	testhost.Eventually(t, "there is room again", func() bool {
		far = open(t, h.Target(), options(t, h))
		return connect(t, far) == nil
	})
	ctx, _ := told(t)
	first, err := far.Exec(ctx, "exec cat")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = far.Exec(ctx, "exec cat")
	fails(t, err, host.ErrShell, h.Target(), "MaxSessions")
}

// linked returns a host behind a link, connected, with a command that echoes.
func linked(t *testing.T, change func(*ssh.Options)) (*testhost.Proxy, *ssh.Host, host.Process) {
	t.Helper()
	h := testhost.Start(t)
	link := testhost.NewLink(t, h.Addr, testhost.Link{})
	h = h.Via(link.Addr())
	o := options(t, h)
	if change != nil {
		change(&o)
	}
	far := open(t, h.Target(), o)
	return link, far, echo(t, far)
}

func TestAConnectionThatIsCutIsLost(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*testhost.Proxy){
		"closed": func(link *testhost.Proxy) { link.CutAfter(0) },
		"reset":  (*testhost.Proxy).Reset,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link, h, p := linked(t, nil)
			cut(link)
			isLost(t, h, p, "connection lost")
		})
	}
}

func TestAConnectionThatIsCutInTheMiddleOfAWriteIsLost(t *testing.T) {
	t.Parallel()
	link, h, p := linked(t, nil)
	go io.Copy(io.Discard, p.Stdout())
	link.CutAfter(1 << 20)
	var err error
	for err == nil {
		_, err = p.Write(make([]byte, 1<<16))
	}
	fails(t, p.Wait(), host.ErrLost, h.Name())
}

func TestAConnectionThatIsSwallowedIsClosedByItsKeepalive(t *testing.T) {
	t.Parallel()
	link, h, p := linked(t, func(o *ssh.Options) {
		o.KeepAliveInterval, o.KeepAliveCount = 50*time.Millisecond, 3
	})
	link.Blackhole()
	isLost(t, h, p, "has not answered for 150ms")
}

func TestAQuietConnectionIsKeptByItsKeepalive(t *testing.T) {
	t.Parallel()
	link, _, p := linked(t, func(o *ssh.Options) {
		o.KeepAliveInterval, o.KeepAliveCount = 20*time.Millisecond, 200
	})
	asked := link.BytesUp()
	testhost.Eventually(t, "the host is asked for a sign of life ten times", func() bool {
		return link.BytesUp() > asked+10*50
	})
	if _, err := io.WriteString(p, "still here\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p.Stdout(), make([]byte, len("still here\n"))); err != nil {
		t.Error(err)
	}
}

func TestNothingWaitsForAStalledNetworkLongerThanItsContext(t *testing.T) {
	t.Parallel()
	link, h, p := linked(t, nil)
	link.Stall()
	endsUnheard(t, h, p)
}

func TestClosingAHostThatConnectsEndsThat(t *testing.T) {
	t.Parallel()
	target := testhost.Silent(t)
	h := open(t, target, ssh.Options{ConfigFile: "/dev/null", KnownHostsFiles: []string{os.DevNull}})
	ctx, _ := told(t)
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- h.Connect(ctx) }()
	go func() { second <- h.Connect(ctx) }()
	h.Close()
	fails(t, <-first, host.ErrLost, target, "closed")
	fails(t, <-second, host.ErrLost, target, "closed")
}

func TestACallerWhoWaitsForAnothersConnectingCanLeave(t *testing.T) {
	t.Parallel()
	h := open(t, testhost.Silent(t), ssh.Options{ConfigFile: "/dev/null", KnownHostsFiles: []string{os.DevNull}})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- h.Connect(ctx) }()
	endsWithContext(t, h)
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	if n := strings.Count(h.Name(), ":"); n != 1 {
		t.Errorf("name %q", h.Name())
	}
}
