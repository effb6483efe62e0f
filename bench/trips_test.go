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
)

// BenchmarkRoundTrips counts the round trips that things take: what they take longer for when a
// round trip is 200 ms longer. The shortest times count: the machine only ever adds to them.
func BenchmarkRoundTrips(b *testing.B) {
	const short, long = 50 * time.Millisecond, 250 * time.Millisecond
	near, far := startSite(b, roundTrip(short)), startSite(b, roundTrip(long))
	tiny := filepath.Join(b.TempDir(), "worker")
	text := "#!/bin/sh\nexit\n"
	if err := os.WriteFile(tiny, fmt.Appendf(nil, "%s%*s", text, 1024-len(text), ""), 0o755); err != nil {
		b.Fatal(err)
	}
	wipe := func() { near.wipe(); far.wipe() }
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
			times := inTurns(b, c.before,
				way{c.what, aim{}, func() error { return c.run(near) }},
				way{c.what, aim{}, func() error { return c.run(far) }})
			trips := (slices.Min(times[1]) - slices.Min(times[0])).Seconds() / (long - short).Seconds()
			t.row(append([]string{c.what, fmt.Sprintf("%.1f", trips)}, c.aim.verdict(round(trips))...)...)
		}
		t.print()
	}
	b.ReportMetric(0, "ns/op")
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
