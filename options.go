package davit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/build"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
)

// DefaultInstallTimeout is the time that an install has, all of it.
const DefaultInstallTimeout = 5 * time.Minute

// DefaultKeep is how many releases of a daemon stay on a host.
const DefaultKeep = 5

// Scope says for whom on the host a daemon is installed.
type Scope string

// The scopes. The zero value is User.
const (
	User   Scope = "user"   // below the home of who signs in
	System Scope = "system" // below /opt/davit and /usr/local/bin, through sudo or doas
)

// InstallOptions say what to install and where.
type InstallOptions struct {
	// Binary is the path of the executable on this machine.
	Binary string
	// Build makes the executable in place of Binary, for the platform that a look at the host finds. It
	// may be shared by several installs, and is the caller's to close.
	Build *build.Builder
	// Name names the daemon; the base name of Binary, or the name that Build has, if empty.
	Name string
	// Scope is User if empty.
	Scope Scope
	// Dir is the directory on the host that holds the daemon's directory, in place of
	// ~/.local/share/davit or /opt/davit. It is absolute, or begins with ~/.
	Dir string
	// Keep is how many releases stay on the host, the current one among them; DefaultKeep if 0. Less is refused.
	Keep int
	// Timeout is the hard limit; DefaultInstallTimeout if 0. Less is refused.
	Timeout time.Duration
	// Run says how the daemon is to run afterwards; nil only puts the executable there.
	Run *Run
	// Password is asked for the password of sudo when it needs one; nil never asks, and such a
	// host is refused. The question names the user and the host.
	Password func(ctx context.Context, question string) (string, error)
}

// Validate returns an error of kind [ErrUsage], or an [*artifact.Error], if the options cannot
// be used whatever the host. It reads no more than the headers of Binary.
func (o InstallOptions) Validate() error {
	_, err := o.open()
	return err
}

// open validates the options and returns the executable that they name; nil if it is to be built.
func (o InstallOptions) open() (*artifact.File, error) {
	if o.Timeout < 0 {
		return nil, usage("the time limit is %v; it must be more than 0", o.Timeout)
	}
	if o.Keep < 0 {
		return nil, usage("%d releases are to be kept; it must be at least 1", o.Keep)
	}
	if err := validPlace(o.Scope, o.Dir); err != nil {
		return nil, err
	}
	if o.Run != nil {
		if err := o.Run.validate(); err != nil {
			return nil, err
		}
	}
	switch {
	case o.Binary == "" && o.Build == nil:
		return nil, usage("no executable is named, nor how it is built")
	case o.Binary != "" && o.Build != nil:
		return nil, usage("%s is named, and how to build it as well; leave one of them out", o.Binary)
	}
	if err := validName(o.resolved().Name, o.Name == "" && o.Build == nil); err != nil {
		return nil, err
	}
	if o.Build != nil {
		return nil, nil
	}
	return artifact.Open(o.Binary)
}

// resolved returns o with what it leaves open filled in.
func (o InstallOptions) resolved() InstallOptions {
	if o.Name == "" && o.Build != nil {
		o.Name = o.Build.Name()
	}
	o.Name = cmp.Or(o.Name, filepath.Base(o.Binary))
	o.Scope = cmp.Or(o.Scope, User)
	o.Keep = cmp.Or(o.Keep, DefaultKeep)
	o.Timeout = cmp.Or(o.Timeout, DefaultInstallTimeout)
	return o
}

// NamePattern is the regular expression that the whole of a daemon's name matches.
const NamePattern = `[a-z0-9][a-z0-9._-]{0,62}`

var daemonName = regexp.MustCompile("^" + NamePattern + "$")

// validName refuses what is no name of a daemon; derived is that it comes from a file's name.
func validName(name string, derived bool) error {
	if daemonName.MatchString(name) {
		return nil
	}
	const rule = "a name is 1 to 63 of a-z, 0-9, dot, dash and underscore, and begins with a letter or digit"
	if derived {
		return usage("%q cannot name a daemon: %s; choose one with --name", name, rule)
	}
	return usage("%q cannot name a daemon: %s", name, rule)
}

func validPlace(scope Scope, dir string) error {
	switch scope {
	case "", User, System:
	default:
		return usage("unknown scope %q: it is %q or %q", scope, User, System)
	}
	rest, inHome := strings.CutPrefix(dir, "~/")
	switch {
	case dir == "", !strings.ContainsFunc(dir, isControl) && path.Clean("/"+rest) == "/"+strings.TrimPrefix(rest, "/") &&
		(inHome || strings.HasPrefix(dir, "/")) && strings.Trim(rest, "/") != "":
		return nil
	}
	return usage("the directory %q is not an absolute path, or one below ~/, written without . and .. and without a slash at its end", dir)
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

func usage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUsage}, args...)...)
}

// script returns the conversation that installs the release of so many bytes.
func (o InstallOptions) script(operation, random, sha256 string, size int64) host.Script {
	var life *scripts.Life
	if o.Run != nil {
		l := o.Run.life(Installed)
		life = &l
	}
	return scripts.Install(scripts.Place{System: o.Scope == System, Dir: o.Dir}, scripts.Release{
		Name: o.Name, SHA256: sha256, Size: size, Keep: o.Keep,
		Random: random, Holder: whoami(), Line: logLine(operation),
	}, life)
}

// whoami says who works here, in one word: "vince@laptop".
func whoami() string {
	name, machine := "somebody", "somewhere"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		machine = h
	}
	return strings.Join(strings.Fields(name+"@"+machine), "_")
}

// logLine returns the host's log line of an operation, as far as the release and the outcome, which the host adds.
func logLine(operation string) string {
	line, err := json.Marshal(struct {
		Time      string `json:"time"`
		Who       string `json:"who"`
		Operation string `json:"operation"`
	}{time.Now().UTC().Format(time.RFC3339), whoami(), operation})
	if err != nil {
		return `{"operation":""`
	}
	return strings.TrimSuffix(string(line), `}`)
}

// Plan is what an install would do on a host.
type Plan struct {
	Lines   []string     `json:"lines"`   // the steps in words, in order
	Scripts []PlanScript `json:"scripts"` // what would run there, to the letter
}

// PlanScript is one script of a plan.
type PlanScript struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Plan returns what Install would do, without connecting to any host.
func (o InstallOptions) Plan(ctx context.Context) (Plan, error) {
	file, err := o.open()
	if err != nil {
		return Plan{}, err
	}
	o = o.resolved()
	p := planned{needs: "what it is built for", size: "it"}
	if file != nil {
		if p.sha256, err = file.Digest(ctx); err != nil {
			return Plan{}, err
		}
		p.bytes, p.needs, p.size = file.Size, file.Needs.String(), narrate.Bytes(file.Size)
	}
	return o.plan(p), nil
}

// planned is what is known of an executable that is to be installed.
type planned struct {
	sha256      string // "" if it is to be built
	bytes       int64
	needs, size string // in words
}

func (o InstallOptions) plan(p planned) Plan {
	root, bin := "~/.local/share/davit", "~/.local/bin"
	if o.Scope == System {
		root, bin = "/opt/davit", "/usr/local/bin"
	}
	root = cmp.Or(o.Dir, root)
	release := root + "/" + o.Name + "/releases/" + cmp.Or(releaseID(p.sha256), "<12 hex digits of its SHA-256>") + "/" + o.Name
	check := fmt.Sprintf("verify it there: %d bytes, SHA-256 %s", p.bytes, p.sha256)
	plan := Plan{Lines: []string{fmt.Sprintf("connect, and end within %v whatever happens", o.Timeout)}}
	if o.Build != nil {
		check = "verify it there, by its size and SHA-256"
		plan.Lines = append(plan.Lines, "look for which platform to build", fmt.Sprintf("build %s, once for each platform: %s", o.Name, o.Build.Command(artifact.Platform{})))
		plan.Scripts = o.planScripts(scripts.Check(scripts.Place{System: o.Scope == System, Dir: o.Dir}))
	}
	plan.Lines = append(plan.Lines,
		fmt.Sprintf("probe the host: it must run %s, have room for %s, and nothing of others at %s/%s", p.needs, p.size, bin, o.Name),
		"send nothing if the release is there already, else what is missing of the executable, compressed if that is quicker",
		check,
		"move it to "+release,
		fmt.Sprintf("switch %s/%s/current to it with a rename, and link %s/%s to that", root, o.Name, bin, o.Name),
		fmt.Sprintf("keep the newest %d releases", o.Keep),
	)
	if o.Run != nil {
		plan.Lines = append(plan.Lines, "start it there, see that it serves, and else have the host put back what was before")
	}
	plan.Scripts = append(plan.Scripts, o.planScripts(o.script("install", newRandom(), p.sha256, p.bytes))...)
	return plan
}

// planScripts returns what runs for a script.
func (o InstallOptions) planScripts(s host.Script) []PlanScript {
	if o.Scope != System {
		return []PlanScript{{s.Name, s.Text()}}
	}
	s = scripts.AsRoot(s, "")
	return []PlanScript{{s.Through.Name, s.Through.Text()}, {s.Name, s.Text()}}
}
