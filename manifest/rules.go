package manifest

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/davit-sh/davit"
)

// rule is what a text must be like.
type rule struct {
	pattern string // all of the text; in the schema, too
	say     string // what is wrong with a text that breaks it, behind the text
	hint    string
	check   func(string) string // more than the pattern says: what is wrong, "" for nothing

	compiled *regexp.Regexp
}

// wrong says what is wrong with s, "" if nothing is.
func (r rule) wrong(s string) string {
	if r.compiled != nil && !r.compiled.MatchString(s) {
		return r.say
	}
	if r.check != nil {
		return r.check(s)
	}
	return ""
}

const (
	hostName  = `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`
	labelName = `[A-Za-z0-9][A-Za-z0-9._/-]{0,62}`
)

// rules are those that the tags is and keys name. A pattern is one of Go and of JavaScript.
var rules = compiled(map[string]rule{
	"daemon": {
		pattern: davit.NamePattern,
		say:     "cannot name a daemon: a name is 1 to 63 of a-z, 0-9, dot, dash and underscore, and begins with a letter or digit",
	},
	"host": {
		pattern: hostName,
		say:     "cannot name a host: a name is 1 to 63 of A-Z, a-z, 0-9, dot, dash and underscore, and begins with a letter or digit; what ssh takes stands under address",
	},
	"label": {
		pattern: labelName,
		say:     "cannot name a label: a name is 1 to 63 of A-Z, a-z, 0-9, dot, dash, slash and underscore, and begins with a letter or digit",
	},
	"env": {
		pattern: `[A-Za-z_][A-Za-z0-9_]*`,
		say:     "cannot name a variable: a name is of A-Z, a-z, 0-9 and underscore, and begins with no digit",
	},
	"word": {
		pattern: hostName + `|@` + labelName + `(=.*)?`,
		say:     "is neither the name of a host nor @label=value",
		hint:    "list the host under hosts, and name it here",
	},
	"target": {
		// What ssh and shells would read as something else is refused again before it is used.
		pattern: "[^-\\s,'`\"$\\\\;&<>|(){}][^\\s,'`\"$\\\\;&<>|(){}]*",
		say:     "is not what ssh takes",
		hint:    "write user@name, user@name:port, ssh://user@name:port or an alias of ssh_config",
	},
	"template": {check: wrongTemplate},
	"command":  {pattern: `[\s\S]*\S[\s\S]*`, say: "is no command"},
	"hostdir":  {check: wrongHostDir},
	"workdir":  {pattern: `~|(/|~/).*`, say: "is not absolute, and not below ~/"},
	"http":     {pattern: `https?://.+`, say: "is no URL", hint: "write http://127.0.0.1:8080/health", check: wrongURL},
	"tcp":      {pattern: `.*:[0-9]+`, say: "is no address with a port", hint: "write 127.0.0.1:8080", check: wrongAddress},
	"user":     {pattern: `[A-Za-z0-9_][A-Za-z0-9._-]*`, say: "is no name of a user"},
	"token":    {pattern: `\S+`, say: "is not one word"},
	"limit":    {pattern: `[a-z]+`, say: "is no name of a limit", hint: "write it in small letters: nofile"},
	"directive": {
		pattern: `[A-Z][A-Za-z0-9]*`,
		say:     "is no directive of systemd, such as NoNewPrivileges",
	},
})

func compiled(all map[string]rule) map[string]rule {
	for name, r := range all {
		if r.pattern != "" {
			r.compiled = regexp.MustCompile(`^(?:` + r.pattern + `)$`)
			all[name] = r
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

func wrongTemplate(s string) string {
	if s == "" {
		return "is no path"
	}
	for _, found := range placeholder.FindAllString(s, -1) {
		if found != "{os}" && found != "{arch}" && found != "{libc}" {
			return "has " + found + " in it; only {os}, {arch} and {libc} are replaced"
		}
	}
	return ""
}

func wrongHostDir(s string) string {
	if (davit.CheckOptions{Dir: s}).Validate() == nil {
		return ""
	}
	return "is not an absolute path, or one below ~/, written without . and .. and without a slash at its end"
}

func wrongURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return "is no URL"
	}
	if port := u.Port(); port != "" && !isPort(port) {
		return "has no port from 1 to 65535"
	}
	return ""
}

func wrongAddress(s string) string {
	name, port, err := net.SplitHostPort(s)
	switch {
	case err != nil:
		return "is no address with a port"
	case !isPort(port):
		return "has no port from 1 to 65535"
	case name == "" || strings.ContainsAny(name, " /"):
		return "names no host"
	}
	return ""
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
