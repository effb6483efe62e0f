package service

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
)

var (
	envName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	userName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?$`)
	limitName  = regexp.MustCompile(`^[a-z]+$`)
	limitValue = regexp.MustCompile(`^(\d+[KMGT]?|unlimited|infinity)(:(\d+[KMGT]?|unlimited|infinity))?$`)
	directive  = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
)

// unlimited is the value of a limit that is none.
const unlimited = "unlimited"

// Validate returns an error if the Spec can be used by no kind. What only one kind cannot express,
// Define says.
func (s Spec) Validate() error {
	if err := s.textual(); err != nil {
		return err
	}
	if s.Stop < 0 {
		return fmt.Errorf("the time to stop is %v; it must be more than 0", s.Stop)
	}
	if !slices.Contains([]string{"", OnFailure, Always, Never}, s.Restart) {
		return fmt.Errorf("unknown restart %q: it is %s, %s or %s", s.Restart, OnFailure, Always, Never)
	}
	if s.WorkingDir != "" && !strings.HasPrefix(s.WorkingDir, "/") && !strings.HasPrefix(s.WorkingDir, "~/") {
		return fmt.Errorf("the working directory is %q; it must begin with / or ~/", s.WorkingDir)
	}
	if s.User != "" && !userName.MatchString(s.User) {
		return fmt.Errorf("%q is no name of a user", s.User)
	}
	seen := map[string]bool{}
	for i, entry := range slices.Concat(s.Env, s.Secrets) {
		name, _, ok := strings.Cut(entry, "=")
		switch {
		case !ok || !envName.MatchString(name):
			return fmt.Errorf("entry %d of the environment does not begin with NAME=", i+1)
		case seen[name]:
			return fmt.Errorf("the environment has %s twice", name)
		}
		seen[name] = true
	}
	for name, value := range s.Limits {
		if !limitName.MatchString(name) {
			return fmt.Errorf("%q is no name of a resource limit", name)
		}
		if !limitValue.MatchString(value) {
			return fmt.Errorf("the limit %s is %q; it must be a number, SOFT:HARD or %s", name, value, unlimited)
		}
	}
	for name := range s.Hardening {
		if !directive.MatchString(name) {
			return fmt.Errorf("%q is no directive of systemd", name)
		}
	}
	return nil
}

// textual returns an error if something has a character that no description can hold.
func (s Spec) textual() error {
	for _, arg := range slices.Concat(s.Args, s.Env, s.Secrets) {
		if strings.Contains(arg, "\x00") {
			return fmt.Errorf("an argument, or a value of the environment, has a NUL character")
		}
	}
	lines := slices.Concat([]string{s.User, s.WorkingDir}, s.After, s.Lines)
	for name, value := range s.Limits {
		lines = append(lines, name+value)
	}
	for name, value := range s.Hardening {
		lines = append(lines, name+value)
	}
	for _, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("%q has a control character", line)
		}
	}
	return nil
}

// resolved returns s with what it leaves open filled in.
func (s Spec) resolved() Spec {
	s.Restart = cmp.Or(s.Restart, OnFailure)
	s.Stop = cmp.Or(s.Stop, DefaultStopTimeout)
	return s
}

// workingDir returns the directory that the daemon runs in, absolute, or "" for the home of whom it runs as.
func (s Spec) workingDir(p Place) string {
	if rest, below := strings.CutPrefix(s.WorkingDir, "~/"); below {
		return p.Home + "/" + rest
	}
	return s.WorkingDir
}

// executable returns the path that the daemon is started by.
func (p Place) executable() string { return p.Base + "/current/" + p.Name }

// shellEnv returns the environment as assignments that a POSIX shell exports.
func (s Spec) shellEnv() []byte {
	var b bytes.Buffer
	for _, entry := range slices.Concat(s.Env, s.Secrets) {
		name, value, _ := strings.Cut(entry, "=")
		fmt.Fprintf(&b, "export %s=%s\n", name, shellescape.Quote(value))
	}
	return b.Bytes()
}
