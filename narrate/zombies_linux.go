package narrate

import (
	"bytes"
	"os"
	"strconv"
)

// onlyZombies reports whether all members of a process group have ended and just wait for a parent to notice. A
// child of somebody who has ended waits for process 1, which in a container may never look.
func onlyZombies(pgid int) bool {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	want := []byte(strconv.Itoa(pgid))
	for _, p := range processes {
		if name := p.Name(); name[0] < '0' || name[0] > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + p.Name() + "/stat")
		if err != nil {
			continue
		}
		// PID (NAME) STATE PPID PGRP …; the name may have anything in it.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 2 && bytes.Equal(fields[2], want) && fields[0][0] != 'Z' && fields[0][0] != 'X' {
			return false
		}
	}
	return true
}
