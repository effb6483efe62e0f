package davit_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/service"
)

// listening is a run that serves at the address, which is asked there.
func (l *life) listening(address string) *davit.Run {
	run := l.running()
	run.Spec = &service.Spec{Args: []string{"-listen", address}}
	run.Health = &health.Check{HTTP: "http://" + address + "/health", Timeout: 20 * time.Second}
	return run
}

// neighbour installs a daemon of another name, and returns its process.
func (l *life) neighbour(binary string, run *davit.Run) int {
	l.Helper()
	ctx, _ := told(l)
	return l.must(davit.Install(ctx, l, davit.InstallOptions{Binary: binary, Name: "neighbour", Scope: l.scope, Run: run})).PID
}

// taken fails the test unless err says that the port is, and that what was before is back.
func (l *life) taken(err error, words ...string) {
	l.Helper()
	explained(l, err, davit.ExitUnhealthy, words...)
	if !errors.Is(err, davit.ErrPortTaken) || !errors.Is(err, davit.ErrUnhealthy) {
		l.Errorf("%v is of another kind", err)
	}
	if hint := davit.Hint(err); !strings.HasPrefix(hint, "end that process, or have worker listen elsewhere") {
		l.Errorf("hint: %s", hint)
	}
}

func portOf(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func warned(rec *narrate.Recorder) (messages []string) {
	for _, e := range rec.Events() {
		if e.Action == "port_taken" {
			messages = append(messages, e.Message)
		}
	}
	return messages
}

func TestWhoHasTakenThePortIsSaid(t *testing.T) {
	t.Parallel()
	binary := hello(t, "one")
	eachKeeper(t, func(l *life) {
		address := freeAddress(l)
		pid := l.neighbour(binary, l.listening(address))
		who := fmt.Sprintf("port %s is taken by neighbour (pid %d)", portOf(l, address), pid)

		ctx, rec := told(l)
		_, err := davit.Install(ctx, l, davit.InstallOptions{Binary: binary, Name: "worker", Scope: l.scope, Run: l.listening(address)})
		// If the daemon has not fallen yet, it is the other that answers.
		one, other := "port "+portOf(l, address), fmt.Sprintf("neighbour (pid %d)", pid)
		l.taken(err, one, other, "not installed")
		if w := warned(rec); len(w) != 1 || w[0] != "P"+who[1:] {
			l.Errorf("before anything was touched it was said %q", w)
		}
		l.is(davit.StateAbsent, "")

		// One that runs elsewhere goes on.
		elsewhere := freeAddress(l)
		was := l.must(l.install(binary, l.listening(elsewhere)))
		_, err = l.install(binary, l.listening(address))
		l.taken(err, one, other, "runs again")
		l.is(davit.StateRunning, id(l, binary))
		ctx, rec = told(l)
		r := l.must(davit.Restart(ctx, l, davit.StartOptions{Target: l.target(), Run: *l.listening(elsewhere)}))
		if w := warned(rec); len(w) > 0 || r.PID == was.PID {
			l.Errorf("of its own port it was said %q: %+v", w, r)
		}
	})
}

func TestAnotherThatAnswersIsNotTheDaemon(t *testing.T) {
	t.Parallel()
	binary := hello(t, "one")
	eachKeeper(t, func(l *life) {
		address := freeAddress(l)
		pid := l.neighbour(binary, l.listening(address))
		run := l.running()
		run.Health = &health.Check{HTTP: "http://" + address + "/health"}
		who := fmt.Sprintf("it is not worker that answers at port %s, but neighbour (pid %d)", portOf(l, address), pid)
		_, err := l.install(sleeper(l, "one"), run)
		l.taken(err, who, "not installed")
		run.Health = &health.Check{TCP: address}
		_, err = l.install(sleeper(l, "one"), run)
		l.taken(err, who, "not installed")

		// What listens elsewhere may be asked by way of another, that stands before it.
		run = l.listening(freeAddress(l))
		run.Health.HTTP = "http://" + address + "/health"
		l.must(l.install(binary, run))
		l.is(davit.StateRunning, id(l, binary))
	})
}

func TestOfAnothersProcessItIsSaidWhoseItIs(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	seen := testhost.Start(t) // its 127.0.0.1 is ours
	l := &life{T: t, keeper: keepers[0], Host: dial(t, seen), seen: seen}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	address := server.Listener.Addr().String()
	_, err := l.install(hello(t, "one"), l.listening(address))
	l.taken(err, "port "+portOf(t, address)+" is taken by a process of root", "not installed")

	listeners := map[string]net.Listener{"127.0.0.1": server.Listener, "localhost": server.Listener}
	if six, err := net.Listen("tcp", "[::1]:0"); err == nil { // else this machine does not know IPv6
		defer six.Close()
		listeners["[::1]"] = six
	}
	for name, ln := range listeners {
		port := portOf(t, ln.Addr().String())
		run := l.running()
		run.Health = &health.Check{TCP: name + ":" + port}
		_, err = l.install(sleeper(l, "one"), run)
		l.taken(err, "it is not worker that answers at port "+port+", but a process of root", "not installed")
	}
	l.is(davit.StateAbsent, "")
}
