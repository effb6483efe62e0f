package bench

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-sh/davit/internal/testhost"
)

// BenchmarkBuildsOfAFleet counts how often the compiler runs for ten hosts of two platforms that have the
// daemon already, built from source. They are two hosts, each under five names.
func BenchmarkBuildsOfAFleet(b *testing.B) {
	davit := davitCommand(b)
	dir := b.TempDir()
	runs := countedGo(b, dir)
	manifest := "daemons:\n  worker:\n    build: {go: {package: .}}\nhosts:\n"
	for i, h := range []*testhost.Host{testhost.Start(b), testhost.Start(b, testhost.WithMachine("aarch64"))} {
		ip, port, _ := net.SplitHostPort(h.Addr)
		config := fmt.Sprintf("Host m%d*\n HostName %s\n Port %s\n User %s\n IdentityFile %s\n UserKnownHostsFile %s\n IdentityAgent none\n",
			i, ip, port, h.User, h.IdentityFile, h.KnownHosts)
		appendTo(b, filepath.Join(dir, "config"), config)
		for n := range 5 {
			manifest += fmt.Sprintf("  m%d-%d:\n", i, n)
		}
	}
	for name, text := range map[string]string{
		"davit.yaml": manifest, "go.mod": "module example.com/worker\n\ngo 1.24\n", "main.go": "package main\n\nfunc main() { println(\"at work\") }\n",
	} {
		appendTo(b, filepath.Join(dir, name), text)
	}
	install := func(hosts ...string) func() error {
		return func() error {
			cmd := exec.Command(davit, append([]string{"install", "worker", "--ssh-config", "config"}, hosts...)...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "GOCACHE="+goCache(b))
			return finish(cmd)
		}
	}
	if err := install("m0-0", "m1-0")(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		before := runs()
		ways := []way{{"davit install, ten hosts", aim{}, install("--all")}, {"davit install, one host", aim{}, install("m0-0")}}
		times := inTurns(b, func() {}, ways...)
		each := float64(runs()-before)/float64(repetitions) - 1
		t := &table{title: "Ten hosts of two platforms, up to date, built from source"}
		t.row("", "time", "compiler runs", "aim", "")
		t.row("davit install worker, one host", short(median(times[1])), "1", "", "")
		t.row(append([]string{"davit install worker --all", short(median(times[0])), fmt.Sprintf("%.1f", each)}, atMost(2).verdict(each)...)...)
		t.print()
	}
	b.ReportMetric(0, "ns/op")
}

// countedGo puts a go command into dir/bin that notes each build, and returns what counts them.
func countedGo(b *testing.B, dir string) func() int {
	b.Helper()
	real, err := exec.LookPath("go")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		b.Fatal(err)
	}
	log := filepath.Join(dir, "runs")
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" != build ] || echo build >>'%s'\nexec '%s' \"$@\"\n", log, real)
	if err := os.WriteFile(filepath.Join(dir, "bin", "go"), []byte(script), 0o755); err != nil {
		b.Fatal(err)
	}
	return func() int {
		said, _ := os.ReadFile(log)
		return bytes.Count(said, []byte("\n"))
	}
}

// goCache returns the folder where the go command keeps what it has compiled.
func goCache(b *testing.B) string {
	b.Helper()
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func appendTo(b *testing.B, path, text string) {
	b.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		b.Fatal(err)
	}
}
