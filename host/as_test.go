package host_test

import (
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
)

type bare struct{ host.Host }

type far struct{ host.Host }

func (far) RoundTrip() time.Duration { return time.Minute }

type wrapped struct{ host.Host }

func (w wrapped) Unwrap() host.Host { return w.Host }

func TestAHostIsFoundInAnother(t *testing.T) {
	for name, c := range map[string]struct {
		host  host.Host
		found bool
	}{
		"itself":                 {far{}, true},
		"wrapped twice":          {wrapped{wrapped{far{}}}, true},
		"one that cannot":        {bare{}, false},
		"wrapped, and cannot":    {wrapped{bare{}}, false},
		"in one that hides it":   {bare{far{}}, false},
		"there is nothing in it": {wrapped{}, false},
		"a wrapper of its own":   {far{wrapped{bare{}}}, true},
	} {
		m, ok := host.As[host.Measured](c.host)
		if ok != c.found || ok && m.RoundTrip() != time.Minute {
			t.Errorf("%s: %v, %v", name, m, ok)
		}
	}
}
