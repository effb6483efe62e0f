package world

import (
	"testing"

	"github.com/davit-sh/davit/host"
)

// Gates tests what hosts name as the first that a connection comes to; of returns one of that name, with these
// jumps, and jump is how a jump host of that alias is named.
func Gates(t *testing.T, of func(name, jump, config string) host.Gated, jump string) {
	t.Helper()
	config := Write(t, `Host jump
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
		"the configuration's":          {"behind", "", jump},
		"the same for another":         {"other", "", jump},
		"a jump that was asked for":    {"behind", "third:23,jump", "third:23"},
		"none was asked for":           {"other", "none", "other.example.com:22"},
		"a command":                    {"piped", "", "ssh -W %h:%p me@jump"},
		"the same command":             {"too", "", "ssh -W %h:%p me@jump"},
		"a jump in place of a command": {"piped", "jump", jump},
	} {
		if got := of(c.host, c.jump, config).Gate(t.Context()); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got := of("x", "", "/nonexistent/config").Gate(t.Context()); got != "" {
		t.Errorf("of a configuration that cannot be read: %q", got)
	}
}
