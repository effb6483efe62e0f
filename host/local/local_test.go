package local_test

import (
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/hosttest"
	"github.com/davit-sh/davit/host/local"
)

func TestThisMachineKeepsWhatAHostPromises(t *testing.T) {
	t.Parallel()
	hosttest.Run(t, func(*testing.T) host.Host { return local.New() })
}
