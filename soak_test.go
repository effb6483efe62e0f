package davit_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
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

var (
	soakTime = flag.Duration("soak", 0, "how long TestSoak begins new rounds; if 0 it takes a few")
	soakSeed = flag.Uint64("seed", 0, "the only round of TestSoak, as a failed one named it")
)

const (
	soakAtOnce = 4 // rounds
	soakRounds = 4 // without -soak
	soakSize   = 3 << 20
	soakLimit  = 8 * time.Second
)

// TestSoak lets random faults meet installs on random hosts at random moments. A round that failed
// is repeated, as far as its timing can be, with its seed.
func TestSoak(t *testing.T) {
	s := &soak{
		jump: testhost.Start(t), one: solid(t, "one", 64<<10), two: solid(t, "two", soakSize), clock: newClock(t),
		counts: map[string]map[string]int{},
	}
	seeds := make(chan uint64)
	go s.sow(seeds)
	var all sync.WaitGroup
	for range soakAtOnce {
		all.Go(func() {
			for seed := range seeds {
				s.round(t, seed)
			}
		})
	}
	all.Wait()
	s.print(t)
}

type soak struct {
	jump     *testhost.Host
	one, two string // the executables of the old and the new release
	clock    *clock

	mu     sync.Mutex
	counts map[string]map[string]int // by fault and outcome
	failed []string
}

// sow gives out seeds until the time is over.
func (s *soak) sow(seeds chan<- uint64) {
	defer close(seeds)
	if *soakSeed != 0 {
		seeds <- *soakSeed
		return
	}
	for began, n := time.Now(), uint64(1); ; n++ {
		switch {
		case *soakTime == 0 && n <= soakRounds:
			seeds <- n
		case time.Since(began) < *soakTime:
			seeds <- rand.Uint64() >> 32
		default:
			return
		}
	}
}

// round is an install that a fault meets, and a good one after it.
func (s *soak) round(t *testing.T, seed uint64) {
	r := &round{soak: s, rand: rand.New(rand.NewPCG(seed, seed))}
	r.choose()
	outcome := "FAILED"
	if ok := t.Run(fmt.Sprintf("%d", seed), func(t *testing.T) { outcome = r.run(t) }); !ok {
		outcome = "FAILED"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[r.fault.name] == nil {
		s.counts[r.fault.name] = map[string]int{}
	}
	s.counts[r.fault.name][outcome]++
	if outcome == "FAILED" {
		s.failed = append(s.failed, fmt.Sprintf("-seed=%d: %v", seed, r))
	}
}

// print prints how often each fault had each outcome, and how to repeat what failed.
func (s *soak) print(t *testing.T) {
	t.Log("the count:") // so that what follows counts as said by this test
	outcomes := map[string]bool{}
	for _, of := range s.counts {
		for outcome := range of {
			outcomes[outcome] = true
		}
	}
	columns := slices.Sorted(maps.Keys(outcomes))
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "soak\t"+strings.Join(columns, "\t"))
	for _, name := range slices.Sorted(maps.Keys(s.counts)) {
		fmt.Fprint(w, name)
		for _, outcome := range columns {
			fmt.Fprintf(w, "\t%d", s.counts[name][outcome])
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	for line := range strings.Lines(table.String()) {
		fmt.Print("REPORT: " + line)
	}
	for _, line := range s.failed {
		fmt.Println("REPORT: soak failed: " + line)
	}
}

// round is what chance has chosen.
type round struct {
	*soak
	rand *rand.Rand

	login  string // user, root, sudo
	shell  string
	lacks  string // what the host has not
	way    string
	first  bool // nothing is installed yet
	link   testhost.Link
	fault  fault
	moment moment
}

func (r *round) String() string {
	first := "over a release"
	if r.first {
		first = "a first install"
	}
	return fmt.Sprintf("%s %s as %s with %s without %q, %s, %v, %s", r.fault.name, r.moment.name, r.login, r.shell, r.lacks, r.way, r.link, first)
}

func pick[T any](r *round, from ...T) T { return from[r.rand.IntN(len(from))] }

func (r *round) choose() {
	r.login, r.shell = pick(r, "user", "root", "sudo"), pick(r, "bash", "dash")
	r.lacks = pick(r, "", "flock", "zstd", "flock zstd gzip")
	if r.login == "root" {
		r.shell = "its shell"
	}
	if r.login == "sudo" {
		r.lacks = "" // root has a PATH of its own
	}
	r.way, r.first = pick(r, direct, direct, beforeJump, behindJump), pick(r, true, false)
	r.link = testhost.Link{Latency: pick[time.Duration](r, 0, 5, 25) * time.Millisecond, Rate: pick(r, 2, 4, 8) << 20}
	r.fault = pick(r, faults...)
	r.moment = r.when()
}

// when returns a moment: some time after the start, a part of the transfer, or a word that is told.
func (r *round) when() moment {
	after, bytes := time.Duration(r.rand.IntN(3000))*time.Millisecond, r.rand.Int64N(soakSize)
	word := pick(r, "connecting", "probe", "create_dir", "copying", "chmod", "verify", "activate")
	return pick(r,
		moment{name: "after " + after.String(), reached: func(a *attempt) bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return !a.began.IsZero() && time.Since(a.began) > after
		}},
		moment{name: fmt.Sprintf("after %d bytes", bytes), reached: func(a *attempt) bool { return a.arrived() > bytes }},
		moment{name: "at " + word, on: word},
	)
}

// host returns a host of the kind.
func (r *round) host(t *testing.T) site {
	t.Helper()
	var options []testhost.Option
	switch r.login {
	case "root":
		options = append(options, testhost.Root)
	case "sudo":
		testhost.NeedRoot(t)
		testhost.Need(t, "sudo")
		fallthrough
	default:
		options = append(options, testhost.WithShell(r.shell))
	}
	if r.lacks != "" {
		has := slices.DeleteFunc([]string{"sha256sum", "flock", "zstd", "gzip"}, func(tool string) bool { return strings.Contains(r.lacks, tool) })
		options = append(options, testhost.WithPath(append(has, testhost.BaseTools...)...))
	}
	s := site{testhost.Start(t, options...), t}
	if r.login == "sudo" {
		allow(t, s.Host, "NOPASSWD: ALL")
	}
	return s
}

// order returns the good order for the host, and where the daemon is then.
func (r *round) order(s site) (order, spot) {
	o, p := order{Binary: r.two, Name: "worker", Timeout: time.Minute}, s.spot()
	if r.login == "sudo" {
		o.Name, o.Scope, o.Dir = strings.ToLower(s.User)+"-worker", davit.System, s.Home+"/opt"
		p = spot{o.Dir + "/" + o.Name, "/usr/local/bin/" + o.Name}
		s.t.Cleanup(func() { os.Remove(p.link) })
	}
	return o.to(s.Host), p
}

// run returns the outcome.
func (r *round) run(t *testing.T) string {
	t.Log(r)
	s := r.host(t)
	good, p := r.order(s)
	may := []string{"", id(t, r.two)}
	if !r.first {
		r.succeed(t, good, r.one)
		may[0] = id(t, r.one)
	}
	a := r.attempt(t, s, good)
	_, err := a.run()
	returned := time.Now()
	struck := a.isStruck()
	r.check(t, a, p, err, struck, returned)
	if current := p.current(t); !slices.Contains(may, current) || err == nil && !a.fault.kills && current != may[1] {
		t.Errorf("current is %q, want one of %q", current, may)
	}
	r.succeed(t, good, r.two)
	if current := p.current(t); current != may[1] || len(p.partial()) > 0 {
		t.Errorf("after a good install current is %q, want %q; kept: %q", current, may[1], p.partial())
	}
	a.gone(p)
	switch {
	case !struck:
		return "before it"
	case a.fault.kills:
		return "killed"
	}
	return fmt.Sprintf("exit %d", davit.ExitCode(err))
}

// succeed fails the test unless a good install of the executable succeeds.
func (r *round) succeed(t *testing.T, o order, binary string) {
	t.Helper()
	o.Binary = binary
	ctx, _ := told(t)
	if _, err := o.carryOut(ctx); err != nil {
		t.Fatalf("a good install: %v", err)
	}
}

func (r *round) attempt(t *testing.T, s site, good order) *attempt {
	t.Helper()
	a := &attempt{site: s, fault: r.fault, moment: r.moment, order: good}
	if a.fault.lasts {
		a.Timeout = soakLimit
	}
	behind := s.Addr
	if r.way == beforeJump {
		behind = r.jump.Addr
	}
	a.link = testhost.NewLink(t, behind, r.link)
	switch r.way {
	case direct:
		a.order = a.order.to(s.Via(a.link.Addr()))
	case beforeJump:
		a.order = a.order.through(t, r.jump.Via(a.link.Addr()), s.Host)
	case behindJump:
		a.order = a.order.through(t, r.jump, s.Via(a.link.Addr()))
	}
	return a
}

// check checks what holds whatever happened.
func (r *round) check(t *testing.T, a *attempt, p spot, err error, struck bool, returned time.Time) {
	t.Helper()
	if a.fault.kills {
		if !struck && err == nil {
			t.Error("the client was killed by somebody else")
		}
	} else if err != nil {
		claims(t, err, p)
	}
	if over, late := returned.Sub(a.began.Add(a.Timeout)), r.clock.late(a.began); !a.fault.kills && over > time.Second+late {
		t.Errorf("the answer came %v after the limit", over)
	}
	due := a.due(returned)
	if !struck || due.IsZero() {
		due = returned
	}
	gone := a.gone(p).Sub(due)
	if allowed := time.Second + slack + r.clock.late(due); gone > allowed {
		t.Errorf("all was gone only after %v, want at most %v", gone, allowed)
	}
}
