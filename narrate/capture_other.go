//go:build !unix

package narrate

import (
	"os"
	"os/exec"
	"time"
)

// ownGroup does nothing: there are no process groups here.
func ownGroup(*exec.Cmd) {}

// endGroup ends p at once, and p alone.
func endGroup(p *os.Process, _ time.Duration) { p.Kill() }

// stopReading makes reads of r fail once the time has passed. A pipe has no deadlines here, so
// it closes r.
func stopReading(r *os.File, after time.Duration) { time.AfterFunc(after, func() { r.Close() }) }

// readNow reads nothing: stopReading has closed the file.
func readNow(*os.File, []byte) (int, error) { return 0, os.ErrClosed }
