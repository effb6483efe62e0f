package cli

import (
	"slices"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestClockIsRoundedUp(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0:00", 0: "0:00", time.Millisecond: "0:01", 59*time.Second + 1: "1:00",
		time.Hour - time.Second: "59:59", time.Hour + 62*time.Second: "1:01:02",
	} {
		if got := clock(d); got != want {
			t.Errorf("clock(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestTook(t *testing.T) {
	t.Parallel()
	for s, want := range map[float64]string{0: "0.0 s", 1.26: "1.3 s", 59.9: "59.9 s", 125.4: "2 min 5 s"} {
		if got := took(s); got != want {
			t.Errorf("took(%v) = %q, want %q", s, got, want)
		}
	}
}

func TestTableAlignsItsColumnsWithoutTrailingSpaces(t *testing.T) {
	t.Parallel()
	got := table([][]string{{"HOST", "RESULT", "TIME"}, {"gpu-1", "ok", "1.3 s"}, {"ümläut", "failed", "-", "(exit code 4)"}, {"last"}})
	want := []string{"HOST    RESULT  TIME", "gpu-1   ok      1.3 s", "ümläut  failed  -      (exit code 4)", "last"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTheNearestFlagIsSuggested(t *testing.T) {
	t.Parallel()
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, name := range []string{"timeout", "scope", "identity", "json", "accept-new-host-keys"} {
		f.Bool(name, false, "")
	}
	for wrong, want := range map[string]string{
		"tiemout": "timeout", "time": "timeout", "Json": "json", "ident": "identity", "accept": "accept-new-host-keys",
		"accept-new-hostkeys": "accept-new-host-keys", "force": "", "zzz": "", "x": "", "js": "",
	} {
		if got := nearest(wrong, f); got != want {
			t.Errorf("--%s: %q is suggested, want %q", wrong, got, want)
		}
	}
}
