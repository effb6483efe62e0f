package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
)

// davitOn starts an install on h with the real command. It is killed with the test.
func davitOn(t *testing.T, h *testhost.Host, args ...string) *exec.Cmd {
	t.Helper()
	// Whoever runs the tests may ignore SIGHUP, but what a Go program catches its children do not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	cmd := exec.Command("davit", append([]string{"install", "--ssh-config", configOf(t, h), bulky(t), "far"}, args...)...)
	t.Cleanup(func() {
		if cmd.ProcessState == nil && cmd.Process != nil {
			cmd.Process.Kill()
		}
	})
	return cmd
}

// configOf returns the path of an ssh_config in which the host is "far".
func configOf(t *testing.T, h *testhost.Host) string {
	t.Helper()
	ip, port, _ := net.SplitHostPort(h.Addr)
	path := filepath.Join(t.TempDir(), "ssh_config")
	lines := []string{
		"Host far", "HostName " + ip, "Port " + port, "User " + h.User, "IdentityFile " + h.IdentityFile,
		"IdentitiesOnly yes", "IdentityAgent none", "UserKnownHostsFile " + h.KnownHosts, "",
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// bulky returns the path of an executable of 4 MiB that nothing makes smaller.
func bulky(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bulky")
	noise := make([]byte, 4<<20)
	rand.Read(noise)
	if err := os.WriteFile(path, append([]byte("#!/bin/sh\nexit 0\n"), noise...), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// midTransfer waits until a good part of the executable, but not all, has gone through the link.
func midTransfer(t *testing.T, link *testhost.Proxy) {
	t.Helper()
	testhost.Eventually(t, "the transfer is under way", func() bool { return link.BytesUp() > 256<<10 })
}

func TestCtrlCOnceCleansUp(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"Ctrl-C": os.Interrupt, "SIGTERM": syscall.SIGTERM, "SIGHUP": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t)
			link := testhost.NewLink(t, h.Addr, testhost.Link{Rate: 1 << 20})
			cmd := davitOn(t, h.Via(link.Addr()))
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			midTransfer(t, link)
			cmd.Process.Signal(signal)
			if code := exitCode(t, cmd.Wait()); code != davit.ExitInterrupted {
				t.Errorf("exit code %d, want %d", code, davit.ExitInterrupted)
			}
			lines := strings.Split(stderr.String(), "\n")
			if lines[0] != "davit: interrupted, cleaning up; another Ctrl-C leaves at once" {
				t.Errorf("first line on stderr: %q", lines[0])
			}
			if !strings.HasPrefix(lines[1], "davit: error: install bulky on far: transfer: ") || !strings.HasSuffix(lines[1], "interrupted") {
				t.Errorf("second line on stderr: %q", lines[1])
			}
			if left := h.Run(`cd .local/share/davit/bulky 2>/dev/null && ls -d incoming-* current releases/* 2>/dev/null; true`); left != "" {
				t.Errorf("left on the host:\n%s", left)
			}
		})
	}
}

func TestNohupMeansIt(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	link := testhost.NewLink(t, h.Addr, testhost.Link{Rate: 4 << 20})
	cmd := davitOn(t, h.Via(link.Addr()))
	cmd.Path, cmd.Args = testhost.Need(t, "nohup"), append([]string{"nohup"}, cmd.Args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	midTransfer(t, link)
	cmd.Process.Signal(syscall.SIGHUP)
	if code := exitCode(t, cmd.Wait()); code != davit.ExitDone {
		t.Errorf("exit code %d, want %d", code, davit.ExitDone)
	}
	h.Run(`test -x .local/bin/bulky`)
}

func TestCtrlCTwiceLeavesAtOnce(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	link := testhost.NewLink(t, h.Addr, testhost.Link{Rate: 1 << 20})
	cmd := davitOn(t, h.Via(link.Addr()))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	midTransfer(t, link)
	link.Stall() // cleaning up now takes as long as it may
	cmd.Process.Signal(os.Interrupt)
	said := bufio.NewReader(stderr)
	if line, err := said.ReadString('\n'); !strings.Contains(line, "another Ctrl-C leaves at once") {
		t.Fatalf("after the first: %q, %v", line, err)
	}
	cmd.Process.Signal(os.Interrupt)
	rest, _ := io.ReadAll(said)
	if code := exitCode(t, cmd.Wait()); code != davit.ExitInterrupted || len(rest) > 0 {
		t.Errorf("exit code %d, want %d; further words: %q", code, davit.ExitInterrupted, rest)
	}
}

func TestAReaderThatLeavesDoesNotEndTheInstall(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	cmd := davitOn(t, h)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	stdout.Close() // as head -1 does
	if code := exitCode(t, cmd.Wait()); code != davit.ExitDone {
		t.Errorf("exit code %d", code)
	}
	h.Run(`test -x .local/bin/bulky`)
}
