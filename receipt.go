package davit

import "time"

// Receipt is the result of an operation on one host. Its JSON form is a contract: fields are
// added, never renamed.
type Receipt struct {
	Operation string    `json:"operation"` // "install", "start" …
	Daemon    string    `json:"daemon"`
	Host      string    `json:"host"`
	Outcome   Outcome   `json:"outcome"`
	Release   string    `json:"release"`            // SHA-256 of the executable, hex; its first 12 digits where no executable was at hand
	Previous  string    `json:"previous,omitempty"` // name of the release that ran before: 12 hex
	Path      string    `json:"path"`               // of the executable on the host
	Link      string    `json:"link"`               // what users of the host start
	Size      int64     `json:"size"`               // bytes of the executable
	Sent      int64     `json:"sent"`               // bytes of it that travelled, compressed
	Form      string    `json:"form,omitempty"`     // how most of them travelled: zstd, gzip, plain
	Resumed   int64     `json:"resumed,omitempty"`  // bytes of the executable that an earlier try had left on the host
	Build     *Build    `json:"build,omitempty"`    // how it was built, if it was
	Service   string    `json:"service,omitempty"`  // what keeps it running, if it was started or stopped
	State     State     `json:"state,omitempty"`    // of the daemon, if it was started or stopped
	PID       int       `json:"pid,omitempty"`      // of its first process
	Health    Health    `json:"health,omitempty"`   // healthy, if it was seen to serve
	Change    string    `json:"change,omitempty"`   // names what was changed, for [Revert]; "" if nothing was
	Started   time.Time `json:"started"`
	Seconds   float64   `json:"seconds"`
	Steps     []Step    `json:"steps"`
}

// Build says how an executable was built.
type Build struct {
	Tool     string  `json:"tool"`     // go, cargo, cargo zigbuild, cross, command, or prebuilt
	Platform string  `json:"platform"` // linux/arm64
	Cached   bool    `json:"cached"`   // the tool found nothing to do
	Seconds  float64 `json:"seconds"`  // what it took, once for all hosts of the platform
}

// Step is a named part of an operation and the time it took.
type Step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Outcome says what an operation came to.
type Outcome string

// The outcomes of operations.
const (
	Installed Outcome = "installed"  // a new release is current
	UpToDate  Outcome = "up to date" // it was current already, nothing was sent
	Built     Outcome = "built"      // an executable was built, and put on this machine
	Restored  Outcome = "restored"   // it was on the host already and is current again, nothing was sent

	Started     Outcome = "started"
	Restarted   Outcome = "restarted"
	Stopped     Outcome = "stopped"
	RolledBack  Outcome = "rolled back" // an earlier release is current again
	Uninstalled Outcome = "uninstalled"
	Reverted    Outcome = "reverted" // an operation was taken back
)
