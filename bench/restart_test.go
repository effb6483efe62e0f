package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host/ssh"
)

// BenchmarkRestart counts the round trips by which a restart of a daemon that serves at once is longer than a
// look at it, which connects, and asks for its health, just as well. What is left of a restart without any
// trips is what its host takes to end the daemon and to start it.
func BenchmarkRestart(b *testing.B) {
	d := startDistances(b, ownCrontabs)
	binary := sleeper(b)
	for _, s := range []*site{d.near, d.far} {
		if _, err := s.installAndRun(binary, plainly()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		t := &table{title: "Restart of a daemon that serves at once"}
		t.row("how it is seen to serve", "status", "restart", "trips more", "aim", "", "restart without trips")
		for _, c := range []struct {
			what  string
			check func(*site) *health.Check
		}{
			{"it runs", func(*site) *health.Check { return nil }},
			{"a command succeeds", func(*site) *health.Check { return &health.Check{Command: "true"} }},
		} {
			look, _ := d.count(b, "status, "+c.what, func() {}, func(s *site) error { return s.look(c.check(s)) })
			restart, rest := d.count(b, "restart, "+c.what, func() {}, func(s *site) error { return s.restart(c.check(s)) })
			cells := []string{c.what, fmt.Sprintf("%.1f", look), fmt.Sprintf("%.1f", restart), fmt.Sprintf("%.1f", restart-look)}
			cells = append(cells, atMost(2).verdict(round(restart-look))...)
			t.row(append(cells, short(rest))...)
		}
		t.print()
	}
	b.ReportMetric(0, "ns/op")
}

func target() davit.Target { return davit.Target{Name: "worker"} }

func (s *site) look(c *health.Check) error {
	return s.connected(func(ctx context.Context, conn *ssh.Host) error {
		is, err := davit.Look(ctx, conn, davit.StatusOptions{Target: target(), Health: c})
		if err == nil && (is.State != davit.StateRunning || c != nil && is.Health != davit.Healthy) {
			err = fmt.Errorf("it is %+v", is)
		}
		return err
	})
}

func (s *site) restart(c *health.Check) error {
	return s.connected(func(ctx context.Context, conn *ssh.Host) error {
		_, err := davit.Restart(ctx, conn, davit.StartOptions{Target: target(), Run: davit.Run{Health: c, Settle: time.Millisecond}})
		return err
	})
}
