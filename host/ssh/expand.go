package ssh

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/davit-sh/davit/host"
)

// expander replaces what stands for something else in values of ssh_config.
type expander struct {
	token map[byte]string
	err   error // the first one
}

func newExpander(s *settings) *expander {
	local, _ := os.Hostname()
	short, _, _ := strings.Cut(local, ".")
	return &expander{token: map[byte]string{
		'%': "%", 'd': home(), 'h': s.hostName, 'i': fmt.Sprint(os.Getuid()),
		'k': or(s.hostKeyAlias, s.target.Name), 'L': short, 'l': local, 'n': s.target.Name,
		'p': s.port, 'r': s.user, 'u': userName(), 'j': s.proxyJump,
	}}
}

// tokens replaces %h and its like.
func (x *expander) tokens(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "%")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if after == "" || x.token[after[0]] == "" && after[0] != 'j' {
			x.fail(fmt.Errorf("ssh_config has %q, in which the %% stands for nothing known here", s))
			return ""
		}
		b.WriteString(x.token[after[0]])
		s = after[1:]
	}
}

func (x *expander) fail(err error) {
	if x.err == nil {
		x.err = &host.Error{Kind: host.ErrConfig, Err: err, Hint: "man ssh_config, TOKENS"}
	}
}

// path replaces a leading ~, ${VARIABLES} and %h and its like.
func (x *expander) path(s string) string {
	s = x.tokens(s)
	if rest, ok := strings.CutPrefix(s, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		s = filepath.Join(home(), rest)
	}
	return variables(s)
}

// variables replaces ${VARIABLES}, but not those that stand in their values.
func variables(s string) string {
	var b strings.Builder
	for {
		before, rest, _ := strings.Cut(s, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return b.String() + s
		}
		b.WriteString(before + os.Getenv(name))
		s = after
	}
}

// paths is path for all of list, or of otherwise if list is empty, without those that are "none".
func (x *expander) paths(list []string, otherwise ...string) []string {
	if len(list) == 0 {
		list = otherwise
	}
	var paths []string
	for _, s := range list {
		if s = strings.Trim(s, `"`); s != "" && notNone(s) != "" {
			paths = append(paths, x.path(s))
		}
	}
	return paths
}

// socket returns the agent's socket that s names.
func (x *expander) socket(s string) string {
	switch {
	case notNone(s) == "":
		return ""
	case s == "SSH_AUTH_SOCK":
		return os.Getenv(s)
	case strings.HasPrefix(s, "$") && !strings.HasPrefix(s, "${"):
		return os.Getenv(s[1:])
	}
	return x.path(strings.Trim(s, `"`))
}
