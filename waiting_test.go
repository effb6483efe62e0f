package davit_test

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/health"
	"github.com/davit-sh/davit/internal/testhost"
)

// channel is what sshd logs of one that is asked for.
var channel = regexp.MustCompile(`server_input_channel_open: ctype (\S+)`)

func TestTheLooksOfAWaitShareOneChannel(t *testing.T) {
	t.Parallel()
	const looks = 20
	for name, c := range map[string]struct {
		check func(t *testing.T) (c health.Check, started func()) // of a daemon that serves at the last look
		want  []string                                            // the channels of all of a restart
	}{
		"HTTP": {
			func(t *testing.T) (health.Check, func()) {
				var asked atomic.Int32
				address := freeAddress(t)
				return health.Check{HTTP: "http://" + address}, func() { // in the daemon's place, which does not listen before either
					ln, err := net.Listen("tcp", address)
					if err != nil {
						t.Error(err)
						return
					}
					server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						if asked.Add(1) < looks {
							http.Error(w, "warming up", http.StatusServiceUnavailable)
						}
					})}
					t.Cleanup(func() { server.Close() })
					go server.Serve(ln)
				}
			},
			[]string{"session", "direct-tcpip"},
		},
		"a command": {
			func(*testing.T) (health.Check, func()) {
				return health.Check{Command: fmt.Sprintf(`echo >>~/looks; [ "$(wc -l <~/looks)" -ge %d ]`, looks)}, func() {}
			},
			[]string{"session"}, // it is asked in the conversation
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &life{T: t, keeper: keepers[0], seen: testhost.Start(t, testhost.WithSSHD("LogLevel DEBUG1"))}
			l.Host = dial(t, l.seen)
			l.must(l.install(sleeper(t, "one"), l.running()))
			before := len(l.seen.Log())
			run := *l.running()
			check, started := c.check(t)
			check.Interval = time.Millisecond
			run.Health = &check
			ctx, rec := told(t)
			ctx = when(ctx, "started", started)
			l.must(davit.Restart(ctx, l, davit.StartOptions{Target: l.target(), Run: run}))
			attempts := 0
			for _, e := range rec.Events() {
				if e.Action == "health_attempt" {
					attempts++
				}
			}
			if attempts != looks {
				t.Errorf("%d attempts", attempts)
			}
			var channels []string
			for _, m := range channel.FindAllStringSubmatch(l.seen.Log()[before:], -1) {
				channels = append(channels, m[1])
			}
			if !slices.Equal(channels, c.want) {
				t.Errorf("channels: %q, want %q", channels, c.want)
			}
		})
	}
}
