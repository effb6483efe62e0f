package ssh_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func TestAnUnknownHostKeyIsRefusedWithItsFingerprint(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	for name, files := range map[string][]string{
		"no file":          {filepath.Join(t.TempDir(), "none")},
		"an empty file":    {write(t, "")},
		"another host's":   {write(t, knownhosts.Line([]string{"127.0.0.1:1"}, h.HostKey)+"\n")},
		"no file is named": {},
	} {
		o := options(t, h)
		o.KnownHostsFiles = files
		err := connect(t, open(t, h.Target(), o))
		e := fails(t, err, host.ErrHostKeyUnknown, h.Target(), "ed25519 "+ssh.FingerprintSHA256(h.HostKey))
		if !strings.Contains(e.Hint, "--accept-new-host-keys") {
			t.Errorf("%s: hint %q", name, e.Hint)
		}
	}
}

func TestAChangedHostKeyIsRefusedFullStop(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	other := testhost.NewKey(t, filepath.Join(t.TempDir(), "key")).PublicKey()
	o := options(t, h)
	o.AcceptNewHostKeys = true
	file := write(t, "# a comment\n"+knownhosts.Line([]string{h.Addr}, other)+"\n")
	o.KnownHostsFiles = []string{file}
	before := read(t, file)
	fails(t, connect(t, open(t, h.Target(), o)), host.ErrHostKeyChanged, h.Target(),
		file+":2", ssh.FingerprintSHA256(h.HostKey), ssh.FingerprintSHA256(other))
	if after := read(t, file); after != before {
		t.Errorf("known_hosts was changed to %q", after)
	}
}

func TestAKnownHostsLineThatCannotBeReadIsLeftOut(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	other := testhost.NewKey(t, filepath.Join(t.TempDir(), "key")).PublicKey()
	const rubbish = "old.example 1024 35 1234567890\n\nhost.example ssh-future AAAA\n" // a key of SSH 1, and one of a later day
	o := options(t, h)
	o.KnownHostsFiles = []string{write(t, rubbish+knownhosts.Line([]string{h.Addr}, h.HostKey)+"\n")}
	if err := connect(t, open(t, h.Target(), o)); err != nil {
		t.Error(err)
	}
	file := write(t, rubbish+knownhosts.Line([]string{h.Addr}, other)+"\n")
	o.KnownHostsFiles = []string{file}
	fails(t, connect(t, open(t, h.Target(), o)), host.ErrHostKeyChanged, h.Target(), file+":4", ssh.FingerprintSHA256(other))
}

func TestAKeyOfAnotherKindThanTheKnownOneIsAChangedKey(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	o := options(t, h)
	o.AcceptNewHostKeys = true
	o.KnownHostsFiles = []string{write(t, knownhosts.Line([]string{h.Addr}, rsaKey(t))+"\n")}
	fails(t, connect(t, open(t, h.Target(), o)), host.ErrHostKeyChanged, h.Target(), "rsa SHA256:", "ed25519 SHA256:")
}

func TestTheKnownKindOfKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	// A server with several keys shows the one that is known, not the one that it likes best.
	path := filepath.Join(t.TempDir(), "ecdsa")
	public := ecdsaKey(t, path)
	h := testhost.Start(t, testhost.WithSSHD("HostKey "+path))
	for _, key := range []ssh.PublicKey{h.HostKey, public} {
		o := options(t, h)
		o.KnownHostsFiles = []string{write(t, knownhosts.Line([]string{h.Addr}, key)+"\n")}
		if err := connect(t, open(t, h.Target(), o)); err != nil {
			t.Errorf("%s: %v", key.Type(), err)
		}
	}
}

func TestARevokedKeyIsRefused(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	o := options(t, h)
	line := knownhosts.Line([]string{h.Addr}, h.HostKey) + "\n"
	o.KnownHostsFiles = []string{write(t, line+"@revoked "+strings.Replace(line, h.Addr, "*", 1))}
	fails(t, connect(t, open(t, h.Target(), o)), host.ErrHostKeyChanged, h.Target(), "revoke")
}

func TestANewHostKeyIsAcceptedOnceAndVerifiedThen(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	o := options(t, h)
	o.AcceptNewHostKeys = true
	file := filepath.Join(t.TempDir(), "a", "folder", "known_hosts")
	o.KnownHostsFiles = []string{file}
	ctx, rec := told(t)
	if err := open(t, h.Target(), o).Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(rec.Actions(), "host_key") {
		t.Error("nothing was told")
	}
	for path, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, error %v; want %v", path, info.Mode(), err, want)
		}
	}
	line := read(t, file)
	o.AcceptNewHostKeys = false
	if err := connect(t, open(t, h.Target(), o)); err != nil {
		t.Errorf("the second time: %v", err)
	}
	o.AcceptNewHostKeys = true
	if err := connect(t, open(t, h.Target(), o)); err != nil || read(t, file) != line {
		t.Errorf("the third time: error %v, known_hosts %q, want %q", err, read(t, file), line)
	}
}

func TestANewHostKeyStartsALineOfItsOwn(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	o := options(t, h)
	o.AcceptNewHostKeys = true
	o.KnownHostsFiles = []string{write(t, "# no newline at the end"), write(t, "")}
	if err := connect(t, open(t, h.Target(), o)); err != nil {
		t.Fatal(err)
	}
	want := "# no newline at the end\n" + knownhosts.Line([]string{h.Addr}, h.HostKey) + "\n"
	if got := read(t, o.KnownHostsFiles[0]); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := read(t, o.KnownHostsFiles[1]); got != "" {
		t.Errorf("the second file has %q", got)
	}
}

func TestAHostIsKnownUnderManyForms(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	ip, _, _ := net.SplitHostPort(h.Addr)
	key := string(ssh.MarshalAuthorizedKey(h.HostKey))
	for name, line := range map[string]string{
		"hashed":           knownhosts.HashHostname(knownhosts.Normalize(h.Addr)) + " " + key,
		"without its port": ip + " " + key,
		"by a pattern":     "127.0.* " + key,
	} {
		o := options(t, h)
		o.KnownHostsFiles = []string{write(t, line)}
		if err := connect(t, open(t, h.Target(), o)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSSHConfigSaysHowHostKeysAreChecked(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	key := string(ssh.MarshalAuthorizedKey(h.HostKey))
	for name, c := range map[string]struct {
		known string
		lines []string
		want  error
		warns bool
	}{
		"an alias for the key":       {"the-key " + key, []string{"HostKeyAlias the-key"}, nil, false},
		"new keys are accepted":      {"", []string{"StrictHostKeyChecking accept-new"}, nil, true},
		"turning it off is no way":   {"", []string{"StrictHostKeyChecking no"}, host.ErrHostKeyUnknown, true},
		"two files, the second good": {"", []string{"GlobalKnownHostsFile " + h.KnownHosts}, nil, false},
	} {
		lines := append(c.lines, "UserKnownHostsFile "+write(t, c.known)) // the first word counts
		config := "Host x\n  " + strings.Join(lines, "\n  ") + "\n" + h.Block("x")
		ctx, rec := told(t)
		err := open(t, "x", sshOptions(write(t, config))).Connect(ctx)
		if !errors.Is(err, c.want) || (c.want == nil && err != nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if warned := len(rec.Events()) > 0; warned != c.warns {
			t.Errorf("%s: told %q", name, rec.Actions())
		}
	}
}
