package davit

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/scripts"
)

// DefaultStatusTimeout is the time that a look at a daemon, its releases or its history has, all of it.
const DefaultStatusTimeout = 10 * time.Second

// StatusOptions say which daemon to look at.
type StatusOptions struct {
	Target
	// Health is asked once; nil asks nothing.
	Health *health.Check
}

// DaemonStatus is how a daemon is on a host. Its JSON form is a contract.
type DaemonStatus struct {
	Host     string    `json:"host"`
	Daemon   string    `json:"daemon"`
	State    State     `json:"state"`
	Release  string    `json:"release,omitempty"`      // 12 hex
	Previous string    `json:"previous,omitempty"`     // 12 hex
	PID      int       `json:"pid,omitempty"`          // of its first process
	Since    time.Time `json:"since,omitzero"`         // when that was started, by this machine's clock
	Memory   int64     `json:"memory_bytes,omitempty"` // resident, of that process
	Health   Health    `json:"health"`
	Service  string    `json:"service,omitempty"` // what keeps it running
	Reason   string    `json:"reason,omitempty"`  // why it failed, or is unhealthy
	Pending  bool      `json:"pending,omitempty"` // a change is under way, or was broken off, that is not committed
}

// State is what a daemon does.
type State string

// The states of a daemon.
const (
	StateRunning State = "running"
	StateStopped State = "stopped"
	StateFailed  State = "failed"
	StateAbsent  State = "absent" // not installed
)

// Health is how a daemon serves.
type Health string

// What a daemon's health can be.
const (
	Healthy   Health = "healthy"
	Unhealthy Health = "unhealthy"
	Unknown   Health = "unknown" // there is no check, or it could not be asked
)

// Validate returns an error of kind [ErrUsage] if the options cannot be used whatever the host.
func (o StatusOptions) Validate() error {
	if o.Health != nil {
		if err := o.Health.Validate(); err != nil {
			return usage("%w", err)
		}
	}
	return o.Target.Validate()
}

// Look says how the daemon is on h. It changes nothing there. One that is not there is no failure. Every failure is an
// [*Error]. Look does not close h.
func Look(ctx context.Context, h host.Host, o StatusOptions) (DaemonStatus, error) {
	op := &operation{Target: o.Target, verb: verb{"status", "Look at daemon", DefaultStatusTimeout}, host: h}
	return within(ctx, op, o.Validate(), func(ctx context.Context) (DaemonStatus, error) {
		s := DaemonStatus{Host: h.Name(), Daemon: o.Name, State: StateAbsent, Health: Unknown}
		err := op.show(ctx, scripts.Query{What: scripts.Status, Name: o.Name}, func(w host.Words) error {
			return s.add(w)
		})
		if err == nil && s.State == StateRunning && o.Health != nil {
			err = s.ask(op.steps.begin(ctx, "health"), h, *o.Health)
		}
		if err != nil {
			return s, op.failed(ctx, err)
		}
		return s, nil
	})
}

// add takes one word of the host's.
func (s *DaemonStatus) add(w host.Words) error {
	if w.First != "fact" {
		return nil
	}
	f := facts{}
	f.add(w.Rest)
	switch {
	case f.current != "":
		s.Release = f.current
	case f.previous != "":
		s.Previous = f.previous
	case f.state != "":
		s.State = f.state
	case f.kind != "":
		s.Service = f.kind
	case f.why != "":
		s.Reason = f.why
	case f.pid != 0:
		s.PID = f.pid
	case f.memory != 0:
		s.Memory = f.memory
	case f.pending:
		s.Pending = true
	case f.age != nil:
		s.Since = time.Now().Add(-time.Duration(*f.age) * time.Second).UTC().Truncate(time.Second)
	}
	return nil
}

// ask asks once for the daemon's health.
func (s *DaemonStatus) ask(ctx context.Context, h host.Host, c health.Check) error {
	p := health.New(c, questions{h})
	defer p.Close()
	err := p.Once(ctx)
	switch {
	case err == nil:
		s.Health = Healthy
	case errors.Is(err, health.ErrUnhealthy):
		s.Health, s.Reason = Unhealthy, err.Error()
	case ctx.Err() != nil, errors.Is(err, host.ErrLost):
		return err
	default:
		s.Reason = err.Error()
	}
	return nil
}

// show runs a script that only tells, and gives each of its words to hear.
func (op *operation) show(ctx context.Context, q scripts.Query, hear func(host.Words) error) error {
	if err := op.host.Connect(op.steps.begin(ctx, "connect")); err != nil {
		return err
	}
	ctx = op.steps.begin(ctx, "look")
	if err := op.start(ctx, op.host, scripts.Show(op.place(), q), op.Scope, op.Password); err != nil {
		return err
	}
	for {
		w, err := op.next(ctx)
		if err != nil {
			return err
		}
		if w.First == "end" {
			return op.talk.Close()
		}
		if err := hear(w); err != nil {
			return err
		}
	}
}

// ReleaseInfo is a release on a host.
type ReleaseInfo struct {
	Release  string    `json:"release"` // 12 hex
	Size     int64     `json:"size"`    // bytes
	Time     time.Time `json:"time"`    // when it came, by the host's clock
	Current  bool      `json:"current,omitempty"`
	Previous bool      `json:"previous,omitempty"`
}

// Releases returns the releases of the daemon that are on h, the newest first. It changes nothing there.
func Releases(ctx context.Context, h host.Host, t Target) ([]ReleaseInfo, error) {
	op := &operation{Target: t, verb: verb{"releases", "List releases", DefaultStatusTimeout}, host: h}
	return within(ctx, op, t.Validate(), func(ctx context.Context) ([]ReleaseInfo, error) {
		f := facts{}
		all := []ReleaseInfo{}
		err := op.show(ctx, scripts.Query{What: scripts.Releases, Name: t.Name}, func(w host.Words) error {
			switch w.First {
			case "fact":
				f.add(w.Rest)
			case "release":
				all = append(all, releaseInfo(w.Rest))
			}
			return nil
		})
		op.facts = f
		if err == nil && len(all) == 0 {
			err = op.installed()
		}
		if err != nil {
			return nil, op.failed(ctx, err)
		}
		for i, r := range all {
			all[i].Current, all[i].Previous = r.Release == f.current, r.Release == f.previous
		}
		return all, nil
	})
}

// releaseInfo reads "NAME BYTES SECONDS".
func releaseInfo(said string) ReleaseInfo {
	words := slices.Concat(strings.Fields(said), []string{"", "", ""})
	r := ReleaseInfo{Release: words[0]}
	r.Size, _ = strconv.ParseInt(words[1], 10, 64)
	if at, err := strconv.ParseInt(words[2], 10, 64); err == nil {
		r.Time = time.Unix(at, 0).UTC()
	}
	return r
}
