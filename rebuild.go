package davit

import (
	"context"
	"time"

	"github.com/davit-sh/davit/host"
)

// DefaultRebuildTimeout is the time that a rebuild has, all of it.
const DefaultRebuildTimeout = 10 * time.Minute

// Rebuild is [Install] of a daemon that is to run afterwards, whether it ran before or not: it builds the
// executable, or takes the one that is named, installs it, has the daemon run it, and returns when that serves. If it
// does not serve, the previous release is put back. What runs as it is to run already is only looked at.
func Rebuild(ctx context.Context, h host.Host, o InstallOptions) (Receipt, error) {
	if o.Run == nil {
		o.Run = &Run{}
	}
	return o.install(ctx, h, verb{"rebuild", "Rebuild daemon", DefaultRebuildTimeout})
}
