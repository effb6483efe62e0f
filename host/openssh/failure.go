package openssh

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/target"
)

// failure is what is known of a program that did not connect.
type failure struct {
	target   target.Target
	settings *settings
	desk     *desk
	lines    []string // what the program said
}

// signs tell by what the program says what kind of failure it is. They are looked for in this
// order, each in all lines.
var signs = []struct {
	kind  error
	lines *regexp.Regexp
}{
	{host.ErrHostKeyChanged, regexp.MustCompile(`REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY DETECTED|^Host key for .* (has changed|was revoked)`)},
	{host.ErrHostKeyUnknown, regexp.MustCompile(`^No .* host key is known for |^Host key verification failed\.`)},
	{host.ErrAuth, regexp.MustCompile(`(^|: )Permission denied \([^)]*\)\.$|Too many authentication failures`)},
	{host.ErrConfig, regexp.MustCompile(`: Bad configuration option: |^Bad owner or permissions on |terminating, \d+ bad configuration options|^Unable to negotiate with |ControlPath too long|^jumphost loop via |^ssh_askpass: exec`)},
	{host.ErrUnreachable, regexp.MustCompile(`^ssh: (connect to host|Could not resolve hostname) |Exceeded MaxStartups|^channel \d+: open failed: |^stdio forwarding failed`)},
	{host.ErrNotSSH, regexp.MustCompile(`^debug1: kex_exchange_identification: banner line 0: |^kex_exchange_identification: No SSH identification string received|^ssh_exchange_identification: `)},
}

// classify returns what the failure means. err is why we gave up, if the program said nothing.
func (f failure) classify(err error) error {
	if e, ok := errors.AsType[*host.Error](err); ok {
		return e
	}
	for _, sign := range signs {
		at := slices.IndexFunc(f.lines, sign.lines.MatchString)
		if at < 0 {
			continue
		}
		return f.placed(f.explain(&host.Error{Kind: sign.kind, Err: errors.New(f.lines[at]), Hint: f.command()}))
	}
	e := &host.Error{Kind: host.ErrUnreachable, Err: f.lastWords(err), Hint: f.command()}
	if f.says("debug1: Remote protocol version ") {
		e.Kind, e.Err = host.ErrLost, fmt.Errorf("connection lost in the handshake: %w", e.Err)
	}
	return f.placed(e)
}

// command returns the command line in which the program tells more of what goes wrong.
func (f failure) command() string { return f.settings.jumps.Command("ssh -v", f.target) }

// explain adds to e what a user wants to know besides.
func (f failure) explain(e *host.Error) *host.Error {
	switch e.Kind {
	case host.ErrHostKeyUnknown:
		key := shownKey(f.lines)
		if unknown := f.desk.unknown; len(unknown) > 0 {
			key = unknown[len(unknown)-1]
		}
		e.Err = fmt.Errorf("the host key is not known here: %s", key)
		e.Hint = "compare the fingerprint, then repeat with --accept-new-host-keys"
	case host.ErrHostKeyChanged:
		e.Err = fmt.Errorf("the host key has changed, or somebody is in between: it shows %s; %s", shownKey(f.lines), f.offending())
		e.Hint = ""
		if remove := f.find("ssh-keygen -f "); remove != "" {
			e.Hint = "only if you know why it changed: " + remove
		}
	case host.ErrAuth:
		f.explainAuth(e)
	case host.ErrNotSSH:
		_, said, _ := strings.Cut(e.Err.Error(), "banner line 0: ")
		e.Err = fmt.Errorf("what answers there is not an SSH server: it says %q", said)
		e.Hint = "check the port: " + e.Hint
	case host.ErrUnreachable:
		if strings.Contains(e.Err.Error(), "MaxStartups") {
			e.Err = errors.New("too many others are signing in to the host just now (MaxStartups)")
			e.Hint = "try again, or raise MaxStartups in its sshd_config"
		}
	}
	return e
}

// explainAuth says which keys were offered, and what nobody could answer.
func (f failure) explainAuth(e *host.Error) {
	parts := []string{e.Err.Error()}
	offered := f.offered()
	switch {
	case f.says(hopFailed): // which does not say what it was offered
	case len(offered) == 0:
		parts = append(parts, "no key was offered")
	default:
		parts = append(parts, "offered "+strings.Join(offered, ", "))
	}
	parts = append(parts, f.desk.withoutUs...)
	e.Err = errors.New(strings.Join(parts, "; "))
	if strings.Contains(parts[0], "Too many") {
		e.Hint = "name the right key with --identity, or with IdentityFile and IdentitiesOnly in ssh_config"
		return
	}
	for _, question := range f.desk.withoutUs {
		if _, quoted, found := strings.Cut(question, "passphrase for key '"); found {
			path, _, _ := strings.Cut(quoted, "'")
			e.Hint = "ssh-add " + path
		}
	}
}

// offered returns the keys that the host was offered, as the program describes them.
func (f failure) offered() []string {
	var keys []string
	for _, line := range f.lines {
		if key, ok := strings.CutPrefix(line, "debug1: Offering public key: "); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// offending returns the line of known_hosts that another key stands in.
func (f failure) offending() string {
	for _, line := range f.lines {
		if strings.HasPrefix(line, "Offending ") {
			return line
		}
	}
	return f.find("revoked")
}

// find returns the first line that has a text, or "".
func (f failure) find(text string) string {
	for _, line := range f.lines {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

func (f failure) says(text string) bool { return f.find(text) != "" }

// lastWords returns the last that the program said, or err. What a ProxyCommand says about its
// failure comes before that of the program itself.
func (f failure) lastWords(err error) error {
	lines := slices.DeleteFunc(slices.Clone(f.lines), func(line string) bool {
		return isChatter(line) || strings.Contains(line, " UNKNOWN port ") || strings.HasPrefix(line, "kex_exchange_identification: ")
	})
	if len(lines) == 0 {
		lines = slices.DeleteFunc(slices.Clone(f.lines), isChatter)
	}
	if len(lines) == 0 {
		return err
	}
	last := lines[len(lines)-1]
	if proxy := f.settings.value("proxycommand"); !f.settings.jumps.Asked && proxy != "" && proxy != "none" {
		return fmt.Errorf("through the ProxyCommand of ssh_config: %s", last)
	}
	return errors.New(last)
}
