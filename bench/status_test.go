package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/service"
)

// BenchmarkFleetStatus compares a look at a daemon that runs on each of a hundred hosts with an Ansible that
// prints one file of each, in the least that it can do: it asks for no facts, looks for no interpreter, copies
// nothing there, and leaves no connection open.
func BenchmarkFleetStatus(b *testing.B) {
	const size, atOnce = 100, "50"
	if !installed("ansible") {
		b.Skip("SKIPPED, NOT MEASURED: ansible is not installed")
	}
	f := startFleet(b, size)
	f.install(b)
	look := append([]string{davitCommand(b), "status", "worker", "--parallel", atOnce, "--ssh-config", f.config}, f.names...)
	module := func(of string) []string {
		return []string{"ansible", "all", "-i", f.inventory, "-f", atOnce, "-m", of, "-a", "cat .local/share/davit/worker/service/run/daemon"}
	}
	var ours, theirs []time.Duration // of processor time, children's too
	ways := []way{
		{"davit status", aim{}, func() error { return f.say(look, "running", &ours) }},
		{"ansible -f 50 -m command", atMost(0.25), func() error { return f.say(module("command"), "CHANGED", &theirs) }},
		{"ansible -f 50 -m raw", aim{}, func() error { return f.say(module("raw"), "CHANGED", new([]time.Duration)) }},
	}
	for b.Loop() {
		times := inTurns(b, func() {}, ways...)
		t := ratios(fmt.Sprintf("Status of a daemon on %d hosts, loopback", size), ways, times)
		t.row("davit status, processor time", short(median(ours)), "", "", "")
		t.row("ansible -m command, processor time", short(median(theirs)), fmt.Sprintf("%.2f ×", median(ours).Seconds()/median(theirs).Seconds()), "", "")
		t.print()
		b.ReportMetric(median(times[0]).Seconds()/median(times[1]).Seconds(), "×ansible")
	}
	b.ReportMetric(0, "ns/op")
}

// hosts are many of them, each with a server, an account and a home of its own, and how everybody reaches them.
type hosts struct {
	names             []string
	dir               string // of what the ways need on this side
	config, inventory string // paths
}

func startFleet(b *testing.B, size int) *hosts {
	b.Helper()
	dir, err := os.MkdirTemp("/tmp", "dv")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	f := &hosts{dir: dir, config: filepath.Join(dir, "config"), inventory: filepath.Join(dir, "inventory")}
	config := ""
	for i := range size {
		name := fmt.Sprintf("host%03d", i)
		config += testhost.Start(b, onCurve25519, ownCrontabs).Block(name, "BatchMode yes", "IdentitiesOnly yes", "LogLevel ERROR")
		f.names = append(f.names, name)
	}
	for path, text := range map[string]string{f.config: config, f.inventory: strings.Join(f.names, "\n") + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return f
}

// install has a daemon run on each of the hosts, as a plain process, for they have no init system.
func (f *hosts) install(b *testing.B) {
	b.Helper()
	binary := sleeper(b)
	var all []host.Host
	for _, name := range f.names {
		h, err := ssh.New(name, ssh.Options{ConfigFile: f.config})
		if err != nil {
			b.Fatal(err)
		}
		defer h.Close()
		all = append(all, h)
	}
	ctx := narrate.WithNarrator(context.Background(), narrate.New())
	results := fleet.Run(ctx, all, fleet.Options{Parallel: 8}, func(ctx context.Context, h host.Host) (davit.Receipt, error) {
		return davit.Install(ctx, h, davit.InstallOptions{Binary: binary, Name: "worker", Run: plainly()})
	})
	if err := fleet.Err(results); err != nil {
		b.Fatal(err)
	}
}

// say runs a command that is to say word of each of the hosts, and notes the processor time of it and all its
// children.
func (f *hosts) say(command []string, word string, times *[]time.Duration) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = f.dir
	cmd.Env = append(os.Environ(), "HOME="+f.dir, "ANSIBLE_PIPELINING=True", "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3",
		"ANSIBLE_SSH_ARGS=-F "+f.config+" -o ControlMaster=no")
	out, err := cmd.CombinedOutput()
	if n := bytes.Count(out, []byte(word)); err != nil || n != len(f.names) {
		return fmt.Errorf("%v, %d times %q of %d: … %s", err, n, word, len(f.names), out[max(0, len(out)-500):])
	}
	*times = append(*times, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	return nil
}

// sleeper writes a daemon that only runs, and hears signals soon.
func sleeper(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "worker")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec sleep 100000\n"), 0o755); err != nil {
		b.Fatal(err)
	}
	return path
}

// plainly runs a daemon where there is no init system, and takes it for good as soon as it runs.
func plainly() *davit.Run {
	return &davit.Run{Kind: service.Process, Spec: &service.Spec{}, Settle: time.Millisecond}
}
