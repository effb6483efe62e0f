// Package bench compares Davit with the ways in which people do today what it does. It prints
// tables of medians and of their ratios, all of them from turns of one run, since an absolute time
// holds on one machine only. Beside each ratio stands what is aimed at; a miss fails nothing.
//
//	make bench                              # all of it, about twenty minutes
//	make bench BENCH=FirstInstall/15 REPETITIONS=1
package bench

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// repetitions is how often each way is measured: REPETITIONS of the environment, or 5.
var repetitions = func() int {
	if n, err := strconv.Atoi(os.Getenv("REPETITIONS")); err == nil && n > 0 {
		return n
	}
	return 5
}()

// way is one of several ways to do the same thing.
type way struct {
	name string
	aim  aim // for Davit's time as a share of this one's
	run  func() error
}

// inTurns measures each way as often as there are repetitions, one after the other in turns, so
// that whatever else the machine does is shared. Before each run it calls before.
func inTurns(b *testing.B, before func(), ways ...way) [][]time.Duration {
	b.Helper()
	times := make([][]time.Duration, len(ways))
	for range repetitions {
		for i, w := range ways {
			before()
			began := time.Now()
			if err := w.run(); err != nil {
				b.Fatalf("%s: %v", w.name, err)
			}
			times[i] = append(times[i], time.Since(began))
		}
	}
	return times
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// aim is what a figure is hoped to be: at most so much, or, if more is better, at least. The zero
// value hopes for nothing.
type aim struct {
	figure float64
	least  bool
}

func atMost(figure float64) aim  { return aim{figure: figure} }
func atLeast(figure float64) aim { return aim{figure, true} }

// verdict returns two cells: the aim, and whether the figure is there.
func (a aim) verdict(figure float64) []string {
	sign, met := "≤", figure <= a.figure
	if a.least {
		sign, met = "≥", figure >= a.figure
	}
	switch {
	case a == aim{}:
		return []string{"", ""}
	case met:
		return []string{fmt.Sprintf("%s %.4g", sign, a.figure), "ok"}
	}
	return []string{fmt.Sprintf("%s %.4g", sign, a.figure), "MISSED"}
}

// table is what is printed of a benchmark.
type table struct {
	title string
	rows  [][]string // the first has the headings
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// print prints the table on lines of its own.
func (t *table) print() {
	describeMachine()
	width := map[int]int{}
	for _, row := range t.rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\n\n%s   (%d CPUs, %d repetitions)\n", t.title, runtime.NumCPU(), repetitions)
	for _, row := range t.rows {
		line := ""
		for i, cell := range row {
			space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line += "  " + cell + space
			} else {
				line += "   " + space + cell
			}
		}
		fmt.Fprintln(&out, strings.TrimRight(line, " "))
	}
	fmt.Print(out.String() + "\n")
}

// describeMachine says, once, what the figures hold for. A load
// near the number of CPUs says that they are rough.
var describeMachine = sync.OnceFunc(func() {
	openssh, _ := exec.Command("ssh", "-V").CombinedOutput()
	fmt.Printf("\n\n%d CPUs · %s · %s · TCP %s · load %s before\nmedians of ways that take turns · key exchange curve25519-sha256\n",
		runtime.NumCPU(), runtime.Version(), strings.TrimSpace(string(openssh)),
		firstWord("/proc/sys/net/ipv4/tcp_congestion_control"), loadBefore)
})

// loadBefore is the load of the machine before any of this.
var loadBefore = firstWord("/proc/loadavg")

func firstWord(path string) string {
	text, _ := os.ReadFile(path)
	word, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return cmp.Or(word, "unknown")
}

// ratios is a table of several ways, the first of which is Davit's.
func ratios(title string, ways []way, times [][]time.Duration) *table {
	t := &table{title: title}
	t.row("way", "time", "davit is", "aim", "")
	ours := median(times[0])
	t.row(ways[0].name, short(ours), "", "", "")
	for i, w := range ways[1:] {
		theirs := median(times[i+1])
		ratio := ours.Seconds() / theirs.Seconds()
		t.row(append([]string{w.name, short(theirs), fmt.Sprintf("%.2f ×", ratio)}, w.aim.verdict(ratio)...)...)
	}
	return t
}

func short(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// run runs a program to its end; what it said last is in the error if it fails.
func run(name string, args ...string) error {
	return finish(exec.Command(name, args...))
}

func finish(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: … %s", err, out[max(0, len(out)-500):])
	}
	return nil
}

// installed reports whether there is the program, and says so if there is none.
func installed(program string) bool {
	_, err := exec.LookPath(program)
	if err != nil {
		fmt.Printf("\nNOT COMPARED with %s, which is not installed\n", program)
	}
	return err == nil
}
