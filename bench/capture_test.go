package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/stream"
)

// These make a test binary that was started with them another program: a command that prints, and
// a process that captures it, whose memory is then its own. So nothing has to be built first, and
// all ways run the very same command.
const (
	printsEnv = "BENCH_PRINTS"       // how many lines, and how: "1000 lines" or "1000 blocks"
	tellsEnv  = "BENCH_TELLS_INTO"   // the file for the text
	peakEnv   = "BENCH_SAYS_PEAK_IN" // the file for the peak memory, in KiB
)

func init() {
	prints, tells := os.Getenv(printsEnv), os.Getenv(tellsEnv)
	if prints == "" {
		return
	}
	var err error
	if tells == "" {
		err = printLines(prints)
	} else {
		os.Unsetenv(tellsEnv) // what is captured prints
		err = tell(prints, tells)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// printLines prints as a compiler does that finds a lot to warn of: each line with a write of its
// own, one of twenty to stderr. In blocks, stdout is written 32 KiB at a time. The lines are made
// beforehand, so that printing is hardly more than writing.
func printLines(what string) error {
	var n int
	var how string
	if _, err := fmt.Sscan(what, &n, &how); err != nil {
		return err
	}
	lines := make([][]byte, 1000)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, "src/module_%03d/handler.c:%d:9: warning: unused variable 'tmp%d'\n", i%50, 7*i, i)
	}
	block := 0
	if how == "blocks" {
		block = 32 << 10
	}
	var out []byte
	for i := range n {
		line := lines[i%len(lines)]
		if i%20 == 0 {
			if _, err := os.Stderr.Write(line); err != nil {
				return err
			}
			continue
		}
		if out = append(out, line...); len(out) < block && i < n-1 {
			continue
		}
		if _, err := os.Stdout.Write(out); err != nil {
			return err
		}
		out = out[:0]
	}
	return nil
}

// tell captures the command that prints, into a file of text and a job's log in memory at once.
func tell(prints, path string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	log := stream.NewMemory(1000)
	ctx := narrate.WithNarrator(context.Background(), narrate.New(narrate.NewText(file, narrate.TextOptions{})))
	ctx = narrate.WithSink(narrate.WithJob(ctx, "job-1"), log.Sink())
	if err := narrate.Capture(ctx, exec.Command(self), narrate.CaptureOptions{}); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := checkTold(log, prints); err != nil {
		return err
	}
	return os.WriteFile(os.Getenv(peakEnv), strconv.AppendInt(nil, int64(highWater(os.Getpid())), 10), 0o644)
}

// checkTold fails unless all that was printed was told.
func checkTold(log stream.Log, prints string) error {
	number, _, _ := strings.Cut(prints, " ")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return err
	}
	cursor, err := log.Follow(context.Background(), "job-1", stream.Position(strconv.FormatUint(n-1, 10)))
	if err != nil {
		return err
	}
	defer cursor.Close()
	events, err := cursor.Next(context.Background())
	if err != nil {
		return err
	}
	if len(events) != 1 || events[0].Seq != n || narrate.Lost() > 0 {
		return fmt.Errorf("told %d events after line %d, lost %d; want one and none", len(events), n-1, narrate.Lost())
	}
	return nil
}

// BenchmarkCapture tells what it costs that a command which prints a lot is captured, and told to a
// file and a job's stream, against the same command piped to cat, which keeps nothing.
func BenchmarkCapture(b *testing.B) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.Skip("SKIPPED, NOT MEASURED: ", err)
	}
	for b.Loop() {
		memory := &table{title: "Peak memory of a process that captures, the highest of all turns"}
		memory.row("printed", "memory", "aim", "")
		most := 0.0
		for _, c := range []struct {
			prints string
			aim    aim
			metric string
		}{
			{"100000 lines", aim{}, ""},
			{"1000000 lines", atMost(1.5), "ratio"},
			{"1000000 blocks", aim{}, "ratio-in-blocks"},
		} {
			ratio, peak := compareCapture(b, c.prints, c.aim)
			memory.row(append([]string{c.prints, fmt.Sprintf("%.1f MiB", peak)}, atMost(64).verdict(peak)...)...)
			most = max(most, peak)
			if c.metric != "" {
				b.ReportMetric(ratio, c.metric)
			}
		}
		memory.print()
		b.ReportMetric(most, "MiB")
	}
	b.ReportMetric(0, "ns/op")
}

// compareCapture returns how many times longer a command takes captured than piped to cat, and the
// most memory that capturing it took, in MiB.
func compareCapture(b *testing.B, prints string, aim aim) (ratio, peak float64) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	text, note := filepath.Join(dir, "text"), filepath.Join(dir, "peak")
	started := func(cmd *exec.Cmd, env ...string) *exec.Cmd {
		cmd.Env = append(append(os.Environ(), printsEnv+"="+prints), env...)
		return cmd
	}
	var peaks []float64
	ways := []way{
		{"narrate.Capture to a file and a job's log", aim, func() error {
			if err := finish(started(exec.Command(self), tellsEnv+"="+text, peakEnv+"="+note)); err != nil {
				return err
			}
			var kib float64
			said, err := os.ReadFile(note)
			if err == nil {
				_, err = fmt.Sscan(string(said), &kib)
			}
			peaks = append(peaks, kib/1024)
			return err
		}},
		{"| cat >/dev/null", aim, func() error {
			return finish(started(exec.Command("sh", "-c", `"$0" 2>&1 | cat >/dev/null`, self)))
		}},
	}
	times := inTurns(b, func() {}, ways...)
	ratios("A command that prints "+prints, ways, times).print()
	return median(times[0]).Seconds() / median(times[1]).Seconds(), slices.Max(peaks)
}
