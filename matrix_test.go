package davit_test

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
)

// The matrix: an install meets every fault in every step, and what becomes of it is printed.
const (
	matrixLimit   = 5 * time.Second       // of an install that a fault holds up until then
	matrixLatency = 20 * time.Millisecond // one way
	matrixSize    = 4 << 20               // of the executable, which cannot be compressed
	matrixRate    = 4 << 20               // bytes a second
	matrixAtOnce  = 10                    // cells; they wait for most of their time
)

// step is a part of an install, and what is promised of one that a fault meets there.
type step struct {
	moment
	says    string   // the step, in the error
	touched bool     // the host may have been changed
	current []string // what may be current afterwards: old, new
}

var steps = slices.Concat(
	[]step{
		{moment{name: "connect", stalled: true, reached: (*attempt).accepted}, "connect", false, before},
		{moment{name: "sign-in", reached: func(a *attempt) bool { return a.link.BytesUp() > 600 }}, "connect", false, before},
		{moment{name: "probe", hold: "df*", reached: (*attempt).held}, "probe", false, before},
	},
	tenths(),
	[]step{
		{moment{name: "verify", hold: "sync*/incoming-*/release", reached: (*attempt).held}, "verify", true, before},
		{moment{name: "activate", hold: "mv*/releases/*", reached: func(a *attempt) bool { return a.held() && a.heard("verify") }}, "activate", true, before},
		{moment{name: "activated", hold: "sync*/releases*/bin*", reached: (*attempt).held}, "activate", true, after},
		{moment{name: "last word", on: "activate"}, "activate", true, after},
	},
)

// named reports whether err names the step. Of a transfer the client may have sent all, while much
// of that is still on its way.
func (s step) named(err error) bool {
	return strings.Contains(err.Error(), s.says) || s.says == "transfer" && strings.Contains(err.Error(), "verify")
}

var before, after = []string{"old"}, []string{"new"}

// accepted waits, once the link has taken a connection, until that is really there.
func (a *attempt) accepted() bool {
	if a.link.Connections() == 0 {
		return false
	}
	time.Sleep(50 * time.Millisecond)
	return true
}

// tenths are the steps of the transfer.
func tenths() (all []step) {
	for n := range 10 {
		all = append(all, step{
			moment{name: fmt.Sprintf("transfer %2d%%", n*10), reached: func(a *attempt) bool {
				return a.arrived() >= int64(max(1, n*matrixSize/10))
			}}, "transfer", true, before,
		})
	}
	return all
}

// cell is a cell of the matrix.
type cell struct {
	fault fault
	step  step
	login string
	way   string

	row string // what is printed
}

func (c *cell) name() string {
	return strings.Join([]string{c.login, c.way, c.step.name, c.fault.name}, ", ")
}

// cells are every fault at every step, for a user and for root, on one connection and through a jump
// host, where it changes sides from cell to cell. By the ssh program one tenth of the transfer stands for
// all, and who signs in changes.
func cells() (all []*cell) {
	logins, jumps := []string{"user", "root"}, []string{beforeJump, behindJump}
	for s, step := range steps {
		tenth := step.says == "transfer" && step.name != "transfer 50%"
		for f, fault := range faults {
			if tenth && fault.once {
				continue
			}
			for n, login := range logins {
				for _, way := range []string{direct, jumps[(s+f+n)%2]} {
					all = append(all, &cell{fault: fault, step: step, login: login, way: way})
				}
			}
			if !tenth {
				all = append(all, &cell{fault: fault, step: step, login: logins[(s+f)%2], way: byProgram})
			}
		}
	}
	return all
}

func TestEveryFaultAtEveryStep(t *testing.T) {
	m := &matrix{
		jump: testhost.Start(t),
		one:  program(t, "one", 1<<10), two: solid(t, "two", 256<<10), big: solid(t, "two", matrixSize),
		tools: hangingTools(t, "df", "sync", "mv"),
		clock: newClock(t),
	}
	all := cells()
	turn := make(chan struct{}, matrixAtOnce)
	var running sync.WaitGroup
	for _, c := range all {
		turn <- struct{}{}
		running.Go(func() {
			defer func() { <-turn }()
			t.Run(c.name(), func(t *testing.T) { m.try(t, c) })
		})
	}
	running.Wait()
	m.print(t, all)
}

// solid writes an executable that says what and does not become smaller.
func solid(t testing.TB, what string, size int) string {
	t.Helper()
	path := program(t, what, 0)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	noise := make([]byte, size)
	rand.Read(noise)
	if _, err := file.Write(noise); err != nil {
		t.Fatal(err)
	}
	return path
}

// matrix is what its cells share.
type matrix struct {
	jump     *testhost.Host
	one, two string // the executables of the old and the new release
	big      string // the new one where the transfer is what matters
	tools    string
	clock    *clock
}

// host returns a host for c on which the old release is current.
func (m *matrix) host(t *testing.T, c *cell) site {
	t.Helper()
	options := []testhost.Option{having(t, m.one), testhost.WithEnv("PATH", m.tools+":/usr/bin:/bin")}
	if c.login == "root" {
		options = append(options, testhost.Root)
	}
	return site{testhost.Start(t, options...), t}
}

// attempt returns the install of c, on a new host.
func (m *matrix) attempt(t *testing.T, c *cell, limit time.Duration) *attempt {
	t.Helper()
	s := m.host(t, c)
	o := order{Binary: m.two, Name: "worker", Timeout: limit}
	if c.step.says == "transfer" {
		o.Binary = m.big
	}
	if !c.fault.lasts {
		o.Timeout += soon
	}
	a := &attempt{site: s, fault: c.fault, moment: c.step.moment}
	bad := testhost.Link{Latency: matrixLatency, Rate: matrixRate}
	switch c.way {
	case direct:
		a.link = testhost.NewLink(t, s.Addr, bad)
		a.order = o.to(s.Via(a.link.Addr()))
	case byProgram:
		a.link = testhost.NewLink(t, s.Addr, bad)
		a.order = o.by(t, s.Via(a.link.Addr()))
	case beforeJump:
		a.link = testhost.NewLink(t, m.jump.Addr, bad)
		a.order = o.through(t, m.jump.Via(a.link.Addr()), s.Host)
	case behindJump:
		a.link = testhost.NewLink(t, s.Addr, bad)
		a.order = o.through(t, m.jump, s.Via(a.link.Addr()))
	}
	return a
}

// try is a cell. A machine that is too busy to bring the install to its step in time is given more.
func (m *matrix) try(t *testing.T, c *cell) {
	place := strings.Join([]string{c.login, c.way, c.step.name, c.fault.name}, "\t")
	c.row = place + "\tFAILED"
	for limit := matrixLimit; ; limit *= 3 {
		a := m.attempt(t, c, limit)
		called := time.Now()
		_, err := a.run()
		returned := time.Now()
		if a.isStruck() && !(c.fault.kills && err != nil) {
			if said := m.look(t, c, a, err, called, returned); !t.Failed() {
				c.row = place + "\t" + said
			}
			return
		}
		if limit > 10*matrixLimit {
			t.Fatalf("it ended before the fault could strike: %v", err)
		}
	}
}

// look looks at what the install said and left, and whether the next one works. It returns what is
// printed of that.
func (m *matrix) look(t *testing.T, c *cell, a *attempt, err error, called, returned time.Time) string {
	t.Helper()
	over, late := max(0, returned.Sub(called.Add(a.Timeout))), m.clock.late(returned.Add(-3*time.Second))
	if allowed := 100*time.Millisecond + 2*matrixLatency + late; over > allowed && !c.fault.kills {
		t.Errorf("the caller had its answer %v after the limit, want at most %v", over, allowed)
	}
	if err != nil && !c.fault.kills {
		claims(t, err, a.spot())
	}
	due := a.due(returned)
	gone := max(0, a.gone(a.spot()).Sub(due))
	if allowed := time.Second + slack + m.clock.late(due); gone > allowed {
		t.Errorf("all was gone only after %v, want at most %v", gone, allowed)
	}
	m.judge(t, c, a, err, late > 10*time.Millisecond)
	row := fmt.Sprintf("%s\t%d ms\t%d ms\tnothing\t%s\t%s", outcome(c, err), over.Milliseconds(), gone.Milliseconds(), m.names(a), message(a, err))

	a.letGo()
	a.site.install(a.Binary)
	a.assertWhole(id(t, a.Binary))
	if kept := a.spot().partial(); len(kept) > 0 {
		t.Errorf("kept although the next install was good: %q", kept)
	}
	return row
}

// slack is how much longer than it may something can take on a machine that does much else.
const slack = 4 * time.Second

// due returns from when on nothing may remain on the host, but for a second.
func (a *attempt) due(returned time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.fault.lasts:
		return a.began.Add(a.Timeout)
	case a.fault.name == "stall":
		return returned
	}
	return a.when
}

// judge fails the test unless the install came to what its fault and its step promise.
// On a busy machine the answer may have come at the limit only, from one who knows no more than that.
func (m *matrix) judge(t *testing.T, c *cell, a *attempt, err error, busy bool) {
	t.Helper()
	current := c.step.current
	words := []string{a.Target}
	if !c.step.touched && !busy {
		words = append(words, "nothing was touched")
	}
	switch c.fault.name {
	case "cut", "reset":
		code := davit.ExitFailed
		if c.step.name == "connect" || c.step.name == "sign-in" && davit.ExitCode(err) != code {
			code = davit.ExitConnect
		}
		explained(t, err, code, words...)
	case "blackhole", "deadline":
		explained(t, err, davit.ExitDeadline, append(words, fmt.Sprintf("timed out after %.0f seconds (", a.Timeout.Seconds()))...)
	case "interrupt": // of which the host may not hear in time, and then it keeps what arrived
		explained(t, err, davit.ExitInterrupted, append(words, "interrupted")...)
		if c.step.says == "transfer" {
			current = slices.Concat(before, after) // all of it may have been on its way
		}
	default: // a stall that ends, and nobody who could be told
		if err != nil {
			t.Errorf("got %v", err)
		}
		switch {
		case !c.fault.kills:
			current = after
		case c.step.says == "transfer":
			current = slices.Concat(before, after) // all of it may have been on its way
		}
	}
	if err != nil && !busy && !c.step.named(err) {
		t.Errorf("it does not name the step %s: %v", c.step.says, err)
	}
	if got := m.names(a); !slices.Contains(current, got) {
		t.Errorf("the %s release is current, want the %v one", got, current)
	}
}

// names returns "old" or "new", by what is current, and fails the test if that is not whole.
func (m *matrix) names(a *attempt) string {
	a.t.Helper()
	current := a.spot().current(a.t)
	switch current {
	case id(a.t, m.one):
		return "old"
	case id(a.t, a.Binary):
		return "new"
	}
	a.t.Errorf("current is %q, which is neither release", current)
	return current
}

// claims fails the test unless what err says of the host is so.
func claims(t testing.TB, err error, p spot) {
	t.Helper()
	var e *davit.Error
	if !asError(err, &e) {
		t.Errorf("%v is not an *Error", err)
		return
	}
	if left := p.left(); strings.Contains(e.State, "nothing") && len(left) > 0 {
		t.Errorf("it says %q, and there is %q", e.State, left)
	}
	if kept := p.partial(); strings.Contains(e.State, "nothing is left") && len(kept) > 0 {
		t.Errorf("it says %q, and kept is %q", e.State, kept)
	}
	if _, release, ok := strings.Cut(e.State, "release is "); ok {
		if current := p.current(t); !strings.HasPrefix(release, current) {
			t.Errorf("it says %q, and current is %q", e.State, current)
		}
	}
}

// outcome returns what became of the client, in a word.
func outcome(c *cell, err error) string {
	if c.fault.kills {
		return "killed"
	}
	return fmt.Sprintf("exit %d", davit.ExitCode(err))
}

// message returns what the error says, without what is the same in every cell.
func message(a *attempt, err error) string {
	var e *davit.Error
	if !asError(err, &e) {
		return ""
	}
	text := strings.TrimPrefix(e.Error(), "install worker on "+a.Target+": ") + "; " + e.State
	return strings.ReplaceAll(text, a.Target, "HOST")
}

// print prints the rows, in the order of the matrix.
func (m *matrix) print(t *testing.T, all []*cell) {
	t.Logf("%d cells", len(all)) // so that what follows counts as said by this test
	slices.SortStableFunc(all, func(a, b *cell) int {
		return cmp.Or(cmp.Compare(b.login, a.login), cmp.Compare(len(a.way), len(b.way)))
	})
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "login\tway\tstep\tfault\toutcome\tover the limit\tgone after\tleft\tcurrent\tmessage")
	for _, c := range all {
		if c.row != "" {
			fmt.Fprintln(w, c.row)
		}
	}
	w.Flush()
	for line := range strings.Lines(table.String()) {
		fmt.Print("REPORT: " + line)
	}
}

// clock knows how late this machine wakes those who sleep.
type clock struct {
	mu    sync.Mutex
	delay []delay
}

type delay struct {
	at time.Time
	by time.Duration
}

// newClock starts a clock that runs until the test ends.
func newClock(t testing.TB) *clock {
	c := &clock{}
	go func() {
		for t.Context().Err() == nil {
			before := time.Now()
			time.Sleep(5 * time.Millisecond)
			if by := time.Since(before) - 6*time.Millisecond; by > 0 {
				c.mu.Lock()
				c.delay = append(c.delay, delay{before, by})
				c.mu.Unlock()
			}
		}
	}()
	return c
}

// late returns by how much sleepers were late since then, all together.
func (c *clock) late(since time.Time) (sum time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.delay {
		if d.at.After(since) {
			sum += d.by
		}
	}
	return sum
}
