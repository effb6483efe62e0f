package testhost_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
)

func TestLoginShells(t *testing.T) {
	t.Parallel()
	for shell, noise := range map[string]string{
		"bash": ".bashrc", "dash": "", "fish": ".config/fish/config.fish", "tcsh": ".tcshrc",
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			options := []testhost.Option{testhost.WithShell(shell)}
			if noise != "" {
				options = append(options, testhost.WithFile(noise, "echo noise\n"))
			}
			h := testhost.Start(t, options...)
			if got := h.Run(`basename "$SHELL"; cat`); got != shell+"\n" {
				t.Errorf("got %q", got)
			}
			if got := systemSSH(t, h, "true"); noise != "" && got != "noise\n" {
				t.Errorf("got %q, want the noise of %s", got, noise)
			}
		})
	}
}

func TestAPathHasOnlyItsTools(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]testhost.Option{
		"ordinary": testhost.Ordinary, "root": testhost.Root,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t, login, testhost.WithPath(append(testhost.BaseTools, "gzip")...))
			got := h.Run(`for tool in sed gzip sha256sum zstd flock; do command -v $tool; done; true`)
			if n := len(strings.Fields(got)); n != 2 {
				t.Errorf("got %q, want sed and gzip", got)
			}
			for _, tool := range testhost.BaseTools {
				h.Run("command -v " + tool)
			}
		})
	}
}

func TestConfigurationReachesSSHD(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t,
		testhost.WithEnv("ODD", `a "b" \c $d`),
		testhost.WithSSHD("Match all\n  AcceptEnv NONE", "Banner "+bannerFile(t)),
		testhost.WithSSHD("LogLevel DEBUG1"),
		testhost.WithPrepare(func(h *testhost.Host) { os.Mkdir(filepath.Join(h.Home, "made"), 0o700) }))
	if got := h.Run(`printf %s "$ODD"`); got != `a "b" \c $d` {
		t.Errorf("environment: got %q", got)
	}
	h.Run(`test -O "$HOME/made"`)
	if !strings.Contains(h.Log(), "debug1: ") {
		t.Error("the test's own log level did not win")
	}
}

func bannerFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "banner")
	if err := os.WriteFile(path, []byte("Keep out.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// witness is a test that only notes how it was ended, and goes on.
type witness struct {
	testing.TB
	ends []string
}

func (w *witness) Helper()               {}
func (w *witness) Fatalf(string, ...any) { w.ends = append(w.ends, "failed") }
func (w *witness) Skipf(string, ...any)  { w.ends = append(w.ends, "skipped") }

func TestWhatIsMissingIsSkippedButNotInCI(t *testing.T) {
	for ci, want := range map[string]string{"": "skipped", "true": "failed"} {
		t.Setenv("CI", ci)
		w := &witness{TB: t}
		testhost.Need(w, "no-such-tool")
		if len(w.ends) == 0 || w.ends[0] != want {
			t.Errorf("CI=%q: got %v, want %s", ci, w.ends, want)
		}
	}
}

func TestMountsAreSeenOnTheHostOnly(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t, testhost.HomeOnTmpfs("size=1m"), testhost.OwnSystem(map[string]string{"testhost": "for USER"}))
	h.Run(`test -w "$HOME"; echo hello >file; df -Pk . | grep -q tmpfs`)
	if got, err := os.ReadFile(h.See(h.Home + "/file")); string(got) != "hello\n" {
		t.Errorf("seen: %q, %v", got, err)
	}
	if got, err := os.ReadFile(h.See("/etc/testhost")); string(got) != "for "+h.User+"\n" {
		t.Errorf("its own /etc: %q, %v", got, err)
	}
	for _, path := range []string{h.Home + "/file", "/etc/testhost"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is on the machine", path)
		}
	}
}

func TestBusyboxHostsHaveNothingElse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		option testhost.Option
		want   string
	}{
		"in PATH":    {testhost.Applets, "cat of busybox, another sh"},
		"as /bin/sh": {testhost.BusyboxSh, "cat of busybox, sh of busybox"},
		"at all":     {testhost.AllBusybox, "cat of busybox, sh of busybox"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testhost.Start(t, c.option)
			got := h.Run(`of() { if "$@" --help 2>&1 | grep -q BusyBox; then echo of busybox; else echo other; fi; }
				if [ "$(of cat)" = "of busybox" ]; then printf 'cat of busybox, '; fi
				if [ "$(sha256sum </bin/sh)" = "$(sha256sum <"$(command -v cat)")" ]; then printf 'sh of busybox'; else printf 'another sh'; fi`)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDropbearServes(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t, testhost.Dropbear, testhost.WithShell("bash"), testhost.WithFile(".bashrc", "echo noise\n"))
	if got, want := h.Run(`echo "$(id -un) $HOME"`), h.User+" "+h.Home+"\n"; got != want {
		t.Errorf("Go's client: got %q, want %q", got, want)
	}
	if got := systemSSH(t, h, "true"); got != "noise\n" {
		t.Errorf("system's client: got %q", got)
	}
	dial(t, h)
	testhost.Eventually(t, "it holds one connection", func() bool { return h.Connections() == 1 })
	h.StopSSHD()
	h.StartSSHD()
	h.Run("true")
}

func TestAClockMayBeOff(t *testing.T) {
	t.Parallel()
	for _, off := range []string{"-1d", "+1d"} {
		h := testhost.Start(t, testhost.WithClock(off))
		seconds, err := strconv.ParseInt(strings.TrimSpace(h.Run("date +%s")), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Until(time.Unix(seconds, 0)).Round(24 * time.Hour); got.Hours() != map[string]float64{"-1d": -24, "+1d": 24}[off] {
			t.Errorf("%s: it is off by %v", off, got)
		}
	}
}
