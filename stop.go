package davit

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/scripts"
	"github.com/davit-sh/davit/service"
)

// DefaultStopTimeout is the time that a stop has, all of it.
const DefaultStopTimeout = 20 * time.Second

// StopOptions say which daemon to stop, and how.
type StopOptions struct {
	Target
	// URL, as the host sees it, is asked with POST for a graceful end, before the service is stopped.
	URL string
	// Grace is how long the daemon may take to end before it is killed; service.DefaultStopTimeout, or what the
	// limit leaves, if 0.
	Grace time.Duration
}

// Validate returns an error of kind [ErrUsage] if the options cannot be used whatever the host.
func (o StopOptions) Validate() error {
	if o.Grace < 0 {
		return usage("the time to end is %v; it must be more than 0", o.Grace)
	}
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return usage("%q is not an URL that can be asked to stop the daemon: it begins with http:// or https://", o.URL)
		}
	}
	return o.Target.Validate()
}

// Stop ends the daemon on h, and returns when it is gone. It stays installed, and starts again with the host
// unless it is uninstalled. One that does not run is left alone. Every failure is an [*Error]. Stop does not close h.
func Stop(ctx context.Context, h host.Host, o StopOptions) (Receipt, error) {
	return o.operate(ctx, h, verb{"stop", "Stop daemon", DefaultStopTimeout}, o.Validate(), func(ctx context.Context, op *operation) error {
		if err := op.look(ctx, newRandom(), scripts.Life{Grace: o.grace(ctx), Outcome: string(Stopped)}); err != nil {
			return err
		}
		if err := op.installed(); err != nil {
			return err
		}
		if op.facts.foreign != "" {
			return fmt.Errorf("%w: %s is there and is not Davit's", ErrInTheWay, op.facts.foreign)
		}
		op.receipt.Service, op.receipt.State = op.facts.kind, StateStopped
		if op.facts.state == StateStopped || op.facts.state == "" {
			if err := op.part(op.steps.begin(ctx, "stop"), "bye"); err != nil {
				return err
			}
			op.done(ctx, UpToDate, "%s does not run on %s", op.Name, h.Name())
			return nil
		}
		if err := op.end(ctx, o.URL); err != nil {
			return err
		}
		op.done(ctx, Stopped, "Stopped %s on %s", op.Name, h.Name())
		return nil
	})
}

// grace returns how many seconds the daemon has to end: as long as it may, but no longer than leaves time to kill it.
func (o StopOptions) grace(ctx context.Context) int {
	grace := cmp.Or(o.Grace, service.DefaultStopTimeout)
	if end, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(end)/2)
	}
	return max(1, int(grace/time.Second))
}

// end stops the daemon, which is asked by its URL first.
func (op *operation) end(ctx context.Context, stopURL string) error {
	ctx = op.steps.begin(ctx, "stop")
	patience := 0
	if stopURL != "" {
		narrate.Sayf(ctx, "asking", "🔻 Asking %s to end: POST %s", op.Name, stopURL)
		if err := post(ctx, op.host, stopURL); err != nil {
			narrate.Warnf(ctx, "asking", "It did not take that: %v", err)
		} else {
			patience = max(1, StopOptions{}.grace(ctx)/2)
		}
	}
	narrate.Sayf(ctx, "stopping", "🛑 Stopping %s (%s, pid %d)", op.Name, op.facts.kind, op.facts.pid)
	op.begun = true
	if err := op.say(ctx, "stop", strconv.Itoa(patience)); err != nil {
		return err
	}
	if _, err := op.hear(ctx, "stopped"); err != nil {
		return err
	}
	narrate.Sayf(ctx, "stopped", "✅ It is gone")
	return op.part(ctx, "bye")
}

// post asks the URL, as the host sees it, through the connection.
func post(ctx context.Context, h host.Host, rawURL string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	transport := &http.Transport{DialContext: h.Dial, DisableKeepAlives: true}
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, rawURL, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode >= 300 {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

// askTimeout is how long a daemon may take to answer that it will end.
const askTimeout = 5 * time.Second
