package health_test

import (
	"regexp"
	"testing"

	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/internal/testhost"
)

// asked is what sshd logs of a channel that is asked for, with the number that we give it.
var asked = regexp.MustCompile(`server_input_channel_open: ctype direct-tcpip rchan (\d+) `)

func TestAPortThatRefusesLeavesNoChannelOpen(t *testing.T) {
	t.Parallel()
	const looks = 20
	nobody := testhost.Refused(t)
	for name, c := range map[string]health.Check{"HTTP": {HTTP: "http://" + nobody}, "TCP": {TCP: nobody}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t, testhost.WithSSHD("LogLevel DEBUG1"))
			ctx, _ := told(t)
			p := prober(t, c, asker(t, h))
			for range looks {
				unhealthy(t, p.Once(ctx), "nothing listens")
			}
			channels := asked.FindAllStringSubmatch(h.Log(), -1)
			if len(channels) != looks {
				t.Errorf("%d channels were asked for in %d looks", len(channels), looks)
			}
			for _, m := range channels {
				if m[1] != "0" { // the lowest number that is free
					t.Errorf("channel %s was asked for while another was open", m[1])
				}
			}
		})
	}
}
