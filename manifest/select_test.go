package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/spelling"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/build"
)

const fleet = `
daemons:
  worker:
    timeouts: {install: 90s}
    build: {env: {B: 2, A: 1}, command: make, output: "bin/{arch}"}
  game:
    build: {dir: ../game, go: {package: ./cmd/game}}
hosts:
  gpu-2: {labels: {rack: a, gpu: 4090}}
  gpu-1: {labels: {rack: b}}
  gate: {labels: {rack: a, empty: ""}}
  plain:
`

func hostNames(hosts []Host) string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.Name)
	}
	return strings.Join(all, " ")
}

func TestSelect(t *testing.T) {
	t.Parallel()
	m := parsed(t, fleet)
	for _, c := range []struct {
		words, want string
		all         bool
	}{
		{"", "", false},
		{"", "gpu-2 gpu-1 gate plain", true},
		{"plain", "gpu-2 gpu-1 gate plain", true},
		{"plain gpu-1 plain", "gpu-1 plain", false},
		{"@rack=a", "gpu-2 gate", false},
		{"@rack", "gpu-2 gpu-1 gate", false},
		{"@rack=a gpu-2 @gpu=4090 plain", "gpu-2 gate plain", false},
		{"@empty=", "gate", false},
	} {
		hosts, err := m.Select(strings.Fields(c.words), c.all)
		if got := hostNames(hosts); err != nil || got != c.want {
			t.Errorf("%q, %v: %q, %v; want %q", c.words, c.all, got, err, c.want)
		}
	}
}

func TestSelectSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	m := parsed(t, fleet)
	for _, c := range []struct {
		word string
		kind error
		want string
	}{
		{"gpu-3", ErrUnknownHost, `unknown host "gpu-3"; did you mean gpu-2? the hosts are gpu-2, gpu-1, gate, plain`},
		{"me@elsewhere", ErrUnknownHost, `unknown host "me@elsewhere"; the hosts are gpu-2, gpu-1, gate, plain`},
		{"", ErrUnknownHost, `unknown host ""; the hosts are gpu-2, gpu-1, gate, plain`},
		{"@zone=x", ErrUnknownLabel, `unknown label "zone"; the labels are empty, gpu, rack`},
		{"@rack=c", ErrUnknownLabel, `unknown label "rack=c"; did you mean rack=a? there are rack=a, rack=b`},
		{"@", ErrUnknownLabel, `unknown label ""; the labels are empty, gpu, rack`},
	} {
		hosts, err := m.Select([]string{"plain", c.word}, true)
		if hosts != nil || !errors.Is(err, c.kind) || err.Error() != c.want || davit.ExitCode(err) != davit.ExitUsage {
			t.Errorf("%q: %v, want %s", c.word, err, c.want)
		}
	}
	_, err := parsed(t, "daemons: {}").Select([]string{"gpu-1"}, false)
	if want := `unknown host "gpu-1"; the manifest has no hosts`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = m.Daemon("wroker")
	if want := `unknown daemon "wroker"; did you mean worker? the daemons are worker, game`; !errors.Is(err, ErrUnknownDaemon) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestRecipe(t *testing.T) {
	t.Parallel()
	m := parsed(t, fleet)
	worker, game := m.Daemons()[0], m.Daemons()[1]
	for _, c := range []struct{ got, want build.Recipe }{
		{worker.Recipe(), build.Recipe{
			Name: "worker", Dir: "/src", Env: []string{"A=1", "B=2"}, Command: &build.Command{Run: "make", Output: "bin/{arch}"},
		}},
		{game.Recipe(), build.Recipe{Name: "game", Dir: "/game", Go: &build.Go{Package: "./cmd/game"}}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Error(diff)
		}
	}
	if worker.Timeouts != (Timeouts{Install: 90 * time.Second}) {
		t.Errorf("%+v", worker.Timeouts)
	}
}

func TestDefaultsAreWhatADaemonDoesNotSay(t *testing.T) {
	t.Parallel()
	m := parsed(t, `
defaults:
  daemon:
    hosts: [gpu-1]
    args: [a, b]
    env: {A: 1, B: 1}
    secrets: {S: {file: s}}
    build: {env: {X: 1}, go: {tags: [x], cgo: true}}
    health: {http: "http://a", status: 204, interval: 5s}
    service: {kind: systemd, limits: {nofile: 1, core: 0}, lines: [x]}
    timeouts: {install: 1m, stop: 1s}
    scope: system
daemons:
  inherits:
  says:
    hosts: []
    args: [c]
    env: {B: 2, C: 2}
    secrets: {S: {command: c}}
    build: {command: make}
    health: {tcp: "a:1"}
    service: {user: me, limits: {nofile: 2}, lines: }
    timeouts: {stop: 2s}
    scope: user
  tunes:
    build: {go: {}}
    health: {status: 200}
hosts:
  gpu-1:
`)
	inherits, says, tunes := m.Daemons()[0], m.Daemons()[1], m.Daemons()[2]
	check := func(what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Secret{})); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	check("hosts", [][]string{inherits.Hosts, says.Hosts}, [][]string{{"gpu-1"}, {}})
	check("args", [][]string{inherits.Args, says.Args}, [][]string{{"a", "b"}, {"c"}})
	check("env", says.Env, map[string]string{"A": "1", "B": "2", "C": "2"})
	check("env of another", inherits.Env, map[string]string{"A": "1", "B": "1"})
	check("secrets", says.Secrets, map[string]Secret{"S": {Command: "c", name: "S", dir: "/src"}})
	check("build", says.Build, Build{Dir: "/src", Env: map[string]string{"X": "1"}, Command: "make"})
	check("go", tunes.Build.Go, &build.Go{})
	check("health", inherits.Health, &Health{HTTP: "http://a", Status: 204, Interval: 5 * time.Second})
	check("another health", says.Health, &Health{TCP: "a:1", Interval: 5 * time.Second})
	check("a health that is tuned", tunes.Health, &Health{HTTP: "http://a", Status: 200, Interval: 5 * time.Second})
	check("service", says.Service, Service{Kind: "systemd", User: "me", Limits: map[string]string{"nofile": "2", "core": "0"}, Lines: []string{}})
	check("timeouts", says.Timeouts, Timeouts{Install: time.Minute, Stop: 2 * time.Second})
	check("scope", []davit.Scope{inherits.Scope, says.Scope}, []davit.Scope{davit.System, davit.User})
}

// What the defaults say of health is no health check by itself.
func TestDefaultsOfHealthAskForNone(t *testing.T) {
	t.Parallel()
	m := parsed(t, "defaults: {daemon: {health: {timeout: 3s}}}\ndaemons:\n  a:\n  b: {health: {tcp: \"a:1\"}}\n")
	if a, b := m.Daemons()[0], m.Daemons()[1]; a.Health != nil || b.Health.Timeout != 3*time.Second {
		t.Errorf("%+v, %+v", a.Health, b.Health)
	}
}

func TestJumps(t *testing.T) {
	t.Parallel()
	m := parsed(t, `
defaults:
  host: {jump: inner, identity: keys/all}
hosts:
  inner: {address: i@10.0.0.1, jump: outer, identity: keys/inner}
  outer: {address: "o@example.org:2222"}
  gpu-1: {identity: /keys/gpu-1}
  gpu-2: {jump: "root@x , inner"}
  gpu-3: {jump: "inner,root@[::1]:22"}
  alone: {jump: none}
  too: {jump: ""}
  here: {address: local}
`)
	want := map[string][2]string{
		"inner": {"o@example.org:2222", "/src/keys/inner /src/keys/all"},
		"outer": {"", "/src/keys/all"},
		"gpu-1": {"o@example.org:2222 i@10.0.0.1", "/keys/gpu-1 /src/keys/all /src/keys/inner"},
		"gpu-2": {"root@x i@10.0.0.1", "/src/keys/all /src/keys/inner"},
		"gpu-3": {"o@example.org:2222 i@10.0.0.1 root@[::1]:22", "/src/keys/all /src/keys/inner"},
		"alone": {"none", "/src/keys/all"},
		"too":   {"", "/src/keys/all"},
		"here":  {"", ""},
	}
	for _, h := range m.Hosts() {
		if got := [2]string{strings.Join(h.Jump, " "), strings.Join(h.Identities, " ")}; got != want[h.Name] {
			t.Errorf("%s: %q, want %q", h.Name, got, want[h.Name])
		}
	}
}

func TestFindLooksUpwards(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	deep := filepath.Join(top, "a", "b")
	if err := os.MkdirAll(filepath.Join(deep, FileName), 0o755); err != nil { // a directory is no manifest
		t.Fatal(err)
	}
	if path, err := Find(deep); !errors.Is(err, ErrNotFound) {
		t.Errorf("%s, %v", path, err)
	}
	want := filepath.Join(top, FileName)
	if err := os.WriteFile(want, []byte("daemons: {hello: }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{deep, top} {
		if path, err := Find(dir); err != nil || path != want {
			t.Errorf("%s, %v; want %s", path, err, want)
		}
	}
	m, err := Load(want)
	if err != nil || m.Path != want || m.Daemons()[0].Build.Dir != top {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestLoad(t *testing.T) {
	t.Setenv("DAVIT_TEST_RELEASES", "9")
	path := filepath.Join(t.TempDir(), "other.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("daemons: {a: {releases: '${DAVIT_TEST_RELEASES}'}}")
	if m, err := Load(path); err != nil || m.Daemons()[0].Releases != 9 {
		t.Errorf("%+v, %v", m, err)
	}
	write(strings.Repeat("#", MaxSize) + "\n")
	if _, err := Load(path); err == nil || !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), "more than 1 MiB") {
		t.Error(err)
	}
	if _, err := Load(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Load(filepath.Dir(path)); err == nil || errors.Is(err, ErrManifest) {
		t.Error(err)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"health", "hosts", "service", "secrets"}
	for name, want := range map[string]string{
		"helth": "health", "Health": "health", "host": "hosts", "hsots": "hosts", "servcie": "service", "secret": "secrets",
		"x": "", "build": "", strings.Repeat("health", 50): "",
	} {
		if got := spelling.Nearest(name, names); got != want {
			t.Errorf("%.20s: %q, want %q", name, got, want)
		}
	}
	if spelling.Nearest("x", nil) != "" || !slices.Equal(names, []string{"health", "hosts", "service", "secrets"}) {
		t.Error(names)
	}
}
