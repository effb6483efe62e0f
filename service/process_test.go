package service

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateProcess = flag.Bool("update-process", false, "write the golden file of the plain process anew")

var (
	user   = Place{Name: "worker", User: "me", Home: "/home/me", Base: "/home/me/.local/share/davit/worker"}
	system = Place{Name: "worker", System: true, User: "me", Home: "/home/me", Base: "/opt/it's here/worker"}
)

func TestThePlainProcessIsPinned(t *testing.T) {
	t.Parallel()
	d, err := Define(Process, Spec{
		Args: []string{"it's", "", "two  words", "über\nlinie", "$HOME"}, Env: []string{"A=it's"}, Secrets: []string{"KEY=s3 cret"},
		User: "nobody", WorkingDir: "~/data", Restart: Always,
		Limits: map[string]string{"nofile": "65536", "core": "1G", "nproc": "64:infinity", "as": "1025"},
	}, system)
	if err != nil {
		t.Fatal(err)
	}
	got := string(d.Unit) + "--- env\n" + string(d.Env)
	const golden = "testdata/process.golden"
	if *updateProcess {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("what the host is given has changed; if that is meant, run go test ./service -update-process\n%s", diff)
	}
	if !strings.HasPrefix(got, "# "+Mark("worker")+"\n") {
		t.Error("it does not begin with the mark")
	}
	if strings.Contains(string(d.Unit), "s3 cret") {
		t.Error("a secret stands in the description")
	}
}

func TestAPlainProcessRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why   string
		spec  Spec
		place Place
	}{
		{"system's scope", Spec{User: "nobody"}, user},
		{"no name of a user", Spec{User: "a;b"}, system},
		{"after network", Spec{After: []string{"network"}}, user},
		{"hardening ProtectHome", Spec{Hardening: map[string]string{"ProtectHome": "yes"}}, user},
		{"line", Spec{Lines: []string{"Nice=5"}}, user},
		{"variable UID", Spec{Env: []string{"UID=5"}}, user},
		{"variable IFS", Spec{Secrets: []string{"IFS=5"}}, user},
		{"limit nice", Spec{Limits: map[string]string{"nice": "5"}}, user},
		{"limit nofile", Spec{Limits: map[string]string{"nofile": "many"}}, user},
		{"limit nofile", Spec{Limits: map[string]string{"nofile": "5K"}}, user},
		{"limit as", Spec{Limits: map[string]string{"as": "9999999T"}}, user},
		{"limit as", Spec{Limits: map[string]string{"as": "9223372036854775807"}}, user},
		{"limit core", Spec{Limits: map[string]string{"core": "-1"}}, user},
	} {
		if _, err := Define(Process, c.spec, c.place); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%+v: %v, want %s", c.spec, err, c.why)
		}
	}
	if _, err := Define(Process, Spec{Hardening: map[string]string{"ProtectHome": ""}}, user); err != nil {
		t.Errorf("hardening that is left out: %v", err)
	}
}
