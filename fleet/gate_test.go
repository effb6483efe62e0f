package fleet_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
)

// door is what some hosts pass to connect; it counts those that are in it.
type door struct {
	mu        sync.Mutex
	now, most int
}

func (d *door) pass(ctx context.Context, took time.Duration) error {
	d.mu.Lock()
	d.now++
	d.most = max(d.most, d.now)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.now--
	}()
	select {
	case <-time.After(took):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// behind is a host that passes a door when it connects, whichever way that is asked for.
type behind struct {
	named
	door *door
	took time.Duration
	gate func(host.Host) string
}

func (b behind) Gate(context.Context) string { return b.gate(b) }

func (b behind) Connect(ctx context.Context) error { return b.door.pass(ctx, b.took) }

func (b behind) Exec(ctx context.Context, _ string) (host.Process, error) {
	return nil, b.door.pass(ctx, b.took)
}

func (b behind) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return nil, b.door.pass(ctx, b.took)
}

func (behind) RoundTrip() time.Duration { return time.Minute }

// fleetBehind returns n hosts behind one door and gate, each of which takes so long to pass it.
func fleetBehind(d *door, n int, took time.Duration) []host.Host {
	return gatedFleet(d, n, took, func(host.Host) string { return "jump" })
}

func gatedFleet(d *door, n int, took time.Duration, gate func(host.Host) string) []host.Host {
	var all []host.Host
	for _, h := range hosts(n) {
		all = append(all, behind{h.(named), d, took, gate})
	}
	return all
}

// gateless is a host that does not say what it shares with others.
type gateless struct{ host.Host }

// connecting is an operation that connects and then works for a minute.
func connecting(ctx context.Context, h host.Host) (int, error) {
	err := h.Connect(ctx)
	time.Sleep(time.Minute)
	return 0, err
}

func TestFewHostsConnectThroughOneGateAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		gate func(host.Host) string
		want int
	}{
		"one gate":     {func(host.Host) string { return "jump" }, fleet.MaxConnecting},
		"another gate": {host.Host.Name, 30},
		"none of them": {func(host.Host) string { return "" }, 30},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d door
				began := time.Now()
				results := fleet.Run(t.Context(), gatedFleet(&d, 30, time.Second, c.gate), fleet.Options{}, connecting)
				if d.most != c.want {
					t.Errorf("%d connected at once, want %d", d.most, c.want)
				}
				if err := fleet.Err(results); err != nil {
					t.Error(err)
				}
				rounds := time.Duration(30 / c.want)
				if took := time.Since(began); took != time.Minute+rounds*time.Second {
					t.Errorf("it took %v: who is connected is in nobody's way", took)
				}
			})
		})
	}
}

func TestAnyFirstUseOfAHostPassesTheGate(t *testing.T) {
	for name, use := range map[string]func(context.Context, host.Host) error{
		"exec": func(ctx context.Context, h host.Host) error { _, err := h.Exec(ctx, "true"); return err },
		"dial": func(ctx context.Context, h host.Host) error { _, err := h.Dial(ctx, "tcp", "x:1"); return err },
		"none": func(context.Context, host.Host) error { return nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			var d door
			began := time.Now()
			fleet.Run(t.Context(), fleetBehind(&d, 10, time.Second), fleet.Options{},
				func(ctx context.Context, h host.Host) (int, error) { return 0, use(ctx, h) })
			if took := time.Since(began); d.most > fleet.MaxConnecting || name != "none" && took != 2*time.Second {
				t.Errorf("%s: %d at once, %v", name, d.most, took)
			}
		})
	}
}

func TestWaitingAtAGateIsNoPartOfTheOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d door
		results := fleet.Run(t.Context(), fleetBehind(&d, 30, 4*time.Second), fleet.Options{},
			func(ctx context.Context, h host.Host) (int, error) {
				ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
				defer cancel()
				return 0, h.Connect(ctx)
			})
		if err := fleet.Err(results); err != nil {
			t.Error(err)
		}
		for _, r := range results {
			if r.Seconds != 4 {
				t.Errorf("%s took %v seconds", r.Host, r.Seconds)
			}
		}
	})
}

func TestHostsThatDoNotAnswerHoldUpNobodyBehindTheirGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d door
		all := append(fleetBehind(&d, 10, time.Hour), fleetBehind(&d, 1, time.Second)...)
		began := time.Now()
		var reached time.Duration
		var first sync.Once
		fleet.Run(t.Context(), all, fleet.Options{}, func(ctx context.Context, h host.Host) (int, error) {
			err := h.Connect(ctx)
			first.Do(func() { reached = time.Since(began) })
			return 0, err
		})
		if reached > 11*time.Second {
			t.Errorf("the one that answers was reached after %v, want at most two rounds of five seconds and its own", reached)
		}
	})
}

func TestWhoWaitsAtAGateIsNotBegunAfterAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := fleet.Run(quiet(t), fleetBehind(&door{}, 30, time.Second), fleet.Options{MaxFailures: fleet.AtMost(0)},
			func(context.Context, host.Host) (int, error) {
				time.Sleep(time.Second)
				return 0, errOh
			})
		begun := 0
		for _, r := range results {
			if !errors.Is(r.Err, fleet.ErrNotBegun) {
				begun++
			}
		}
		if begun != fleet.MaxConnecting {
			t.Errorf("%d were begun", begun)
		}
	})
}

func TestHostsArePutBackThroughTheirGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d door
		all := fleetBehind(&d, 20, time.Second)
		results := fleet.RunOrRevert(quiet(t), all, fleet.Options{MaxFailures: fleet.AtMost(0)},
			func(_ context.Context, h host.Host) (int, error) {
				if h.Name() == "gpu-19" {
					time.Sleep(time.Hour) // all others are done by then
					return 0, errOh
				}
				return 0, nil
			},
			func(ctx context.Context, h host.Host, _ int) error {
				if m, ok := host.As[host.Measured](h); !ok || m.RoundTrip() != time.Minute {
					return errors.New("how far it is away is not known any more")
				}
				return h.Connect(ctx)
			})
		if d.most != fleet.MaxConnecting {
			t.Errorf("%d at once", d.most)
		}
		for _, r := range results[:19] {
			if !r.Reverted {
				t.Errorf("%+v", r)
			}
		}
	})
}

// The sshd of this test is as it comes, but refuses all above its ten where that refuses some.
func TestAnSSHDThatTakesTenAtOnceLetsAFleetIn(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t, testhost.WithSSHD("MaxStartups 10:100:10"))
	refused := func(wrap func(host.Host) host.Host) (n int) {
		var all []host.Host
		for range 40 {
			one, err := ssh.New(h.Target(), ssh.Options{
				ConfigFile: "/dev/null", Identities: []string{h.IdentityFile}, KnownHostsFiles: []string{h.KnownHosts},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { one.Close() })
			all = append(all, wrap(one))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		results := fleet.Run(ctx, all, fleet.Options{Parallel: len(all)},
			func(ctx context.Context, h host.Host) (int, error) { return 0, h.Connect(ctx) })
		for _, r := range results {
			if r.Err != nil {
				n++
			}
		}
		if err := fleet.Err(results); err != nil {
			t.Logf("%d refused: %v", n, err)
		}
		return n
	}
	if n := refused(func(h host.Host) host.Host { return h }); n > 0 {
		t.Errorf("through the gate %d of 40 were refused", n)
	}
	if n := refused(func(h host.Host) host.Host { return gateless{h} }); n == 0 {
		t.Error("without the gate none of 40 was refused: this test shows nothing")
	}
}

// again is a host behind a door to which one can connect anew.
type again struct{ behind }

func (a again) Renew() (host.Host, error) { return a.behind, nil }

func TestAHostThatIsConnectedToAnewPassesTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d door
		var all []host.Host
		for _, h := range fleetBehind(&d, 20, time.Second) {
			all = append(all, again{h.(behind)})
		}
		began := time.Now()
		results := fleet.Run(t.Context(), all, fleet.Options{}, func(ctx context.Context, h host.Host) (int, error) {
			r, ok := host.As[host.Renewable](h)
			if !ok {
				return 0, errors.New("it cannot be connected to anew any more")
			}
			renewed, err := r.Renew()
			if err != nil {
				return 0, err
			}
			defer time.Sleep(time.Hour)
			return 0, renewed.Connect(ctx)
		})
		if err := fleet.Err(results); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); d.most != fleet.MaxConnecting || took != time.Hour+4*time.Second {
			t.Errorf("%d at once, %v", d.most, took)
		}
	})
}
