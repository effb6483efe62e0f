package ssh

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/davit-sh/davit/host/internal/target"
)

// plainKeywords are those that may stand in a plain file, and whether they are followed by exactly
// one word. Nothing that runs a command is among them.
var plainKeywords = map[string]bool{
	"host": false, "hostname": true, "user": true, "port": true, "hostkeyalias": true, "identityfile": true,
	"certificatefile": true, "identitiesonly": true, "proxyjump": true, "userknownhostsfile": true,
	"globalknownhostsfile": true, "stricthostkeychecking": true, "identityagent": true,

	// These are for others than us.
	"sendenv": false, "setenv": false, "hashknownhosts": true, "gssapiauthentication": true, "gssapidelegatecredentials": true,
	"forwardagent": true, "forwardx11": true, "forwardx11trusted": true, "addkeystoagent": true, "serveraliveinterval": true,
	"serveralivecountmax": true, "controlmaster": true, "controlpath": true, "controlpersist": true, "compression": true,
	"loglevel": true, "batchmode": true, "kexalgorithms": true, "ciphers": true, "macs": true, "tcpkeepalive": true, "connecttimeout": true, "connectionattempts": true, "visualhostkey": true,
}

var (
	plainValue = regexp.MustCompile(`^[A-Za-z0-9._/~:@,*?!+ \t-]*$`)
	plainPort  = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)
	plainYesNo = regexp.MustCompile(`^(yes|no)$`)
)

// isPlain reports whether what ssh_config says about t can be read without the ssh program: there
// are host blocks and common keywords, and nothing that is quoted, expanded, matched or included.
// What is not sure is not plain.
func isPlain(t target.Target, configFile string) bool {
	if t.Name != strings.ToLower(t.Name) {
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
			if !isPlainLine(strings.TrimSpace(line)) {
				return false
			}
		}
	}
	return true
}

func isPlainLine(line string) bool {
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasPrefix(line, "#") {
		return true
	}
	keyword := strings.ToLower(words[0])
	if keyword == "include" {
		return includesNothing(words[1:])
	}
	one, known := plainKeywords[keyword]
	if !known || len(words) < 2 || one && len(words) != 2 {
		return false
	}
	value := strings.Join(words[1:], " ")
	switch keyword {
	case "port":
		return plainPort.MatchString(value)
	case "identitiesonly":
		return plainYesNo.MatchString(value)
	case "identityagent":
		return value == "none"
	case "stricthostkeychecking":
		return plainYesNo.MatchString(value) || value == "accept-new" || value == "ask"
	case "setenv", "sendenv", "controlpath":
		return !strings.ContainsAny(value, `"'`)
	}
	return plainValue.MatchString(value)
}

// includesNothing reports whether there are no files of these names, as on a system whose stock file
// includes a folder that is empty.
func includesNothing(patterns []string) bool {
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) > 0 || !filepath.IsAbs(pattern) {
			return false
		}
	}
	return true
}
