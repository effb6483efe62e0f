package cli

import (
	"runtime"
	"strings"
)

// look says how a command shows itself.
type look struct {
	Plain    bool // only ASCII of our own
	Color    bool // on stdout
	ErrColor bool // on stderr
	Bar      bool // a bar and a countdown on stderr
	Ask      bool // questions may be asked
}

// decide is the one place where that is decided:
//   - plain: --plain, or a locale that is set and not UTF-8
//   - colour: only on a terminal that understands it, not plain, and not if NO_COLOR is set
//   - bar: only if stderr is such a terminal, without --json and --quiet
//   - questions: only if stdin and stderr are terminals
func decide(std Streams, o output) look {
	plain := o.Plain || !utf8Locale(std)
	obeys := obeysSequences(std)
	color := obeys && !plain && std.env("NO_COLOR") == ""
	return look{
		Plain:    plain,
		Color:    color && std.OutTerminal && !o.JSON,
		ErrColor: color && std.ErrTerminal,
		Bar:      obeys && std.ErrTerminal && !o.JSON && !o.Quiet && !o.noBar,
		Ask:      std.InTerminal && std.ErrTerminal && std.Secret != nil,
	}
}

// obeysSequences reports whether a terminal, if there is one, does what escape sequences say.
func obeysSequences(std Streams) bool {
	name := std.env("TERM")
	if runtime.GOOS == "windows" && name == "" {
		return std.env("WT_SESSION") != "" // the old console shows them as they are
	}
	return name != "dumb" && name != ""
}

// utf8Locale reports whether text may be UTF-8. The first variable that is set decides, as in
// setlocale(3); when none is, as in most containers, nothing speaks against it.
func utf8Locale(std Streams) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := std.env(name); locale != "" {
			_, charset, _ := strings.Cut(locale, ".")
			charset, _, _ = strings.Cut(charset, "@")
			charset = strings.ReplaceAll(strings.ToLower(charset), "-", "")
			return charset == "utf8"
		}
	}
	return true
}
