package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
	"github.com/rogpeppe/go-internal/testscript"
)

// hasty keeps the race detector from holding up the end of each process for a second.
const hasty = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", hasty)
	testscript.Main(m, map[string]func(){"davit": main})
}

// TestStories runs the stories in testdata with the real command. A story that names $HOST1 or
// $HOST2 has that host, an sshd of its own, and can reach it by that alias of $SSH_CONFIG.
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			story, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			hosts := map[string]*testhost.Host{}
			for _, name := range []string{"HOST1", "HOST2"} {
				if bytes.Contains(story, []byte("$"+name)) {
					hosts[name] = testhost.Start(t)
				}
			}
			testscript.Run(t, testscript.Params{
				Files: []string{file}, RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error { return setUp(env, hosts) },
				Cmds:  map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "events": events, "follows": follows},
			})
		})
	}
}

// setUp tells a story of its hosts, and of an address where nobody listens.
func setUp(env *testscript.Env, hosts map[string]*testhost.Host) error {
	var config strings.Builder
	for name, h := range hosts {
		ip, port, _ := net.SplitHostPort(h.Addr)
		fmt.Fprintf(&config, "Host %s\n HostName %s\n Port %s\n User %s\n IdentityFile %s\n UserKnownHostsFile %s\n",
			strings.ToLower(name), ip, port, h.User, h.IdentityFile, h.KnownHosts)
		env.Setenv(name, strings.ToLower(name))
		env.Setenv(name+"_HOME", h.Home)
		env.Setenv(name+"_TARGET", h.Target())
		env.Setenv(name+"_KEY", h.IdentityFile)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("NOBODY", "me@"+ln.Addr().String())
	if err := ln.Close(); err != nil {
		return err
	}
	config.WriteString("Host *\n IdentitiesOnly yes\n IdentityAgent none\n GlobalKnownHostsFile none\n UserKnownHostsFile " + env.WorkDir + "/known_hosts\n")
	path := filepath.Join(env.WorkDir, "ssh_config")
	env.Setenv("SSH_CONFIG", path)
	env.Setenv("LANG", "C.UTF-8")
	env.Setenv("GORACE", hasty)
	if err := tools(env); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(config.String()), 0o600)
}

// tools lets a story compile: with the caches of whoever runs the tests, but for Davit's own.
func tools(env *testscript.Env) error {
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	var values map[string]string
	if err := json.Unmarshal(out, &values); err != nil {
		return err
	}
	for name, value := range values {
		env.Setenv(name, value)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	env.Setenv("CARGO_HOME", cmp.Or(os.Getenv("CARGO_HOME"), filepath.Join(home, ".cargo")))
	env.Setenv("RUSTUP_HOME", cmp.Or(os.Getenv("RUSTUP_HOME"), filepath.Join(home, ".rustup")))
	env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
	return nil
}

// exits runs a program that must end with an exit code: exits 7 davit install …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [argument...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// events checks that stdout carries events and nothing else, numbered without a gap, the last
// being an end with the state: events succeeded
func events(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: events STATE")
	}
	var last narrate.Event
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		var e narrate.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			ts.Fatalf("not an event: %q: %v", line, err)
		}
		if e.Seq != last.Seq+1 || last.Kind == narrate.End {
			ts.Fatalf("event %d, a %s, follows %d, a %s", e.Seq, e.Kind, last.Seq, last.Kind)
		}
		last = e
	}
	if last.Kind != narrate.End || last.Attrs["state"] != args[0] {
		ts.Fatalf("the last event is a %s with the state %v", last.Kind, last.Attrs["state"])
	}
}

// follows runs a program that goes on until it is interrupted, which it is when so many of its lines have matched,
// and which must end with an exit code then: follows 0 3 'at work' davit logs -f …
func follows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: follows CODE LINES PATTERN program [argument...]")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	left, err := strconv.Atoi(args[1])
	ts.Check(err)
	pattern, err := regexp.Compile(args[2])
	ts.Check(err)
	path, err := lookPath(ts, args[3])
	ts.Check(err)
	cmd := exec.Command(path, args[4:]...)
	cmd.Dir, cmd.Env, cmd.Stderr = ts.MkAbs("."), environment(ts), ts.Stderr()
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer late.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(ts.Stdout(), lines.Text())
		if !pattern.MatchString(lines.Text()) {
			continue
		}
		if left--; left == 0 {
			cmd.Process.Signal(os.Interrupt)
		}
	}
	cmd.Wait()
	if left > 0 || cmd.ProcessState.ExitCode() != code {
		ts.Fatalf("%v, and %d more lines with %q were wanted", cmd.ProcessState, max(left, 0), args[2])
	}
}

// environment is that of a story, as far as programs of ours want it.
func environment(ts *testscript.TestScript) []string {
	var all []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "GORACE"} {
		all = append(all, name+"="+ts.Getenv(name))
	}
	return all
}

// lookPath finds a program where a story does.
func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s", name)
}
