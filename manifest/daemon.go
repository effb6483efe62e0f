package manifest

import (
	"maps"
	"slices"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/build"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/service"
)

// The tags of the fields below say how the manifest and its schema take them:
//
//	json        the key
//	jsonschema  what it means
//	is          the rule of its text, or of each of its items or values; see rules
//	keys        the rule of a mapping's keys
//	enum        the words that it may be: a|b
//	range       the least and the most: 1-100
//	scalar      "any": numbers and booleans mean the text as it was written
//	lines       "many": it may have more than one
//	oneof       "may": one at most of the fields with this tag is said; "need": exactly one
//	with        it is said only with that other field
//
// What has null is said to be empty.

// document is the manifest as it is written.
type document struct {
	Defaults defaults               `json:"defaults,omitempty" jsonschema:"what a daemon or a host does not say itself"`
	Daemons  map[string]Daemon      `json:"daemons,omitempty" keys:"daemon" jsonschema:"the daemons, by name"`
	Hosts    map[string]entryOfHost `json:"hosts,omitempty" keys:"host" jsonschema:"the hosts, by name"`
}

type defaults struct {
	Daemon Daemon      `json:"daemon,omitempty" jsonschema:"what every daemon has that it does not say otherwise"`
	Host   entryOfHost `json:"host,omitempty" jsonschema:"what every host has that it does not say otherwise"`
}

// Daemon is a daemon of a manifest, with the defaults where it says nothing itself. What it holds
// must not be changed.
type Daemon struct {
	// Name is the key that it stands under.
	Name string `json:"-"`
	// Build says how its executable is made.
	Build Build `json:"build,omitempty" jsonschema:"how its executable is made; found by what is in the directory if nothing is said"`
	// Hosts are words as [Manifest.Select] takes them: where it runs if the command line names no host.
	Hosts []string `json:"hosts,omitempty" is:"word" jsonschema:"where it runs if the command line names no host: names of hosts, @label=value or @label"`
	// Args are the arguments that it is started with.
	Args []string `json:"args,omitempty" scalar:"any" lines:"many" jsonschema:"arguments that it is started with"`
	// Env is added to its environment, by name.
	Env map[string]string `json:"env,omitempty" keys:"env" scalar:"any" lines:"many" jsonschema:"its environment"`
	// Secrets are added to its environment, by name; none has a name that Env has.
	Secrets map[string]Secret `json:"secrets,omitempty" keys:"env" jsonschema:"what of its environment is secret"`
	// Health says how to see that it serves; nil if nothing was said.
	Health *Health `json:"health,omitempty" jsonschema:"how to see that it serves"`
	// Service says how it is kept running.
	Service Service `json:"service,omitempty" jsonschema:"how it is kept running"`
	// Hooks are run around a change of what runs.
	Hooks Hooks `json:"hooks,omitempty" jsonschema:"commands that are run around a change of what runs; they find DAVIT_DAEMON, DAVIT_HOST, DAVIT_RELEASE and DAVIT_PREVIOUS in their environment"`
	// Timeouts are the hard limits of operations.
	Timeouts Timeouts `json:"timeouts,omitempty" jsonschema:"hard limits of the operations"`
	// Releases is how many stay on the host; 0 if nothing was said.
	Releases int `json:"releases,omitempty" range:"1-100" jsonschema:"how many releases stay on the host"`
	// Scope is empty if nothing was said.
	Scope davit.Scope `json:"scope,omitempty" enum:"user|system" jsonschema:"for whom on the host it is installed"`
	// Dir is as in [davit.InstallOptions].
	Dir string `json:"dir,omitempty" is:"hostdir" jsonschema:"directory on the host that holds the daemon's directory: absolute, or below ~/"`
}

// Build says how the executable of a daemon is made. At most one of Go, Cargo, Command and
// Prebuilt is said.
type Build struct {
	// Dir is the directory of the source, absolute.
	Dir string `json:"dir,omitempty" is:"path" jsonschema:"directory of the source, relative to the manifest; the manifest's own if it is left out"`
	// Env is added to the environment of what is run, by name.
	Env map[string]string `json:"env,omitempty" keys:"env" scalar:"any" lines:"many" jsonschema:"environment of the build"`
	// Secrets are added to that environment, by name; none has a name that Env has.
	Secrets map[string]Secret `json:"secrets,omitempty" keys:"env" jsonschema:"what of the build's environment is secret"`
	// Go builds a program in Go.
	Go *build.Go `json:"go,omitempty" oneof:"may" jsonschema:"a program in Go"`
	// Cargo builds a program in Rust.
	Cargo *build.Cargo `json:"cargo,omitempty" oneof:"may" jsonschema:"a program in Rust"`
	// Command is given to /bin/sh.
	Command string `json:"command,omitempty" oneof:"may" is:"command" jsonschema:"any command that makes the executable; it finds DAVIT_OS, DAVIT_ARCH, DAVIT_LIBC and DAVIT_OUTPUT in its environment"`
	// Output is the path of the file that Command makes, relative to Dir; $DAVIT_OUTPUT if empty.
	Output string `json:"output,omitempty" with:"command" is:"template" jsonschema:"the file that the command makes, relative to dir, with {os}, {arch} and {libc} in it; $DAVIT_OUTPUT if it is left out"`
	// Prebuilt is the path of an executable that is there already, relative to Dir.
	Prebuilt string `json:"prebuilt,omitempty" oneof:"may" is:"template" jsonschema:"path of an executable that is there already, relative to dir, with {os}, {arch} and {libc} in it"`
}

// Health says how to see that a daemon serves. Exactly one of HTTP, TCP and Command is said; what
// else was not said is 0 or empty.
type Health struct {
	// HTTP is a URL as the host sees it.
	HTTP string `json:"http,omitempty" oneof:"may" is:"http" jsonschema:"URL to ask, as the host sees it"`
	// TCP is an address as the host sees it: name:port.
	TCP string `json:"tcp,omitempty" oneof:"may" is:"tcp" jsonschema:"address to connect to, as the host sees it: 127.0.0.1:8080"`
	// Command is given to the host's /bin/sh; status 0 is healthy.
	Command string `json:"command,omitempty" oneof:"may" is:"command" jsonschema:"command to run on the host, which ends with 0 when the daemon serves"`
	// Status is the status that HTTP must answer with.
	Status int `json:"status,omitempty" with:"http" range:"100-599" jsonschema:"status that the answer must have"`
	// Match is what the body of HTTP's answer must contain.
	Match string `json:"match,omitempty" with:"http" jsonschema:"what the answer must contain"`
	// Interval is the time between two looks.
	Interval time.Duration `json:"interval,omitempty" jsonschema:"time between two looks"`
	// Timeout is how long it may take until the daemon serves.
	Timeout time.Duration `json:"timeout,omitempty" jsonschema:"how long it may take until the daemon serves"`
}

// Service says how a daemon is kept running. What was not said is empty.
type Service struct {
	// Kind is systemd, openrc, launchd or process.
	Kind string `json:"kind,omitempty" enum:"systemd|openrc|launchd|process" jsonschema:"what keeps it running; found on the host if it is left out"`
	// User is whom it runs as.
	User string `json:"user,omitempty" is:"user" jsonschema:"user of the host that it runs as"`
	// WorkingDir is the directory on the host that it runs in.
	WorkingDir string `json:"working_dir,omitempty" is:"workdir" jsonschema:"directory on the host that it runs in: absolute, or below ~/"`
	// Restart is on-failure, always or no.
	Restart string `json:"restart,omitempty" enum:"on-failure|always|no" jsonschema:"when it is started again"`
	// StopURL is asked with POST for a graceful end, as the host sees it.
	StopURL string `json:"stop_url,omitempty" is:"http" jsonschema:"URL that is asked with POST for a graceful end, as the host sees it"`
	// StopTimeout is how long it may take to end before it is killed; 0 if nothing was said.
	StopTimeout time.Duration `json:"stop_timeout,omitempty" jsonschema:"how long it may take to end before it is killed"`
	// After are the units that are started before it.
	After []string `json:"after,omitempty" is:"token" jsonschema:"units that are started before it: network-online.target"`
	// Limits are resource limits by name, such as nofile.
	Limits map[string]string `json:"limits,omitempty" keys:"limit" scalar:"any" jsonschema:"resource limits by name: nofile, core, nproc"`
	// Hardening are directives of systemd by name, such as NoNewPrivileges.
	Hardening map[string]string `json:"hardening,omitempty" keys:"directive" scalar:"any" jsonschema:"directives of systemd that take rights away: NoNewPrivileges"`
	// Lines are added to the description of the service as they are.
	Lines []string `json:"lines,omitempty" jsonschema:"lines added to the description of the service as they are: Nice=5"`
}

// Hooks are run around a change of what runs. If one fails, what was before stays, or is put back.
type Hooks struct {
	Before Hook `json:"before,omitempty" jsonschema:"before anything is switched"`
	After  Hook `json:"after,omitempty" jsonschema:"when the daemon serves"`
}

// Hook are commands for /bin/sh; the local one comes first. What was not said is empty.
type Hook struct {
	Local  string `json:"local,omitempty" is:"command" lines:"many" jsonschema:"command to run on this machine"`
	Remote string `json:"remote,omitempty" is:"command" lines:"many" jsonschema:"command to run on the host"`
}

// Timeouts are the hard limits of operations; 0 where nothing was said.
type Timeouts struct {
	Install   time.Duration `json:"install,omitempty" jsonschema:"limit of an install, the build included"`
	Start     time.Duration `json:"start,omitempty" jsonschema:"limit of a start"`
	Stop      time.Duration `json:"stop,omitempty" jsonschema:"limit of a stop"`
	Status    time.Duration `json:"status,omitempty" jsonschema:"limit of a look at the status"`
	Rollback  time.Duration `json:"rollback,omitempty" jsonschema:"limit of a rollback"`
	Uninstall time.Duration `json:"uninstall,omitempty" jsonschema:"limit of an uninstall"`
	Rebuild   time.Duration `json:"rebuild,omitempty" jsonschema:"limit of a rebuild"`
}

// Recipe returns how the daemon's executable is made. It lacks the secrets of the build, which
// the caller reads and adds to Env.
func (d Daemon) Recipe() build.Recipe {
	b := d.Build
	r := build.Recipe{Name: d.Name, Dir: b.Dir, Env: assignments(b.Env), Go: b.Go, Cargo: b.Cargo, Prebuilt: b.Prebuilt}
	if b.Command != "" {
		r.Command = &build.Command{Run: b.Command, Output: b.Output}
	}
	return r
}

// Spec returns how the daemon is run. It lacks the secrets, which the caller reads and adds.
func (d Daemon) Spec() service.Spec {
	s := d.Service
	return service.Spec{
		Args: d.Args, Env: assignments(d.Env), User: s.User, WorkingDir: s.WorkingDir, Restart: s.Restart, After: s.After,
		Limits: s.Limits, Hardening: s.Hardening, Lines: s.Lines, Stop: s.StopTimeout,
	}
}

// HealthCheck returns how to see that the daemon serves; nil if nothing was said.
func (d Daemon) HealthCheck() *health.Check {
	if d.Health == nil {
		return nil
	}
	h := *d.Health
	return &health.Check{
		HTTP: h.HTTP, TCP: h.TCP, Command: h.Command, Status: h.Status, Match: h.Match, Interval: h.Interval, Timeout: h.Timeout,
	}
}

// assignments returns NAME=value of each variable, by name.
func assignments(env map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		all = append(all, name+"="+env[name])
	}
	return all
}
