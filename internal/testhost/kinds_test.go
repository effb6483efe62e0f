package testhost_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
