package ssh_test

import (
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
)

func TestTheRoundTripIsThatOfTheNetwork(t *testing.T) {
	t.Parallel()
	wan := testhost.NewWAN(t, testhost.Link{Latency: 20 * time.Millisecond})
	h := testhost.Start(t, testhost.Beyond(wan))
	conn := open(t, h.Target(), options(t, h))
	if got := conn.RoundTrip(); got != 0 {
		t.Errorf("before it is connected: %v", got)
	}
	if err := connect(t, conn); err != nil {
		t.Fatal(err)
	}
	if got := conn.RoundTrip(); got < 40*time.Millisecond {
		t.Errorf("%v, over a network that needs 40ms", got)
	}
}
