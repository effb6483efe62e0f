package service

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// defineLaunchd returns the property list of a job. Its program is a shell that undoes what is pending, reads the
// environment, which is in no property list, and becomes the daemon. launchd starts a daemon again without any limit.
// What the daemon says goes to service/log below its directory, which nobody shortens.
func defineLaunchd(s Spec, p Place) (Definition, error) {
	if err := s.unhardened("launchd"); err != nil {
		return Definition{}, err
	}
	if len(s.After) > 0 {
		return Definition{}, fmt.Errorf("after %s: launchd has no order among services", s.After[0])
	}
	limits, err := s.shellLimits()
	if err != nil {
		return Definition{}, err
	}
	for _, arg := range append([]string{p.Base}, s.Args...) {
		if strings.ContainsFunc(arg, func(r rune) bool { return r < 0x20 && r != '\t' && r != '\n' || r == '\uFFFD' }) {
			return Definition{}, fmt.Errorf("%q has a character that no property list can hold", arg)
		}
	}
	var d plist
	d.open()
	d.key("Label", "sh.davit."+p.Name)
	d.key("ProgramArguments", append([]string{"/bin/sh", "-c", s.launchdProgram(p, limits), p.Base, p.executable()}, s.Args...))
	if p.System {
		d.key("UserName", cmp.Or(s.User, "root"))
	}
	if dir := s.workingDir(p); dir != "" {
		d.key("WorkingDirectory", dir)
	}
	d.key("RunAtLoad", true)
	switch s.Restart {
	case Always:
		d.key("KeepAlive", true)
	case OnFailure:
		d.raw("KeepAlive", "<dict><key>SuccessfulExit</key><false/></dict>")
	}
	d.key("ThrottleInterval", 1)
	d.key("ExitTimeOut", max(1, int(s.Stop.Round(time.Second)/time.Second)))
	d.key("StandardOutPath", p.Base+"/service/log")
	d.key("StandardErrorPath", p.Base+"/service/log")
	for _, line := range s.Lines {
		d.WriteString("\t" + line + "\n")
	}
	d.shut()
	return Definition{Kind: Launchd, Unit: d.Bytes(), Env: s.shellEnv()}, nil
}

// launchdProgram returns what the shell does. It finds the daemon's directory in $0 and its command line in $@.
func (s Spec) launchdProgram(p Place, limits []string) string {
	lines := []string{
		"# " + Mark(p.Name) + "; edits are lost at the next start.",
		`[ ! -e "$0/pending" ] || (. "$0/pending")`,
	}
	if s.WorkingDir == "" {
		home := shellescape.Quote(p.Home)
		if p.System {
			home = "~" + cmp.Or(s.User, "root")
		}
		lines = append(lines, "cd "+home+" 2>/dev/null || cd /")
	}
	for _, limit := range limits {
		lines = append(lines, limit+" || exit")
	}
	return strings.Join(append(lines, `. "$0/service/env" || exit`, `exec "$@"`), "\n")
}

// plist is a property list as it is written.
type plist struct{ bytes.Buffer }

func (d *plist) open() {
	d.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
`)
}

func (d *plist) shut() { d.WriteString("</dict>\n</plist>\n") }

func (d *plist) raw(key, value string) {
	fmt.Fprintf(d, "\t<key>%s</key>\n\t%s\n", key, value)
}

// key adds a value: a string, some of them, an integer, or whether it is so.
func (d *plist) key(key string, value any) {
	switch value := value.(type) {
	case bool:
		d.raw(key, fmt.Sprintf("<%t/>", value))
	case int:
		d.raw(key, fmt.Sprintf("<integer>%d</integer>", value))
	case string:
		d.raw(key, plistString(value))
	case []string:
		d.raw(key, "<array>")
		for _, element := range value {
			d.WriteString("\t\t" + plistString(element) + "\n")
		}
		d.WriteString("\t</array>\n")
	}
}

func plistString(text string) string {
	var b strings.Builder
	// It fails only if b does.
	_ = xml.EscapeText(&b, []byte(text))
	// The shell's lines stay lines.
	return "<string>" + strings.ReplaceAll(b.String(), "&#xA;", "\n") + "</string>"
}
