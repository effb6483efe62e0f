package ssh

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/program"
	"github.com/davit-sh/davit/host/internal/target"
	"github.com/davit-sh/davit/narrate"
)

// configs are what stands in ssh_config, or comes from ssh -G, of every kind that is honoured.
var configs = []string{
	"", "port", "port \n", "PORT 22\r\n", "port 99999\nport 22\n", "user me\nhostname %h.example\nidentityfile ~/.ssh/id_%h_%r\n", "hostname %%h%\n",
	"proxyjump a,b@c:1,,[::1]:22\nproxycommand ssh -W [%h]:%p %n\n", "proxyjump none\nproxycommand ncat %h %p %%\n", "proxycommand %C\n", "identityfile %\n",
	"identityfile none\nidentityfile \"/a b\"\ncertificatefile ${HOME}/x\n", "identityagent $SSH_AUTH_SOCK\n", "identityagent none\n", "identityagent ${UNENDING}/x\n", "identityfile ${UNENDING\n", "identityfile ${}${HOME}~\n",
	"userknownhostsfile /a b /c d ~/e none\nglobalknownhostsfile \"/a b\" /c\n", "userknownhostsfile \"", "stricthostkeychecking no\nhostkeyalias \x1b[2J\n",
	"Host *\n  User x\nHost host.* !host.example\n  Port 1\n", "Host\n", "Match all\n  User x\n", "Match exec true\n  User x\n", "Match host host.example user me\n", "Include /nonexistent/*\n", "Include [\n",
	"Host host.example\nPort=22\nPort = 22 # a comment\n\tUser\t\"a b\"\n", "= =\n", "\x00", "\xff\xfe", "Host \"host.example\n", strings.Repeat("Host * \n", 100), strings.Repeat("x", 1<<12), "#\n\n#",
}

// FuzzKeywords has ssh -G print anything.
func FuzzKeywords(f *testing.F) {
	f.Setenv("UNENDING", "${UNENDING}")
	for _, text := range configs {
		f.Add(text, "me@host.example:2222")
		f.Add(text, "::1")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		asked, err := target.Parse(name)
		if err != nil {
			return // no host
		}
		values := program.Keywords(text)
		if again := program.Keywords(asPrinted(values)); !reflect.DeepEqual(values, again) {
			t.Errorf("%q was read as %q, and printed and read again as %q", text, values, again)
		}
		s := usable(t, asked, values)
		if got := newExpander(s).tokens(strings.ReplaceAll(text, "%", "%%")); got != text {
			t.Errorf("%q, in which nothing stands for something else, became %q", text, got)
		}
	})
}

// asPrinted returns values as ssh -G prints them.
func asPrinted(values map[string][]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[key] {
			b.WriteString(key + " " + value + "\n")
		}
	}
	return b.String()
}

// usable fails the test unless values become settings that contradict neither themselves nor what
// the user asked for, or are refused as the configuration's fault.
func usable(t *testing.T, asked target.Target, values map[string][]string) *settings {
	t.Helper()
	s, err := newSettings(narrate.WithNarrator(t.Context(), narrate.New()), asked, values)
	if err != nil && !errors.Is(err, host.ErrConfig) {
		t.Errorf("%q: %v is no error of the configuration", values, err)
	}
	if asked.Port != "" && s.port != asked.Port || asked.User != "" && s.user != asked.User {
		t.Errorf("%s was asked for, and became user %q, port %q", asked, s.user, s.port)
	}
	if s.proxyJump != "" && s.proxyCommand != "" {
		t.Errorf("%q: two ways at once, %q and %q", values, s.proxyJump, s.proxyCommand)
	}
	for _, path := range slices.Concat(s.identityFiles, s.certificateFiles, s.userKnownHostsFiles, s.globalKnownHostsFiles) {
		if notNone(path) == "" && err == nil && os.Getenv(path) == "" && !strings.Contains(asPrinted(values), "${") {
			t.Errorf("%q: %q is no file's name", values, path)
		}
	}
	return s
}

// FuzzConfigFile has anything stand in ssh_config, after what is meant for the host.
func FuzzConfigFile(f *testing.F) {
	f.Setenv("UNENDING", "${UNENDING}")
	for _, text := range configs {
		f.Add(text)
	}
	const block = "Host host.example\n  Port 2022\n  User first\n"
	asked := target.Target{Name: "host.example"}
	file := filepath.Join(f.TempDir(), "config")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") && strings.ContainsAny(text, "/.") {
			return // it asks for other files
		}
		if err := os.WriteFile(file, []byte(block+text), 0o600); err != nil {
			t.Fatal(err)
		}
		rec := &narrate.Recorder{}
		values, err := readConfigFiles(narrate.WithNarrator(t.Context(), narrate.New(rec)), asked, file)
		if err != nil {
			if !errors.Is(err, host.ErrConfig) {
				t.Errorf("%q: %v is no error of the configuration", text, err)
			}
			return
		}
		usable(t, asked, values)
		if leftOut := len(rec.Events()) > 0; leftOut {
			return
		}
		if got := []string{first(values["port"]), first(values["user"])}; got[0] != "2022" || got[1] != "first" {
			t.Errorf("of %q and then %q, %s has %q", block, text, asked.Name, got)
		}
	})
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
