package testhost

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// processes returns the live processes that wanted picks. It is given each process and a
// function that reports whether that process descends from another.
func processes(wanted func(p Proc, below func(pid int) bool) bool) []Proc {
	table := snapshot()
	var picked []Proc
	for _, p := range table {
		below := func(ancestor int) bool {
			for p, ok := p, true; ok; p, ok = table[p.PPID] {
				if p.PPID == ancestor {
					return true
				}
			}
			return false
		}
		if wanted(p, below) {
			p.Args, p.Env = readStrings(p.PID, "cmdline"), readStrings(p.PID, "environ")
			picked = append(picked, p)
		}
	}
	return picked
}

// snapshot returns all live processes. A process whose parent ended while /proc was read seems
// to descend from nobody, so that a table with such a process is read again.
func snapshot() map[int]Proc {
	var table map[int]Proc
	for range 10 {
		table = readTable()
		whole := true
		for _, p := range table {
			_, known := table[p.PPID]
			whole = whole && (known || p.PPID == 0)
		}
		if whole {
			break
		}
	}
	return table
}

func readTable() map[int]Proc {
	table := map[int]Proc{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, alive := readProc(pid); alive {
			table[pid] = p
		}
	}
	return table
}

// readProc returns what /proc/PID/status says. A zombie is not alive.
func readProc(pid int) (p Proc, alive bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Proc{}, false
	}
	p.PID = pid
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			p.Name = value
		case "State":
			alive = !strings.HasPrefix(value, "Z") && !strings.HasPrefix(value, "X")
		case "PPid":
			p.PPID, _ = strconv.Atoi(value)
		case "Uid":
			p.UID, _ = strconv.Atoi(strings.Fields(value)[0])
			return p, alive
		}
	}
	return p, false
}

// readStrings returns the NUL-ended strings of a file of the process, nil if it has gone.
func readStrings(pid int, file string) []string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil || len(content) == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(content), "\x00"), "\x00")
}
