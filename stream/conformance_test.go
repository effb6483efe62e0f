package stream_test

import (
	"testing"

	"github.com/davit-sh/davit/stream"
	"github.com/davit-sh/davit/stream/streamtest"
)

func TestMemoryIsALog(t *testing.T) {
	streamtest.Run(t, func(*testing.T) stream.Log { return stream.NewMemory(1000) })
}
