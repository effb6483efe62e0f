package ssh

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/davit-sh/davit/host/internal/target"
)

const plainJump = `([a-z0-9._-]+@)?[a-z][a-z0-9._-]*(:[1-9][0-9]{0,3})?`

// What may follow a keyword in a plain file. It means the same to everybody.
var (
	plainHosts   = regexp.MustCompile(`^[A-Za-z0-9._/~:@,*?!+ -]+$`)
	plainName    = regexp.MustCompile(`^[a-z0-9._:-]+$`) // in lower case, which the program makes it
	plainUser    = regexp.MustCompile(`^[A-Za-z0-9._+@-]+$`)
	plainPort    = regexp.MustCompile(`^([1-9][0-9]{0,3}|[1-5][0-9]{4})$`)
	plainNumber  = regexp.MustCompile(`^[1-9][0-9]{0,3}$`)
	plainPath    = regexp.MustCompile(`^(~/|/)[A-Za-z0-9._/:@,+-]+$|^none$`)
	plainJumps   = regexp.MustCompile(`^` + plainJump + `(,` + plainJump + `)*$`)
	plainNone    = regexp.MustCompile(`^none$`)
	plainYesNo   = regexp.MustCompile(`^(yes|no)$`)
	plainChecks  = regexp.MustCompile(`^(yes|no|ask|accept-new)$`)
	plainMaster  = regexp.MustCompile(`^(yes|no|ask|auto|autoask)$`)
	plainPersist = regexp.MustCompile(`^(yes|no|[1-9][0-9]{0,3}[smh]?)$`)
	plainLevel   = regexp.MustCompile(`^(QUIET|FATAL|ERROR|INFO|VERBOSE|DEBUG)$`)
	plainSocket  = regexp.MustCompile(`^(~/|/)([A-Za-z0-9._/:@,+-]|%[hnpruC])+$|^none$`)
	plainNames   = regexp.MustCompile(`^[A-Za-z0-9_*]+( [A-Za-z0-9_*]+)*$`)
	plainSet     = regexp.MustCompile(`^[A-Za-z0-9_]+=[A-Za-z0-9_./:-]*( [A-Za-z0-9_]+=[A-Za-z0-9_./:-]*)*$`)
	plainPattern = regexp.MustCompile(`^/[A-Za-z0-9._/*-]+$`)
	plainText    = regexp.MustCompile(`^[ -~\t]*$`)
)

// plainKeywords are those that may stand in a plain file, with what may follow. Nothing that runs a
// command is among them.
var plainKeywords = map[string]*regexp.Regexp{
	"host": plainHosts, "hostname": plainName, "user": plainUser, "port": plainPort, "hostkeyalias": plainName,
	"identityfile": plainPath, "certificatefile": plainPath, "identitiesonly": plainYesNo, "proxyjump": plainJumps,
	"userknownhostsfile": plainPath, "globalknownhostsfile": plainPath, "stricthostkeychecking": plainChecks,
	"identityagent": plainNone,

	// These are for others than us.
	"sendenv": plainNames, "setenv": plainSet, "hashknownhosts": plainYesNo, "gssapiauthentication": plainYesNo,
	"gssapidelegatecredentials": plainYesNo, "forwardagent": plainYesNo, "forwardx11": plainYesNo,
	"forwardx11trusted": plainYesNo, "addkeystoagent": plainYesNo, "serveraliveinterval": plainNumber,
	"serveralivecountmax": plainNumber, "controlmaster": plainMaster, "controlpath": plainSocket,
	"controlpersist": plainPersist, "compression": plainYesNo, "loglevel": plainLevel, "tcpkeepalive": plainYesNo, "batchmode": plainYesNo,
	"connecttimeout": plainNumber, "connectionattempts": plainNumber, "visualhostkey": plainYesNo,
}

// isPlain reports whether what ssh_config says about t can be read without the ssh program: there
// are host blocks and common keywords, and nothing that is quoted, expanded, matched or included.
// What is not sure is not plain.
func isPlain(t target.Target, configFile string) bool {
	if !isPlainAddress(t.Name) {
		return false
	}
	for _, file := range configFiles(configFile) {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && configFile == "" {
			continue
		}
		info, statErr := os.Stat(file)
		if err != nil || statErr != nil || configFile == "" && info.Mode()&0o022 != 0 { // ssh refuses such a file
			return false
		}
		for line := range strings.Lines(string(text)) {
			if !isPlainLine(strings.Trim(strings.TrimRight(line, "\r\n"), " \t")) {
				return false
			}
		}
	}
	return true
}

func isPlainLine(line string) bool {
	words := strings.Fields(line)
	if line == "" || line[0] == '#' {
		return true
	}
	if !plainText.MatchString(line) { // spaces to us may be none to the program
		return false
	}
	keyword := strings.ToLower(words[0])
	if keyword == "include" {
		return includesNothing(words[1:])
	}
	pattern, known := plainKeywords[keyword]
	value := strings.Join(words[1:], " ")
	return known && pattern.MatchString(value) && (keyword != "hostname" || isPlainAddress(value))
}

// isPlainAddress reports whether the program takes a host's name or address as it stands: it makes
// names lower-case, and addresses of what looks like one, 127.0.0.1 of 127.1.
func isPlainAddress(s string) bool {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.String() == s
	}
	return s != "" && unicode.IsLetter(rune(s[0])) && s == strings.ToLower(s)
}

// includesNothing reports whether there are no files of these names, as on a system whose stock file
// includes a folder that is empty.
func includesNothing(patterns []string) bool {
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) > 0 || !plainPattern.MatchString(pattern) {
			return false
		}
	}
	return len(patterns) > 0
}
