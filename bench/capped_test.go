package bench

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
	"github.com/klauspost/compress/zstd"
)

// BenchmarkCappedLink tells how much of a slow link an install makes use of: its rate as a share of
// what the link would carry if nothing but the compressed file passed.
func BenchmarkCappedLink(b *testing.B) {
	const rate = 100_000_000 / 8
	binary := program(b, 100*mib)
	size, compressed := int64(100*mib), compressedSize(b, binary)
	s := startSite(b, testhost.Link{Latency: 10 * time.Millisecond, Rate: rate})
	var moving []float64 // seconds from the first byte to the host's word that all are right
	ways := []way{
		{"davit", aim{}, func() error {
			receipt, err := s.install(binary)
			took := 0.0
			for _, step := range receipt.Steps {
				if step.Name == "transfer" || step.Name == "verify" {
					took += step.Seconds
				}
			}
			moving = append(moving, took)
			return err
		}},
		{"scp alone", atMost(1), func() error { return s.scp(binary, "worker") }},
	}
	for b.Loop() {
		times := inTurns(b, s.wipe, ways...)
		t := ratios("First install, 100 MiB, 100 Mbit/s, round trip 20 ms", ways, times)
		least := float64(compressed) / rate // seconds
		share := least / median(times[0]).Seconds()
		t.row(append([]string{
			fmt.Sprintf("davit's rate ÷ (100 Mbit/s × %.2f)", float64(size)/float64(compressed)), "", fmt.Sprintf("%.2f", share),
		}, atLeast(0.8).verdict(share)...)...)
		t.row("the same, of transfer and verify alone", fmt.Sprintf("%.3f s", median(moving)), fmt.Sprintf("%.2f", least/median(moving)), "", "")
		t.print()
		b.ReportMetric(share, "share")
	}
	b.ReportMetric(0, "ns/op")
}

// compressedSize returns how large the file is in zstd at its fastest.
func compressedSize(b *testing.B, path string) int64 {
	b.Helper()
	in, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	var n count
	enc, err := zstd.NewWriter(&n, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err == nil {
		_, err = io.Copy(enc, in)
	}
	if err == nil {
		err = enc.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return int64(n)
}

// count is a writer that only counts.
type count int64

func (c *count) Write(p []byte) (int, error) { *c += count(len(p)); return len(p), nil }
