package davit_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// victimEnv makes a client of the test binary, which is to be killed: target, identity,
// known_hosts, executable, scope and directory, by lines.
const victimEnv = "DAVIT_VICTIM"

// TestVictim is no test by itself.
func TestVictim(t *testing.T) {
	args := strings.Split(os.Getenv(victimEnv), "\n")
	if len(args) != 6 {
		t.Skip("only run by TestAKilledClientLeavesNothing")
	}
	conn, err := ssh.New(args[0], ssh.Options{ConfigFile: os.DevNull, Identities: args[1:2], KnownHostsFiles: args[2:3]})
	if err != nil {
		t.Fatal(err)
	}
	ctx := narrate.WithNarrator(context.Background(), narrate.New(narrate.SinkFunc(func(e narrate.Event) error {
		_, err := fmt.Println("victim", e.Action, e.Attrs["done"])
		return err
	})))
	_, err = davit.Install(ctx, conn, davit.InstallOptions{
		Binary: args[3], Name: "worker", Scope: davit.Scope(args[4]), Dir: args[5],
	})
	t.Fatalf("it was not killed: %v", err)
}

func TestAKilledClientLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]testhost.Option{"ordinary": testhost.Ordinary, "root": testhost.Root} {
		for _, at := range []string{"probe", "progress", "chmod"} {
			t.Run(name+" at "+at, func(t *testing.T) {
				t.Parallel()
				s := site{testhost.Start(t, login), t}
				one, two := program(t, "one", 1<<10), program(t, "two", 4<<20)
				s.install(one)
				link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 8 << 20})
				killAt(t, s.Via(link.Addr()), at, two, "user", "")
				releases := []string{id(t, one)}
				if at == "chmod" { // all of it had arrived
					releases = append(releases, id(t, two))
				}
				s.assertWhole(releases...)
				s.install(two)
				s.assertWhole(id(t, two))
			})
		}
	}
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
	if left, _ := filepath.Glob(s.Home + "/opt/worker/*"); !slices.Equal(left, []string{s.Home + "/opt/worker/partial"}) {
		t.Errorf("left behind: %v", left)
	}
}

// killAt starts an install in a process of its own and kills it when it tells the action.
func killAt(t *testing.T, h *testhost.Host, action, binary, scope, dir string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victimEnv+"="+strings.Join([]string{h.Target(), h.IdentityFile, h.KnownHosts, binary, scope, dir}, "\n"))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := false
	for in := bufio.NewScanner(stdout); !found && in.Scan(); {
		found = strings.HasPrefix(in.Text(), "victim "+action+" ") && !strings.HasSuffix(in.Text(), " 0")
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !found {
		t.Fatalf("the victim did not get as far as %s", action)
	}
}
