//go:build unix

package openssh_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// without returns the block of h without the lines that begin with any of words.
func without(h *testhost.Host, words ...string) string {
	var lines []string
	for line := range strings.Lines(h.Block("x")) {
		if !slices.Contains(words, strings.Fields(line)[0]) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// answers returns a user with these answers, who then leaves, and the questions so far.
func answers(all ...string) (prompt func(context.Context, string) (string, error), asked *[]string) {
	asked = &[]string{}
	return func(_ context.Context, question string) (string, error) {
		*asked = append(*asked, question)
		if len(*asked) > len(all) {
			return "", errors.New("the user has gone")
		}
		return all[len(*asked)-1], nil
	}, asked
}

func TestAnUnknownHostKeyIsRefusedWithItsFingerprint(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	shown := "ed25519 " + ssh.FingerprintSHA256(h.HostKey)
	config := without(h, "UserKnownHostsFile")
	for name, line := range map[string]string{
		"asking":       "",
		"strict":       "  StrictHostKeyChecking yes\n",
		"not checking": "  StrictHostKeyChecking no\n",
		"in a batch":   "  BatchMode yes\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known := write(t, "")
			err := connect(t, open(t, "x", config+"  UserKnownHostsFile "+known+"\n"+line))
			fails(t, err, host.ErrHostKeyUnknown, "x", "the host key is not known here: "+shown, "--accept-new-host-keys")
			if text := read(t, known); text != "" {
				t.Errorf("it is known now: %q", text)
			}
		})
	}
}

func TestANewHostKeyIsAcceptedOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	known := write(t, "")
	config := without(h, "UserKnownHostsFile") + "  UserKnownHostsFile " + known + "\n"
	accept := func(o *openssh.Options) { o.AcceptNewHostKeys = true }
	ctx, rec := told(t)
	if err := open(t, "x", config, accept).Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if actions := rec.Actions(); !slices.Equal(actions, []string{"host_key"}) || !strings.Contains(rec.Events()[0].Message, ssh.FingerprintSHA256(h.HostKey)) {
		t.Errorf("told %q: %v", actions, rec.Events())
	}
	if err := connect(t, open(t, "x", config)); err != nil {
		t.Errorf("the second time: %v", err)
	}
	os.WriteFile(known, nil, 0o600)
	if err := connect(t, open(t, "x", config+"  StrictHostKeyChecking accept-new\n")); err != nil {
		t.Errorf("as ssh_config says: %v", err)
	}
}

func TestAChangedHostKeyIsRefusedFullStop(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	other := testhost.NewKey(t, filepath.Join(t.TempDir(), "key")).PublicKey()
	known := write(t, "# a comment\n"+knownhosts.Line([]string{h.Addr}, other)+"\n")
	before := read(t, known)
	config := without(h, "UserKnownHostsFile") + "  UserKnownHostsFile " + known + "\n"
	for _, line := range []string{"", "  StrictHostKeyChecking no\n"} {
		err := connect(t, open(t, "x", config+line, func(o *openssh.Options) { o.AcceptNewHostKeys = line == "" }))
		fails(t, err, host.ErrHostKeyChanged, "x", known+":2", ssh.FingerprintSHA256(h.HostKey), "only if you know why it changed: ssh-keygen -f")
		if after := read(t, known); after != before {
			t.Errorf("known_hosts was changed to %q", after)
		}
	}
}

func TestAWrongKeyIsNamed(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	path := filepath.Join(t.TempDir(), "wrong")
	key := testhost.NewKey(t, path)
	identity := func(o *openssh.Options) { o.Identities = []string{path} }
	config := without(h, "IdentityFile") + "  IdentitiesOnly yes\n"
	fails(t, connect(t, open(t, "x", config, identity)), host.ErrAuth, "x",
		h.User, "Permission denied (publickey)", ssh.FingerprintSHA256(key.PublicKey()), path, "ssh -v x")
	fails(t, connect(t, open(t, "x", config+"  IdentityFile none\n")), host.ErrAuth, "x", "no key was offered")
	// A key that is not there is a mistake.
	path += ".none"
	fails(t, connect(t, open(t, "x", config, identity)), host.ErrConfig, "x", path)
}

func TestTooManyKeysHaveAWayOut(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	config := without(h, "IdentityFile") + "  IdentitiesOnly yes\n"
	for i := range 7 {
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		testhost.NewKey(t, path)
		config += "  IdentityFile " + path + "\n"
	}
	fails(t, connect(t, open(t, "x", config)), host.ErrAuth, "x", "Too many authentication failures", "--identity")
	// The key that the caller names comes before all others.
	far := open(t, "x", config, func(o *openssh.Options) { o.Identities = []string{h.IdentityFile} })
	if err := connect(t, far); err != nil {
		t.Errorf("with a named key: %v", err)
	}
}

func TestAnEncryptedKeyIsUnlockedByTheUser(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	path := write(t, read(t, h.IdentityFile))
	encrypt(t, path, "open sesame")
	config := without(h, "IdentityFile") + "  IdentitiesOnly yes\n"
	for name, c := range map[string]struct {
		answers []string // nil: nobody is there
		line    string
		want    error
		asked   int
	}{
		"right at once":       {[]string{"open sesame"}, "", nil, 1},
		"right at last":       {[]string{"no", "open sesame"}, "", nil, 2},
		"wrong too often":     {[]string{"no", "no", "no", "open sesame"}, "", host.ErrAuth, 3},
		"the user gives up":   {[]string{}, "", host.ErrAuth, 1},
		"nobody can be asked": {nil, "", host.ErrAuth, 0},
		"asking is forbidden": {[]string{"open sesame"}, "  BatchMode yes\n", host.ErrAuth, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prompt, asked := answers(c.answers...)
			err := connect(t, open(t, "x", config+c.line, func(o *openssh.Options) {
				o.Identities = []string{path}
				if c.answers != nil {
					o.Prompt = prompt
				}
			}))
			if !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if len(*asked) != c.asked || c.asked > 0 && !strings.Contains((*asked)[0], path) {
				t.Errorf("asked %q, want %d questions", *asked, c.asked)
			}
			if c.asked == 0 {
				fails(t, err, host.ErrAuth, "x", path, "nobody to ask", "ssh-add "+path)
			}
			noSecret(t, err, "open sesame")
		})
	}
}

// encrypt encrypts the key at path.
func encrypt(t *testing.T, path, passphrase string) {
	t.Helper()
	cmd := exec.Command(testhost.Need(t, "ssh-keygen"), "-q", "-p", "-a", "1", "-P", "", "-N", passphrase, "-f", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
}

func TestAQuestionEndsWithTheContext(t *testing.T) {
	t.Parallel()
	testhost.Need(t, "chpasswd")
	h := testhost.Start(t, testhost.Ordinary, testhost.WithSSHD("PasswordAuthentication yes"))
	program, last := noting(t)
	why := errors.New("the time is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	err := open(t, "x", without(h, "IdentityFile")+"  IdentityFile none\n", func(o *openssh.Options) {
		o.Program = program
		o.Prompt = func(ctx context.Context, _ string) (string, error) {
			cancel(why)
			<-ctx.Done()
			return "", context.Cause(ctx)
		}
	}).Connect(ctx)
	if !errors.Is(err, why) {
		t.Errorf("got %v, want it to wrap the cause of the context", err)
	}
	gone(t, last())
}

func TestAPasswordIsTheLastResort(t *testing.T) {
	t.Parallel()
	chpasswd := testhost.Need(t, "chpasswd")
	const password = `correct "horse" \battery $(id) %s`
	h := testhost.Start(t, testhost.Ordinary, testhost.WithSSHD("PasswordAuthentication yes"), testhost.WithPrepare(func(h *testhost.Host) {
		cmd := exec.Command(chpasswd)
		cmd.Stdin = strings.NewReader(h.User + ":" + password + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("chpasswd: %v: %s", err, out))
		}
	}))
	for name, c := range map[string]struct {
		file    string
		answers []string // nil: nobody is there
		want    error
	}{
		"from a file":            {password + "\n", nil, nil},
		"from the user":          {"", []string{password}, nil},
		"at the second try":      {"", []string{"wrong", password}, nil},
		"wrong in the file":      {"wrong\n", nil, host.ErrAuth},
		"of the user after that": {"wrong\n", []string{password}, nil},
		"wrong too often":        {"", []string{"wrong", "wrong", "wrong", password}, host.ErrAuth},
		"nobody can be asked":    {"", nil, host.ErrAuth},
		"an empty file":          {"\n", nil, host.ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := connect(t, open(t, "x", without(h, "IdentityFile")+"  IdentityFile none\n", func(o *openssh.Options) {
				if c.answers != nil {
					o.Prompt, _ = answers(c.answers...)
				}
				if c.file != "" {
					o.PasswordFile = write(t, c.file)
				}
			}))
			if !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			noSecret(t, err, password)
		})
	}
}

func TestACertificateIsLetInUntilItExpires(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority := testhost.NewKey(t, filepath.Join(dir, "ca"))
	ca := filepath.Join(dir, "ca.pub")
	if err := os.WriteFile(ca, ssh.MarshalAuthorizedKey(authority.PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	h := testhost.Start(t, testhost.WithSSHD("TrustedUserCAKeys "+ca))
	for name, until := range map[string]time.Duration{"valid": time.Hour, "expired": -time.Hour} {
		key := filepath.Join(dir, name)
		c := &ssh.Certificate{
			Key: testhost.NewKey(t, key).PublicKey(), CertType: ssh.UserCert, KeyId: name, ValidPrincipals: []string{h.User},
			ValidBefore: uint64(time.Now().Add(until).Unix()),
		}
		if err := c.SignCert(rand.Reader, authority); err != nil {
			t.Fatal(err)
		}
		config := without(h, "IdentityFile") + "  IdentitiesOnly yes\n  CertificateFile " + write(t, string(ssh.MarshalAuthorizedKey(c))) + "\n"
		err := connect(t, open(t, "x", config, func(o *openssh.Options) { o.Identities = []string{key} }))
		if until > 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if until < 0 {
			fails(t, err, host.ErrAuth, "x", "ED25519-CERT")
		}
	}
}
