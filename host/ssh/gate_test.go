package ssh_test

import (
	"testing"

	"github.com/davit-sh/davit/host/ssh"
)

func TestAGateIsWhatAConnectionComesToFirst(t *testing.T) {
	t.Parallel()
	config := write(t, `Host jump
  HostName 10.0.0.9
  Port 2200
Host behind other
  HostName %h.example.com
  ProxyJump jump,second
Host piped too
  ProxyCommand ssh -W %h:%p me@jump
`)
	for name, c := range map[string]struct{ host, jump, want string }{
		"no way but its own":           {"me@10.0.0.1:24", "", "10.0.0.1:24"},
		"the configuration's":          {"behind", "", "10.0.0.9:2200"},
		"the same for another":         {"other", "", "10.0.0.9:2200"},
		"a jump that was asked for":    {"behind", "third:23,jump", "third:23"},
		"none was asked for":           {"other", "none", "other.example.com:22"},
		"a command":                    {"piped", "", "ssh -W %h:%p me@jump"},
		"the same command":             {"too", "", "ssh -W %h:%p me@jump"},
		"a jump in place of a command": {"piped", "jump", "10.0.0.9:2200"},
	} {
		h, err := ssh.New(c.host, ssh.Options{ConfigFile: config, Jump: c.jump})
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Gate(t.Context()); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	h, err := ssh.New("x", ssh.Options{ConfigFile: "/nonexistent/config"})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Gate(t.Context()); got != "" {
		t.Errorf("of a configuration that cannot be read: %q", got)
	}
}
