package davit

import (
	"context"
	"time"

	"github.com/davit-sh/davit/host"
)

// DefaultCheckTimeout is the time that a check has, all of it.
const DefaultCheckTimeout = 10 * time.Second

// CheckOptions say what to look for on a host.
type CheckOptions struct {
	Scope   Scope
	Dir     string
	Timeout time.Duration
}

// Report is what a look at a host found.
type Report struct {
	Host      string            `json:"host"`
	Platform  string            `json:"platform"` // linux/amd64
	Libc      string            `json:"libc"`     // "glibc 2.36", "musl", or ""
	User      string            `json:"user"`
	Home      string            `json:"home"`
	Init      string            `json:"init"`  // systemd, openrc, launchd, or "" if none is known
	Dir       string            `json:"dir"`   // where daemons would be installed
	Free      int64             `json:"free"`  // bytes free there
	Tools     map[string]string `json:"tools"` // path by name, for those that are there
	Installed []InstalledDaemon `json:"installed"`
	Findings  []Finding         `json:"findings"` // what would be in the way of an install
}

// InstalledDaemon is a daemon that Davit put on a host.
type InstalledDaemon struct {
	Name    string `json:"name"`
	Release string `json:"release"` // 12 hex
}

// Finding is something that would hinder an install.
type Finding struct {
	Fatal bool   `json:"fatal"` // an install would fail
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// Check connects to h and looks at it. It changes nothing there.
func Check(ctx context.Context, h host.Host, o CheckOptions) (Report, error) {
	return Report{}, nil
}
