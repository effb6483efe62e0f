package testhost

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Proc is a process of a host.
type Proc struct {
	PID, PPID int
	UID       int    // real user
	Name      string // what the kernel calls it, at most 15 bytes
	Args, Env []string
}

// String returns the process as a failing test should show it.
func (p Proc) String() string {
	return fmt.Sprintf("%d %s", p.PID, strings.Join(p.Args, " "))
}

// mentions reports whether marker is in the process's arguments or environment.
func (p Proc) mentions(marker string) bool {
	has := func(s string) bool { return strings.Contains(s, marker) }
	return slices.ContainsFunc(p.Args, has) || slices.ContainsFunc(p.Env, has)
}

// Processes returns the live processes of the host that mention marker in their arguments or
// environment; all of them if marker is empty. A host's processes are those that its sshd
// started, directly or not, also after they left their session or lost their parents, and all
// of its account. sshd's own are not among them.
func (h *Host) Processes(marker string) []Proc {
	return slices.DeleteFunc(h.procs(), func(p Proc) bool {
		return isSSHD(p) || !p.mentions(marker) && marker != ""
	})
}

// procs returns the host's processes, sshd's own too.
func (h *Host) procs() []Proc {
	if h.machine != nil {
		return h.machine.procs()
	}
	return h.keeper.procs()
}

// Connections returns how many connections the host's sshd holds now.
func (h *Host) Connections() int {
	procs := h.procs()
	listener := h.listener(procs)
	n := 0
	for _, p := range procs {
		if isSSHD(p) && p.PPID == listener {
			n++
		}
	}
	return n
}

// DropConnections ends all connections to the host from its side. Commands that ran over them
// may go on, as they do when a network breaks.
func (h *Host) DropConnections() {
	if !poll(func() bool { return h.killConnections() == 0 }) {
		h.t.Errorf("testhost: the connections to %s do not end", h.Target())
	}
}

// killConnections kills the processes that sshd has for its connections, and returns how many there were. Any
// of them may just have forked one that was not seen.
func (h *Host) killConnections() int {
	procs := h.procs()
	listener := h.listener(procs)
	killed := 0
	for _, p := range procs {
		if isSSHD(p) && p.PID != listener {
			kill(p)
			killed++
		}
	}
	return killed
}

// StopSSHD ends sshd and all its connections; from then on the host refuses connections.
func (h *Host) StopSSHD() {
	h.t.Helper()
	ends := strings.Count(h.Log(), sshdEnded)
	Eventually(h.t, "sshd is stopped", func() bool {
		own := slices.DeleteFunc(h.keeper.procs(), func(p Proc) bool { return !isSSHD(p) })
		for _, p := range own {
			kill(p)
		}
		return len(own) == 0
	})
	Eventually(h.t, "its end is in the log", func() bool { return strings.Count(h.Log(), sshdEnded) > ends })
}

// StartSSHD starts a stopped sshd again, on the same address.
func (h *Host) StartSSHD() {
	h.t.Helper()
	h.must(h.start())
}

// listener returns the process ID of the sshd that listens, 0 if there is none.
func (h *Host) listener(procs []Proc) int {
	if h.machine != nil {
		return h.machine.listener(procs)
	}
	for _, p := range procs {
		if isSSHD(p) && h.keeper.started(p) && p.mentions(h.dir) {
			return p.PID
		}
	}
	return 0
}

// isSSHD reports whether p is a part of the SSH server; OpenSSH's is several programs since 9.8.
func isSSHD(p Proc) bool { return strings.HasPrefix(p.Name, "sshd") || p.Name == "dropbear" }

func kill(p Proc) {
	if process, err := os.FindProcess(p.PID); err == nil {
		process.Kill() // it may have ended by itself
	}
}
