package cli

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
)

// lockedKey makes a key with a passphrase that h lets in, and returns the path of an ssh_config
// that uses it.
func lockedKey(t *testing.T, passphrase string) (h *testhost.Host, config string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	must(t, err)
	key := filepath.Join(t.TempDir(), "locked_key")
	must(t, os.WriteFile(key, pem.EncodeToMemory(block), 0o600))
	authorized, err := ssh.NewPublicKey(public)
	must(t, err)
	h = testhost.Start(t)
	h.Authorize(authorized)
	config = filepath.Join(t.TempDir(), "ssh_config")
	must(t, os.WriteFile(config, []byte("IdentityFile "+key+"\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile "+h.KnownHosts+"\n"), 0o600))
	return h, config
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPassphraseIsAskedForOnATerminal(t *testing.T) {
	t.Parallel()
	const answer = "swordfish"
	h, config := lockedKey(t, answer)
	args := []string{"check", h.Target(), "--ssh-config", config}
	for name, c := range map[string]struct {
		terminal bool
		want     int
	}{
		"the right one":               {true, davit.ExitDone},
		"nobody is there to be asked": {false, davit.ExitConnect},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs locked
			asked := 0
			std := terminal(nil)
			std.Out, std.Err, std.OutTerminal, std.SameTerminal, std.InTerminal = &out, &errs, false, false, c.terminal
			std.Secret = func(context.Context) (string, error) { asked++; return answer, nil }
			if code := Run(t.Context(), args, std); code != c.want {
				t.Errorf("exit code %d, want %d; stderr:\n%s", code, c.want, errs.String())
			}
			if c.terminal != (asked > 0) || c.terminal != strings.Contains(errs.String(), "passphrase for the key") {
				t.Errorf("asked %d times; stderr:\n%s", asked, errs.String())
			}
			if strings.Contains(out.String()+errs.String(), answer) {
				t.Error("the answer is shown")
			}
		})
	}
}
