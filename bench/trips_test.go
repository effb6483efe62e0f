package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
)

// BenchmarkRoundTrips counts the round trips that connecting and installing take.
func BenchmarkRoundTrips(b *testing.B) {
	d := startDistances(b)
	tiny := filepath.Join(b.TempDir(), "worker")
	text := "#!/bin/sh\nexit\n"
	if err := os.WriteFile(tiny, fmt.Appendf(nil, "%s%*s", text, 1024-len(text), ""), 0o755); err != nil {
		b.Fatal(err)
	}
	wipe := func() { d.near.wipe(); d.far.wipe() }
	for b.Loop() {
		t := &table{title: "Round trips"}
		t.row("what", "trips", "aim", "")
		for _, c := range []struct {
			what   string
			aim    aim
			before func()
			run    func(*site) error
		}{
			{"connect, sign in, run one command", atMost(11), wipe, func(s *site) error { return s.command("true") }},
			{"first install of 1 KiB", atMost(16), wipe, func(s *site) error { _, err := s.install(tiny); return err }},
			{"install with nothing changed", atMost(14), func() {}, func(s *site) error { _, err := s.install(tiny); return err }},
		} {
			trips, _ := d.count(b, c.what, c.before, c.run)
			t.row(append([]string{c.what, fmt.Sprintf("%.1f", trips)}, c.aim.verdict(round(trips))...)...)
		}
		t.print()
	}
	b.ReportMetric(0, "ns/op")
}

// distances are two hosts, one of which is farther away.
type distances struct{ near, far *site }

// How long a round trip to them takes.
const nearTrip, farTrip = 50 * time.Millisecond, 250 * time.Millisecond

func startDistances(b *testing.B, options ...testhost.Option) distances {
	b.Helper()
	return distances{startSite(b, roundTrip(nearTrip), options...), startSite(b, roundTrip(farTrip), options...)}
}

// count counts the round trips that run takes: what it takes longer for when a round trip is 200 ms
// longer. The rest is what it takes without them. The shortest times count: the machine only ever adds to
// them.
func (d distances) count(b *testing.B, what string, before func(), run func(*site) error) (trips float64, rest time.Duration) {
	b.Helper()
	times := inTurns(b, before,
		way{what, aim{}, func() error { return run(d.near) }},
		way{what, aim{}, func() error { return run(d.far) }})
	near, far := slices.Min(times[0]), slices.Min(times[1])
	trips = (far - near).Seconds() / (farTrip - nearTrip).Seconds()
	return trips, near - time.Duration(trips*float64(nearTrip))
}

// round makes a whole number of measured trips: what the machine itself takes is no trip.
func round(trips float64) float64 { return float64(int(trips + 0.5)) }

// command runs a command on a connection of its own and waits for its end.
func (s *site) command(command string) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	p, err := conn.Exec(context.Background(), command)
	if err != nil {
		return err
	}
	defer p.Close()
	go io.Copy(io.Discard, p.Stderr())
	io.Copy(io.Discard, p.Stdout())
	return p.Wait()
}
