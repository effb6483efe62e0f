package ssh_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
)

func TestATargetIsWrittenInManyWays(t *testing.T) {
	for target, want := range map[string]string{
		"gpu-1":                  "gpu-1",
		"me@gpu-1":               "me@gpu-1",
		"me@gpu-1:2222":          "me@gpu-1:2222",
		"me@gpu-1:02222":         "me@gpu-1:2222",
		"ssh://gpu-1":            "gpu-1",
		"ssh://me@gpu-1:2222/":   "me@gpu-1:2222",
		"me@example.org@gpu-1":   "me@example.org@gpu-1",
		"::1":                    "::1",
		"[::1]":                  "::1",
		"[192.0.2.1]":            "192.0.2.1",
		"[::1]:22":               "[::1]:22",
		"me@[fe80::1%eth0]:2222": "me@[fe80::1%eth0]:2222",
		"ssh://me@[2001:db8::1]": "me@2001:db8::1",
		"gpu_1.example.org.":     "gpu_1.example.org.",
		"rechner-in-köln":        "rechner-in-köln",
	} {
		h, err := ssh.New(target, ssh.Options{})
		if err != nil {
			t.Errorf("%q: %v", target, err)
		} else if h.Name() != want {
			t.Errorf("%q: got %q, want %q", target, h.Name(), want)
		}
	}
}

// badTargets are refused, each for the reason that its error has.
var badTargets = map[string]string{
	"":                          "empty",
	"me@":                       "empty",
	"ssh://":                    "empty",
	"@gpu-1":                    "before the @",
	"-oProxyCommand=id":         "dash",
	"me@-oProxyCommand=id":      "dash",
	"-lroot@gpu-1":              "dash",
	"ssh://-oProxyCommand=id/":  "dash",
	"gpu-1:":                    "port",
	"gpu-1:0":                   "port",
	"gpu-1:65536":               "port",
	"gpu-1:-22":                 "port",
	"gpu-1:22:22":               "port",
	"gpu-1:ssh":                 "port",
	"[::1]:":                    "port",
	"[::1]22":                   "only :port",
	"[::1":                      "brackets",
	"[gpu-1]:22":                "brackets",
	"gpu 1":                     "space",
	"me @gpu-1":                 "space",
	"gpu-1\n":                   "space",
	"gpu-1\x00":                 "unprintable",
	"gpu-1\x1b[2J":              "unprintable",
	"gpu-1\xff":                 "unprintable",
	"gpu-1\u202e":               "unprintable",
	"$(id)":                     "syntax",
	"me;id@gpu-1":               "syntax",
	"`id`@gpu-1":                "syntax",
	"http://gpu-1":              "port",
	"http://me@gpu-1":           "ssh://",
	"gpu-1/etc/passwd":          "no host's name",
	"a,b":                       "no host's name",
	"gpu*":                      "no host's name",
	"gpu%n":                     "no host's name",
	"ssh://me@gpu-1:22/a/path/": "port",
}

func TestABadTargetIsRefusedWithAReasonAndAWayOut(t *testing.T) {
	for target, reason := range badTargets {
		_, err := ssh.New(target, ssh.Options{})
		e, ok := errors.AsType[*host.Error](err)
		if !ok || !errors.Is(err, host.ErrConfig) || e.Hint == "" {
			t.Errorf("%q: got %v, want a %v with a hint", target, err, host.ErrConfig)
			continue
		}
		if !strings.Contains(err.Error(), reason) || strings.ContainsAny(err.Error(), "\n\x00\x1b") {
			t.Errorf("%q: got %q, want it to say %q", target, err, reason)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for target := range badTargets {
		f.Add(target)
	}
	for _, target := range []string{
		"ssh://me@[fe80::1%eth0]:2222/", "me@example.org@gpu-1:22", "::ffff:127.0.0.1", "[::]:1", "0:0::1%25", "me:pw@gpu-1", "gpu-1.", "ssh://ssh:22", "me@ssh://gpu-1", "fe80::1%", "1:2", "rechner-in-köln:22",
	} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		h, err := ssh.New(target, ssh.Options{})
		if err != nil {
			if !errors.Is(err, host.ErrConfig) {
				t.Fatalf("%q: %v", target, err)
			}
			return
		}
		name := h.Name()
		bare := name[strings.LastIndex(name, "@")+1:]
		if bare == "" || strings.HasPrefix(name, "-") || strings.HasPrefix(bare, "-") || strings.ContainsAny(name, " \n\r\t\x00\x1b'\"`$;&|<>(){}\\") {
			t.Fatalf("%q: dangerous name %q", target, name)
		}
		for _, form := range []string{name, "ssh://" + name, "ssh://" + name + "/"} {
			again, err := ssh.New(form, ssh.Options{})
			if err != nil || again.Name() != name {
				t.Fatalf("%q: its name, as %q, is another target: %v", target, form, err)
			}
		}
	})
}
