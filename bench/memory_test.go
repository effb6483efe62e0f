package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
)

// BenchmarkPeakMemory tells how much memory the command needs for files of different sizes.
func BenchmarkPeakMemory(b *testing.B) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.Skip("SKIPPED, NOT MEASURED: ", err)
	}
	davit := davitCommand(b)
	s := startSite(b, testhost.Link{})
	for b.Loop() {
		t := &table{title: "Peak memory of davit install, the highest of up to three"}
		t.row("file", "memory", "aim", "")
		for _, size := range []int64{15, 100, 1024} {
			binary := program(b, size*mib)
			peak := 0.0
			for range min(repetitions, 3) {
				s.wipe()
				kib, err := peakMemory(exec.Command(davit, "install", "--quiet", "--ssh-config", s.config, binary, name))
				if err != nil {
					b.Fatal(err)
				}
				peak = max(peak, float64(kib)/1024)
			}
			os.Remove(binary)
			s.wipe()
			t.row(append([]string{fmt.Sprintf("%d MiB", size), fmt.Sprintf("%.1f MiB", peak)}, atMost(64).verdict(peak)...)...)
		}
		t.print()
	}
	b.ReportMetric(0, "ns/op")
}

// peakMemory runs the command and returns its peak resident memory in KiB, as the kernel notes it.
// It is read over and over while the process lives: what the kernel tells of a process that has
// ended counts the memory of its parent, too, which it shared for a moment.
func peakMemory(cmd *exec.Cmd) (kib int, err error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%w: %s", err, said.Bytes())
			}
			return kib, err
		case <-time.After(2 * time.Millisecond):
			kib = max(kib, highWater(cmd.Process.Pid))
		}
	}
}

// highWater returns the peak resident memory of a process, 0 if it has ended.
func highWater(pid int) (kib int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, rest, found := bytes.Cut(status, []byte("VmHWM:")); found {
		fmt.Sscan(string(rest), &kib)
	}
	return kib
}
