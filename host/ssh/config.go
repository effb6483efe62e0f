package ssh

import (
	"context"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"

	"github.com/davit-sh/davit/host/internal/program"
	"github.com/davit-sh/davit/host/internal/target"
	"github.com/davit-sh/davit/narrate"
)

// settings is what ssh_config says about one host, with what the target says already in it.
type settings struct {
	target target.Target // as the user wrote it
	jumps  target.Jumps  // as the user asked for them; proxyJump has them, too

	hostName, user, port  string
	hostKeyAlias          string
	identityFiles         []string
	certificateFiles      []string
	identitiesOnly        bool
	identityAgent         string // a socket; "" if there is none
	proxyJump             string // "" if there is none
	proxyCommand          string // "" if there is none
	proxy                 string // the same, as it stands there: with %h for the host
	userKnownHostsFiles   []string
	globalKnownHostsFiles []string
	strictHostKeyChecking string
}

// resolve finds out what ssh_config says about t, with jumps in place of the way that it says: from the ssh program, because it alone knows
// all that can stand in there, else by reading the files. Files that are plain are read at once: over
// many hosts, starting a program for each would cost more than all the rest.
func resolve(ctx context.Context, t target.Target, jumps target.Jumps, configFile string) (*settings, error) {
	var values map[string][]string
	if path, err := exec.LookPath("ssh"); err == nil && !isPlain(t, configFile) {
		if values, err = program.Config(ctx, path, t, configFile, jumps.Args()...); err != nil {
			return nil, err
		}
	} else if values, err = readConfigFiles(ctx, t, configFile); err != nil {
		return nil, err
	}
	if jumps.Asked {
		values["proxyjump"], values["proxycommand"] = []string{jumps.String()}, nil
	}
	s, err := newSettings(ctx, t, values)
	if err != nil {
		return nil, err
	}
	s.jumps = jumps
	return s, nil
}

// command returns the command line in which the ssh program tells more of what goes wrong.
func (s *settings) command() string { return s.jumps.Command("ssh -v", s.target) }

// gate names what a connection there comes to first.
func (s *settings) gate() string {
	if s.proxy != "" {
		return s.proxy
	}
	return net.JoinHostPort(s.hostName, s.port)
}

// newSettings makes settings of the values of each lower-case keyword.
func newSettings(ctx context.Context, t target.Target, values map[string][]string) (*settings, error) {
	first := func(key, otherwise string) string {
		if v := values[key]; len(v) > 0 && v[0] != "" {
			return v[0]
		}
		return otherwise
	}
	s := &settings{
		target: t,
		user:   or(t.User, first("user", userName())), port: or(t.Port, first("port", "22")),
		hostKeyAlias:          first("hostkeyalias", ""),
		identitiesOnly:        isYes(first("identitiesonly", "no")),
		proxyJump:             notNone(first("proxyjump", "")),
		strictHostKeyChecking: first("stricthostkeychecking", "ask"),
	}
	s.hostName = strings.ReplaceAll(first("hostname", t.Name), "%h", t.Name)
	if s.proxyJump == "" {
		s.proxyCommand = notNone(first("proxycommand", ""))
		s.proxy = s.proxyCommand
	}
	x := newExpander(s)
	s.proxyCommand = x.tokens(s.proxyCommand)
	s.identityFiles = x.paths(values["identityfile"], "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
	s.certificateFiles = x.paths(values["certificatefile"])
	s.identityAgent = x.socket(first("identityagent", "SSH_AUTH_SOCK"))
	s.userKnownHostsFiles = x.paths(splitPaths(first("userknownhostsfile", "")), "~/.ssh/known_hosts", "~/.ssh/known_hosts2")
	s.globalKnownHostsFiles = x.paths(splitPaths(first("globalknownhostsfile", "")), "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
	s.warn(ctx)
	return s, x.err
}

// warn says which of the settings are not honoured.
func (s *settings) warn(ctx context.Context) {
	switch s.strictHostKeyChecking {
	case "no", "off", "false":
		narrate.Warnf(ctx, "ssh_config",
			"⚠️  ssh_config turns the check of %s's host key off; it is checked all the same", s.target.Name)
	}
}

func (s *settings) acceptsNewHostKeys() bool { return s.strictHostKeyChecking == "accept-new" }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func isYes(s string) bool { return s == "yes" || s == "true" }

func notNone(s string) string {
	if strings.EqualFold(s, "none") {
		return ""
	}
	return s
}

// home is the user's home as OpenSSH sees it, which asks the password database and not HOME.
var home = sync.OnceValue(func() string {
	if u, err := user.Current(); err == nil && u.HomeDir != "" {
		return u.HomeDir
	}
	dir, _ := os.UserHomeDir()
	return dir
})

var userName = sync.OnceValue(func() string {
	u, err := user.Current()
	if err != nil {
		return os.Getenv("USER")
	}
	return u.Username[strings.LastIndex(u.Username, `\`)+1:] // Windows: DOMAIN\user
})

// splitPaths splits a list of paths. The ssh program prints paths with spaces without quotes:
// what is not the beginning of a path belongs to the one before.
func splitPaths(list string) []string {
	var paths []string
	for _, word := range splitWords(list) {
		if len(paths) > 0 && !filepath.IsAbs(word) && !strings.HasPrefix(word, "~") && notNone(word) != "" && filepath.IsAbs(paths[len(paths)-1]) {
			paths[len(paths)-1] += " " + word
			continue
		}
		paths = append(paths, word)
	}
	return paths
}

// splitWords splits at spaces outside of double quotes.
func splitWords(s string) []string {
	var words []string
	quoted := false
	for _, word := range strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t')
	}) {
		words = append(words, strings.ReplaceAll(word, `"`, ""))
	}
	return words
}
