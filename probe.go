package davit

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
)

// facts is what a script told of its host.
type facts struct {
	platform   artifact.Platform
	user, home string
	root, bin  string // where daemons and their links are
	init       string
	free       int64 // bytes
	tools      map[string]string
	unwritable []string
	inway      []string
	installed  []InstalledDaemon

	// Of the daemon that was asked for:
	current string // its current release, 12 hex, or ""
	present bool   // its directory is there
	managed bool   // a service of Davit's keeps it running, or did
	have    bool   // the wanted release is there, whole
	linked  bool   // the link to it is in its place
	partial int64  // bytes of it that arrived when an earlier try broke

	// Of how it is kept running, if that was looked at:
	kind     string // of its service, or of the one that it would have
	unfit    string // why that kind cannot keep it running
	foreign  string // the path of somebody else's description of a service of its name
	defined  string // the digest of the description that is in force
	ours     bool   // a description of ours is there
	state    State
	pid      int
	why      string   // it ended
	previous string   // release, 12 hex, or ""
	releases []string // all that are there
	pending  bool     // a change was broken off
	age      *int64   // of its process, in seconds
	memory   int64    // of its process, bytes
}

// hearFacts takes facts until the script says last.
func (c *conversation) hearFacts(ctx context.Context, last string) (facts, error) {
	f := facts{tools: map[string]string{}, free: -1}
	for {
		w, err := c.next(ctx)
		switch {
		case err != nil:
			return f, err
		case w.First == last:
			return f, nil
		case w.First == "fact":
			f.add(w.Rest)
		case w.First == "end":
			return f, c.endedWith(w)
		}
	}
}

// look starts a script that only looks, and returns what it tells. The script ends with its input.
func (c *conversation) look(ctx context.Context, h host.Host, p scripts.Place, scope Scope, ask passwordFunc) (facts, error) {
	if err := c.start(ctx, h, scripts.Check(p), scope, ask); err != nil {
		return facts{}, err
	}
	f, err := c.hearFacts(ctx, "end")
	if err == nil {
		narrate.Emit(ctx, narrate.Event{Action: "probe", Message: "🔎 " + f.summary(), Attrs: f.attrs()})
	}
	return f, err
}

// add takes one fact, "KEY VALUE". What it does not know or cannot read stays unknown.
func (f *facts) add(said string) {
	key, value, _ := strings.Cut(said, " ")
	first, rest, _ := strings.Cut(value, " ")
	switch key {
	case "os":
		f.platform.OS, _ = artifact.ParseUname(value, "")
	case "machine":
		_, f.platform.Arch = artifact.ParseUname("", value)
		f.platform.ARM = artifact.ParseARM(value)
	case "longbit":
		f.platform.LongBit = value
	case "libc":
		f.platform.Libc, f.platform.LibcVersion = first, rest
	case "user":
		f.user = value
	case "home":
		f.home = value
	case "root":
		f.root = value
	case "bin":
		f.bin = value
	case "init":
		f.init = value
	case "free":
		if kib, err := strconv.ParseInt(value, 10, 53); err == nil && kib >= 0 {
			f.free = kib << 10
		}
	case "tool":
		f.tools[first] = rest
	case "unwritable":
		f.unwritable = append(f.unwritable, value)
	case "inway":
		f.inway = append(f.inway, value)
	case "installed":
		f.installed = append(f.installed, InstalledDaemon{Name: first, Release: rest})
	case "current":
		f.current = value
	case "present":
		f.present = true
	case "managed":
		f.managed = true
	case "kind":
		f.kind = value
	case "unfit":
		f.unfit = value
	case "foreign":
		f.foreign = value
	case "defined":
		f.defined = value
	case "ours":
		f.ours = true
	case "state":
		f.state = State(value)
	case "pid":
		f.pid, _ = strconv.Atoi(value)
	case "why":
		f.why = value
	case "previous":
		f.previous = value
	case "release":
		f.releases = append(f.releases, value)
	case "pending":
		f.pending = true
	case "since":
		if n, err := strconv.ParseInt(value, 10, 53); err == nil {
			f.age = &n
		}
	case "memory":
		if kib, err := strconv.ParseInt(value, 10, 53); err == nil {
			f.memory = kib << 10
		}
	case "have":
		f.have = true
	case "linked":
		f.linked = true
	case "partial":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
			f.partial = n
		}
	}
}

// summary says what the host is, in a line.
func (f *facts) summary() string {
	parts := []string{f.platform.String()}
	for _, part := range []string{f.libc(), f.init} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if f.free >= 0 {
		parts = append(parts, narrate.Bytes(f.free)+" free")
	}
	return strings.Join(parts, ", ")
}

func (f *facts) libc() string {
	return strings.TrimSpace(f.platform.Libc + " " + f.platform.LibcVersion)
}

func (f *facts) attrs() map[string]any {
	return map[string]any{
		"platform": f.platform.String(), "libc": f.libc(), "init": f.init, "free": f.free, "user": f.user, "current": f.current,
	}
}

// form returns the compressed form that the host can take; "" if there is none.
func (f *facts) form() string {
	for _, form := range []string{formZstd, formGzip} {
		if f.tools[form] != "" {
			return form
		}
	}
	return ""
}

// able returns nil if the host can take an executable at all.
func (f *facts) able() error {
	if err := f.lacks(); err != nil {
		return err
	}
	for _, path := range f.inway {
		return fmt.Errorf("%w: %s is there and is not Davit's", ErrInTheWay, path)
	}
	for _, path := range f.unwritable {
		return fmt.Errorf("%w: %s cannot write to %s", ErrPermission, f.user, path)
	}
	return nil
}

// suit returns nil if the host can take file as the daemon called name.
func (f *facts) suit(file *artifact.File, name string) error {
	if err := f.able(); err != nil {
		return err
	}
	if err := file.Fits(f.platform); err != nil {
		return err
	}
	if need := file.Size - f.partial + spaceMargin; f.free >= 0 && f.free < need && !f.have {
		return fmt.Errorf("%w: %s needs %s below %s, %s are free", ErrSpace, name, narrate.Bytes(need), f.root, narrate.Bytes(f.free))
	}
	return nil
}

// spaceMargin is what an install needs besides the executable: directories, links, a log line.
const spaceMargin = 1 << 20

// lacks says which tool the host lacks that cannot be done without.
func (f *facts) lacks() error {
	for _, tool := range []string{"sha256sum", "shasum", "openssl"} {
		if f.tools[tool] != "" {
			return nil
		}
	}
	return fmt.Errorf("%w: it has none of sha256sum, shasum and openssl, one of which is needed to verify what arrives", ErrHostLacks)
}

// report returns the facts for people and programs.
func (f *facts) report(host string) Report {
	r := Report{
		Host: host, Platform: f.platform.String(), Libc: f.libc(), User: f.user, Home: f.home, Init: f.init,
		Dir: f.root, Free: f.free, Tools: maps.Clone(f.tools), Installed: f.installed, Findings: []Finding{},
	}
	if r.Installed == nil {
		r.Installed = []InstalledDaemon{}
	}
	find := func(fatal bool, hint, format string, args ...any) {
		r.Findings = append(r.Findings, Finding{Fatal: fatal, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
	if err := f.lacks(); err != nil {
		find(true, "install coreutils, or openssl", "%v", err)
	}
	for _, path := range f.unwritable {
		find(true, "change its owner or mode, or name another directory with --dir", "%s cannot write to %s", f.user, path)
	}
	if f.free >= 0 && f.free < lowSpace {
		find(f.free < spaceMargin, "make room", "only %s are free below %s", narrate.Bytes(f.free), f.root)
	}
	if f.form() == "" {
		find(false, "install zstd", "neither zstd nor gzip is there: executables travel uncompressed")
	}
	if f.init == "" {
		find(false, "", "no service manager that Davit knows (systemd, OpenRC, launchd)")
	}
	return r
}

// lowSpace is less than most daemons and their kept releases need.
const lowSpace = 100 << 20
