package target_test

import (
	"os"
	"os/exec"
	"reflect"
	"testing"

	"github.com/davit-sh/davit/host/internal/target"
	"github.com/davit-sh/davit/internal/testhost"
)

func TestJumpsAreWrittenAsTheProgramReadsThem(t *testing.T) {
	ssh := testhost.Need(t, "ssh")
	last := target.Target{User: "me", Name: "last"}
	for asked, want := range map[string]string{
		"none":                         "none",
		"NONE":                         "none",
		"a":                            "a",
		"me@a:022,b":                   "me@a:22,b",
		"ssh://me@a:22/,ssh://b":       "me@a:22,b",
		"me@example.org@a":             "me@example.org@a",
		"::1,me@[::1]:22,192.0.2.1":    "[::1],me@[::1]:22,192.0.2.1",
		"me@[fe80::1%eth0],fe80::1%lo": "me@[fe80::1%eth0],[fe80::1%lo]",
		"other@last,last":              "other@last,last",
	} {
		jumps, err := target.JumpsTo(last, asked)
		if err != nil || jumps.String() != want {
			t.Errorf("%q: got %q, %v, want %q", asked, jumps, err, want)
			continue
		}
		if again, err := target.JumpsTo(last, want); err != nil || !reflect.DeepEqual(again, jumps) {
			t.Errorf("%q, as %q, is %v, %v", asked, want, again, err)
		}
		for _, options := range [][]string{{"-J", want}, jumps.Args()} {
			args := append(append([]string{"-G", "-F", os.DevNull}, options...), "other-host")
			if out, err := exec.Command(ssh, args...).CombinedOutput(); err != nil {
				t.Errorf("%q: the ssh program says %s", asked, out)
			}
		}
	}
}
