package testhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mtu is that of Ethernet.
const mtu = 1500

// init makes a test binary that was started for it carry the packets of a WAN.
func init() {
	encoded := os.Getenv(wanEnv)
	if encoded == "" {
		return
	}
	os.Unsetenv(wanEnv)
	if err := carryWAN(encoded); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// carryWAN is the whole life of that process. Its main thread goes over to the far side, and with
// that /proc/PID/ns/net is the far side.
func carryWAN(encoded string) error {
	var c crossing
	if err := json.Unmarshal([]byte(encoded), &c); err != nil {
		return err
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // nobody may be left to read our stderr
	runtime.LockOSThread()
	runtime.GOMAXPROCS(4)   // or a relay could wait for the other one
	debug.SetGCPercent(400) // packets are garbage, and there is not much else
	near, err := c.plug(c.Near)
	if err != nil {
		return fmt.Errorf("near side: %w", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("far side: unshare: %w", err)
	}
	far, err := c.plug(c.Far)
	if err == nil {
		err = turnOn("lo")
	}
	if err != nil {
		return fmt.Errorf("far side: %w", err)
	}
	failed := make(chan error, 3)
	go func() { failed <- (&relay{Link: c.Link, from: near, to: far}).run() }()
	go func() { failed <- (&relay{Link: c.Link, from: far, to: near}).run() }()
	go func() {
		fmt.Println(wanReady)
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- err
	}()
	return <-failed
}

// plug makes a device with the address, and a route to the other one, in the network namespace
// of the thread. What the kernel sends there is read from the descriptor, and the other way round.
func (c crossing) plug(addr netip.Addr) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/net/tun: %w", err)
	}
	device, err := unix.NewIfreq(c.Device)
	if err != nil {
		return -1, err
	}
	device.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, device); err != nil {
		return -1, fmt.Errorf("new device %s: %w", c.Device, err)
	}
	if c.Rate == 0 {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4)
	}
	return fd, errors.Join(err,
		setDevice(c.Device, unix.SIOCSIFTXQLEN, func(r *unix.Ifreq) error { r.SetUint32(10000); return nil }),
		setDevice(c.Device, unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(mtu); return nil }),
		setDevice(c.Device, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(addr.AsSlice()) }),
		setDevice(c.Device, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 252}) }),
		turnOn(c.Device))
}

func turnOn(device string) error {
	return setDevice(device, unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP); return nil })
}

// setDevice changes a device of the thread's network namespace.
func setDevice(device string, what uint, value func(*unix.Ifreq) error) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	if err := value(request); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, what, request); err != nil {
		return fmt.Errorf("set up %s (%#x): %w", device, what, err)
	}
	return nil
}

// relay carries packets in one direction.
type relay struct {
	Link
	from, to int
	buf      [64<<10 + 64]byte
	flying   []flight  // in the order in which they are due
	free     time.Time // when the line has sent all that it was given
}

// flight is a packet on its way.
type flight struct {
	due    time.Time
	packet []byte
}

// header is the size of what stands before each packet: whether it is a bunch, of what size.
const header = 10

// run carries packets until that fails. It wants a thread of its own, whose timers are exact.
func (r *relay) run() error {
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	unix.Setpriority(unix.PRIO_PROCESS, 0, -15) // who measures keeps both processors busy
	for {
		if err := r.deliver(); err != nil {
			return err
		}
		if err := r.await(); err != nil {
			return err
		}
		if err := r.collect(); err != nil {
			return err
		}
	}
}

// deliver hands over all packets that are due.
func (r *relay) deliver() error {
	n := 0
	for now := time.Now(); n < len(r.flying) && !r.flying[n].due.After(now); n++ {
		if err := r.write(r.flying[n].packet); err != nil {
			return err
		}
		r.flying[n].packet = nil
	}
	r.flying = r.flying[n:]
	return nil
}

func (r *relay) write(packet []byte) error {
	_, err := unix.Write(r.to, packet)
	switch err {
	case nil, unix.EINVAL, unix.ENOBUFS, unix.ENOMEM: // at worst one packet less
		return nil
	}
	return os.NewSyscallError("write to TUN", err)
}

// await returns when there is a packet to read, or one is due.
func (r *relay) await() error {
	var wait *unix.Timespec
	if len(r.flying) > 0 {
		left := unix.NsecToTimespec(max(0, time.Until(r.flying[0].due).Nanoseconds()))
		wait = &left
	}
	_, err := unix.Ppoll([]unix.PollFd{{Fd: int32(r.from), Events: unix.POLLIN}}, wait, nil)
	if err != nil && err != unix.EINTR {
		return os.NewSyscallError("ppoll", err)
	}
	return nil
}

// collect takes what there is, but no more than a few packets while others may become due.
func (r *relay) collect() error {
	for range 16 {
		n, err := unix.Read(r.from, r.buf[:])
		if err == unix.EAGAIN || err == unix.EINTR {
			return nil
		}
		if err != nil {
			return os.NewSyscallError("read from TUN", err)
		}
		if err := r.take(r.buf[:n]); err != nil {
			return err
		}
	}
	return nil
}

// take puts a packet on its way. One that is due at once goes at once.
func (r *relay) take(packet []byte) error {
	if r.Latency == 0 && r.Rate == 0 {
		return r.write(packet)
	}
	sent := time.Now()
	if r.Rate > 0 {
		if r.free.Before(sent) {
			r.free = sent
		}
		r.free = r.free.Add(time.Duration(len(packet)-header) * time.Second / time.Duration(r.Rate))
		sent = r.free
	}
	r.flying = append(r.flying, flight{sent.Add(r.Latency), append([]byte(nil), packet...)})
	return nil
}
