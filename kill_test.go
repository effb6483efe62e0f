package davit_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// victimEnv makes a client of the test binary, which is to be killed: it has the order, as JSON.
const victimEnv = "DAVIT_VICTIM"

// victimSays begins each line that a victim tells.
const victimSays = "victim: "

// victim is a client that is a process of its own.
type victim struct {
	cmd    *exec.Cmd
	stdout io.Reader
}

// lastWill is what a victim is told.
type lastWill struct {
	order
	// Linger is an action after which the victim does nothing more for a moment.
	Linger string
}

// newVictim starts a victim. Its first words wait until it is run.
func newVictim(t testing.TB, o order, linger string) *victim {
	t.Helper()
	will, err := json.Marshal(lastWill{o, linger})
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{cmd: exec.Command(os.Args[0], "-test.run=^TestVictim$")}
	v.cmd.Env = append(os.Environ(), victimEnv+"="+string(will))
	if v.stdout, err = v.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.kill)
	return v
}

func (v *victim) kill() { v.cmd.Process.Kill() }

// run tells hear what the victim tells until it has ended, and returns why it was not killed.
func (v *victim) run(hear func(action string)) error {
	var last string
	for in := bufio.NewScanner(v.stdout); in.Scan(); {
		if action, ok := strings.CutPrefix(in.Text(), victimSays); ok {
			hear(action)
		} else if in.Text() != "" {
			last += in.Text() + "; "
		}
	}
	var exit *exec.ExitError
	if err := v.cmd.Wait(); errors.As(err, &exit) && exit.ExitCode() < 0 {
		return nil
	}
	return fmt.Errorf("it was not killed: %s", last)
}

// killAt runs an install in a process of its own and kills it when it tells the action; "progress" is
// told when some of the bytes have arrived.
func killAt(t testing.TB, h *testhost.Host, action, binary, scope, dir string) {
	t.Helper()
	o := order{Binary: binary, Name: "worker", Scope: davit.Scope(scope), Dir: dir}
	v := newVictim(t, o.to(h), action)
	if err := v.run(func(told string) {
		if told == action {
			v.kill()
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// TestVictim is no test by itself.
func TestVictim(t *testing.T) {
	var will lastWill
	if err := json.Unmarshal([]byte(os.Getenv(victimEnv)), &will); err != nil {
		t.Skip("only run by tests that kill it")
	}
	ctx := narrate.WithNarrator(context.Background(), narrate.New(narrate.SinkFunc(func(e narrate.Event) error {
		action := e.Action
		if e.Kind == narrate.Progress && e.Attrs["done"] != int64(0) {
			action = "progress"
		}
		_, err := fmt.Println(victimSays + action)
		if action != "" && action == will.Linger {
			time.Sleep(200 * time.Millisecond)
		}
		return err
	})))
	_, err := will.carryOut(ctx)
	t.Fatal(err)
}

func TestAKilledClientLeavesNothingOfRootsEither(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	testhost.Need(t, "sudo")
	s := site{testhost.Start(t, testhost.Ordinary), t}
	allow(t, s.Host, "NOPASSWD: ALL")
	link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 8 << 20})
	killAt(t, s.Via(link.Addr()), "progress", program(t, "two", 4<<20), "system", s.Home+"/opt")
	s.assertQuiet()
	left, _ := filepath.Glob(s.Home + "/opt/worker/*")
	if kept := s.Home + "/opt/worker/partial"; len(left) > 0 && !slices.Equal(left, []string{kept}) {
		t.Errorf("left behind: %v", left)
	}
}
