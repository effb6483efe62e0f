package testhost_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"syscall"
	"testing"

	"github.com/davit-sh/davit/internal/testhost"
)

// victim makes the test binary run TestVictim, which is to be killed.
const victim = "DAVIT_TESTHOST_VICTIM"

// remains is what a killed test must not leave behind.
type remains struct {
	User, Home string
	PIDs       []int
}

// TestVictim is no test by itself: it starts a host and waits for the end.
func TestVictim(t *testing.T) {
	if os.Getenv(victim) == "" {
		t.Skip("only run by TestNothingOutlivesAKilledTest")
	}
	if os.Getenv(victim) == "wan" {
		endInAWAN(t)
	}
	kind := []testhost.Option{}
	if os.Getuid() == 0 {
		kind = append(kind, testhost.HomeOnTmpfs("size=1m"))
	}
	h := testhost.Start(t, kind...)
	dial(t, h)
	h.Run(daemonize)
	r := remains{User: h.User, Home: h.Home}
	for _, p := range h.Processes("") {
		r.PIDs = append(r.PIDs, p.PID, p.PPID)
	}
	line, _ := json.Marshal(r)
	fmt.Printf("\n%s\n", line)
	select {}
}

func TestNothingOutlivesAKilledTest(t *testing.T) {
	t.Parallel()
	testhost.Need(t, "sshd")
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victim+"=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := remains{}
	for in := bufio.NewScanner(stdout); r.Home == "" && in.Scan(); {
		if strings.HasPrefix(in.Text(), "{") {
			err = json.Unmarshal(in.Bytes(), &r)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if err != nil || len(r.PIDs) == 0 {
		t.Fatalf("the victim did not get far: %+v, %v", r, err)
	}
	testhost.Eventually(t, fmt.Sprintf("nothing is left of %+v", r), r.gone)
}

func (r remains) gone() bool {
	for _, pid := range r.PIDs {
		if syscall.Kill(pid, 0) == nil {
			return false
		}
	}
	_, home := os.Stat(r.Home)
	_, account := user.Lookup(r.User)
	return errors.Is(home, os.ErrNotExist) && (account != nil || os.Getuid() != 0)
}
