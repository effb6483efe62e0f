package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
)

// BenchmarkFleetCheck compares a check of fifty hosts, which asks each for all that an install
// would want to know, with a parallel-ssh that asks for nothing. All are one host under fifty names.
func BenchmarkFleetCheck(b *testing.B) {
	const fleet = 50
	if !installed("parallel-ssh") {
		b.Skip("SKIPPED, NOT MEASURED: parallel-ssh is not installed")
	}
	s := startSite(b, testhost.Link{})
	var names []string
	for i := range fleet {
		names = append(names, fmt.Sprintf("host%02d", i))
	}
	list := filepath.Join(s.dir, "hosts")
	if err := os.WriteFile(list, []byte(strings.Join(names, "\n")+"\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	check := append([]string{davitCommand(b), "check", "--quiet", "--parallel", fmt.Sprint(fleet), "--ssh-config", s.config}, names...)
	parallel := []string{"parallel-ssh", "-p", fmt.Sprint(fleet), "-h", list, "-x", "-F " + s.config, "true"}
	var ours, theirs []time.Duration // of processor time, children's too
	ways := []way{
		{"davit check", aim{}, processorTime(&ours, check)},
		{"parallel-ssh -p 50 true", atMost(0.75), processorTime(&theirs, parallel)},
	}
	for b.Loop() {
		t := ratios("50 hosts, loopback", ways, inTurns(b, func() {}, ways...))
		ratio := median(ours).Seconds() / median(theirs).Seconds()
		t.row("davit check, processor time", short(median(ours)), "", "", "")
		t.row(append([]string{"parallel-ssh, processor time", short(median(theirs)), fmt.Sprintf("%.2f ×", ratio)}, atMost(0.2).verdict(ratio)...)...)
		t.print()
	}
	b.ReportMetric(0, "ns/op")
}

// processorTime returns what runs the command and notes the processor time of it and all its children.
func processorTime(times *[]time.Duration, command []string) func() error {
	return func() error {
		cmd := exec.Command(command[0], command[1:]...)
		err := finish(cmd)
		if err == nil {
			*times = append(*times, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
		return err
	}
}
