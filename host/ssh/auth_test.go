package ssh_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/host"
	davit "github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keyless starts a host and returns the ssh_config with which it is reached as "x", but for a
// key.
func keyless(t *testing.T, h *testhost.Host, more ...string) davit.Options {
	t.Helper()
	config := strings.ReplaceAll(h.Block("x", more...), "IdentityFile "+h.IdentityFile, "ForwardAgent no")
	if !strings.Contains(config, "IdentityFile") {
		config += "  IdentityFile none\n"
	}
	return sshOptions(write(t, config))
}

func TestAWrongKeyIsNamed(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	o := keyless(t, h)
	path := filepath.Join(t.TempDir(), "wrong")
	key := testhost.NewKey(t, path)
	o.Identities = []string{path}
	fails(t, connect(t, open(t, "x", o)), host.ErrAuth, "x",
		h.User, ssh.FingerprintSHA256(key.PublicKey()), path, "it takes publickey", "ssh -v x")
}

func TestWithoutAKeyTheErrorSaysSo(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	fails(t, connect(t, open(t, "x", keyless(t, h))), host.ErrAuth, "x", "no key was offered")
}

func TestAKeyThatIsNotThereIsAMistake(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	o := keyless(t, h)
	o.Identities = []string{filepath.Join(t.TempDir(), "none")}
	fails(t, connect(t, open(t, "x", o)), host.ErrConfig, "x", o.Identities[0])
}

func TestTheTriesOfAServerAreNotBurnt(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	ring := agent.NewKeyring()
	for range 9 {
		add(t, ring, agent.AddedKey{PrivateKey: newEd25519(t)})
	}
	o := keyless(t, h, "IdentityAgent "+serveAgent(t, ring))
	err := connect(t, open(t, "x", replaceAgent(t, o)))
	e := fails(t, err, host.ErrAuth, "x", "4 more keys")
	if n := strings.Count(err.Error(), "SHA256:"); n != 5 || !strings.Contains(e.Hint, "--identity") {
		t.Errorf("%d keys are named in %q, want 5; hint %q", n, err, e.Hint)
	}
	if log := h.Log(); strings.Contains(log, "maximum authentication attempts") {
		t.Error("the server ended the connection")
	}
	// The key that the caller names comes before all of the agent's.
	o = replaceAgent(t, o)
	o.Identities = []string{h.IdentityFile}
	if err := connect(t, open(t, "x", o)); err != nil {
		t.Errorf("with a named key: %v", err)
	}
}

// replaceAgent returns o without the line that turns the agent off, which came first.
func replaceAgent(t *testing.T, o davit.Options) davit.Options {
	t.Helper()
	o.ConfigFile = write(t, strings.ReplaceAll(read(t, o.ConfigFile), "IdentityAgent none", ""))
	return o
}

func TestAKeyOfTheAgentIsLetIn(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	private, err := ssh.ParseRawPrivateKey([]byte(read(t, h.IdentityFile)))
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	add(t, ring, agent.AddedKey{PrivateKey: newEd25519(t)})
	add(t, ring, agent.AddedKey{PrivateKey: private})
	o := replaceAgent(t, keyless(t, h, "IdentityAgent "+serveAgent(t, ring)))
	if err := connect(t, open(t, "x", o)); err != nil {
		t.Error(err)
	}
	// With IdentitiesOnly, only those of its keys that a file names; the public half will do.
	config := read(t, o.ConfigFile) + "  IdentitiesOnly yes\n"
	o.ConfigFile = write(t, config)
	fails(t, connect(t, open(t, "x", o)), host.ErrAuth, "x", "no key was offered")
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public := write(t, string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	o.ConfigFile = write(t, config+"  IdentityFile "+public+"\n")
	if err := connect(t, open(t, "x", o)); err != nil {
		t.Errorf("by its public half: %v", err)
	}
}

func TestAnAgentThatHangsEndsWithTheContext(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	socket := listenUnix(t, func(conn net.Conn) { <-t.Context().Done() })
	o := replaceAgent(t, keyless(t, h, "IdentityAgent "+socket))
	endsWithContext(t, open(t, "x", o))
}

func TestAnAgentThatIsGoneIsSaid(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	o := replaceAgent(t, keyless(t, h, "IdentityAgent /nonexistent/agent"))
	fails(t, connect(t, open(t, "x", o)), host.ErrAuth, "x", "/nonexistent/agent")
}

func add(t *testing.T, ring agent.Agent, key agent.AddedKey) {
	t.Helper()
	if err := ring.Add(key); err != nil {
		t.Fatal(err)
	}
}

// serveAgent serves an agent until the test ends and returns its socket.
func serveAgent(t *testing.T, ring agent.Agent) string {
	t.Helper()
	return listenUnix(t, func(conn net.Conn) { agent.ServeAgent(ring, conn) })
}

// encrypt encrypts the key at path, with as little work for a passphrase as there can be: the
// race detector makes the usual amount of it take seconds.
func encrypt(t *testing.T, path, passphrase string) {
	t.Helper()
	cmd := exec.Command(testhost.Need(t, "ssh-keygen"), "-q", "-p", "-a", "1", "-P", "", "-N", passphrase, "-f", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
}

func TestAnEncryptedKeyIsUnlockedWhenItIsWanted(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	path := write(t, read(t, h.IdentityFile))
	encrypt(t, path, "open sesame")
	for name, c := range map[string]struct {
		answers []string
		want    error
		asked   int
	}{
		"right at once":       {[]string{"open sesame"}, nil, 1},
		"right at last":       {[]string{"no", "", "open sesame"}, nil, 3},
		"wrong too often":     {[]string{"no", "no", "no", "open sesame"}, host.ErrAuth, 3},
		"the user gives up":   {nil, host.ErrAuth, 1},
		"nobody can be asked": {nil, host.ErrAuth, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := keyless(t, h)
			o.Identities = []string{path}
			asked := 0
			o.Prompt = func(_ context.Context, question string) (string, error) {
				if !strings.Contains(question, path) {
					return "", fmt.Errorf("asked %q", question)
				}
				if asked++; asked > len(c.answers) {
					return "", errors.New("the user has gone")
				}
				return c.answers[asked-1], nil
			}
			if c.asked == 0 {
				o.Prompt = nil
			}
			err := connect(t, open(t, "x", o))
			if !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if asked != c.asked {
				t.Errorf("asked %d times, want %d", asked, c.asked)
			}
			if err != nil {
				fails(t, err, host.ErrAuth, "x", path)
				noSecret(t, err, "open sesame")
			}
			if c.asked == 0 {
				fails(t, err, host.ErrAuth, "x", "ssh-add "+path)
			}
		})
	}
}

func TestNobodyIsAskedForTheKeyOfAnotherHost(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	path := filepath.Join(t.TempDir(), "encrypted")
	testhost.NewKey(t, path)
	encrypt(t, path, "secret")
	o := options(t, h)
	o.Identities = []string{path, h.IdentityFile}
	o.Prompt = func(context.Context, string) (string, error) {
		t.Error("asked for the passphrase of a key that the host does not take")
		return "", errors.New("no")
	}
	if err := connect(t, open(t, h.Target(), o)); err != nil {
		t.Error(err)
	}
}

func TestACertificateIsLetIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority := testhost.NewKey(t, filepath.Join(dir, "ca"))
	ca := filepath.Join(dir, "ca.pub")
	if err := os.WriteFile(ca, ssh.MarshalAuthorizedKey(authority.PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	h := testhost.Start(t, testhost.WithSSHD("TrustedUserCAKeys "+ca))
	certify := func(name string, until time.Duration) (key, certificate string) {
		key = filepath.Join(dir, name)
		signer := testhost.NewKey(t, key)
		c := &ssh.Certificate{
			Key: signer.PublicKey(), CertType: ssh.UserCert, KeyId: name, ValidPrincipals: []string{h.User},
			ValidBefore: uint64(time.Now().Add(until).Unix()),
		}
		if err := c.SignCert(rand.Reader, authority); err != nil {
			t.Fatal(err)
		}
		return key, string(ssh.MarshalAuthorizedKey(c))
	}
	beside, certificate := certify("beside", time.Hour)
	if err := os.WriteFile(beside+"-cert.pub", []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	named, namedCertificate := certify("named", time.Hour)
	expired, expiredCertificate := certify("expired", -time.Hour)
	for name, c := range map[string]struct {
		o    davit.Options
		key  string
		want error
	}{
		"beside its key":        {keyless(t, h), beside, nil},
		"named by ssh_config":   {keyless(t, h, "CertificateFile "+write(t, namedCertificate)), named, nil},
		"expired":               {keyless(t, h, "CertificateFile "+write(t, expiredCertificate)), expired, host.ErrAuth},
		"for another key":       {keyless(t, h, "CertificateFile "+write(t, namedCertificate)), expired, host.ErrAuth},
		"no certificate at all": {keyless(t, h, "CertificateFile "+ca), named, host.ErrAuth},
	} {
		c.o.Identities = []string{c.key}
		err := connect(t, open(t, "x", c.o))
		if !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// setPassword gives the host's account a password.
func setPassword(password string) testhost.Option {
	return testhost.WithPrepare(func(h *testhost.Host) {
		cmd := exec.Command("chpasswd")
		cmd.Stdin = strings.NewReader(h.User + ":" + password + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("chpasswd: %v: %s", err, out))
		}
	})
}

func TestAPasswordIsTheLastResort(t *testing.T) {
	t.Parallel()
	testhost.Need(t, "chpasswd")
	const password = "correct horse battery"
	h := testhost.Start(t, testhost.Ordinary, testhost.WithSSHD("PasswordAuthentication yes"), setPassword(password))
	answer := func(answers ...string) func(context.Context, string) (string, error) {
		return func(context.Context, string) (string, error) {
			if len(answers) == 0 {
				return "", errors.New("the user has gone")
			}
			first := answers[0]
			answers = answers[1:]
			return first, nil
		}
	}
	for name, c := range map[string]struct {
		file   string
		prompt func(context.Context, string) (string, error)
		want   error
	}{
		"from a file":            {password + "\n", nil, nil},
		"without a newline":      {password, nil, nil},
		"from the user":          {"", answer(password), nil},
		"at the second try":      {"", answer("wrong", password), nil},
		"wrong in the file":      {"wrong\n", nil, host.ErrAuth},
		"of the user after that": {"wrong\n", answer(password), nil},
		"wrong too often":        {"", answer("wrong", "wrong", "wrong", password), host.ErrAuth},
		"an empty file":          {"\n", nil, host.ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := keyless(t, h)
			o.Prompt = c.prompt
			if c.file != "" {
				o.PasswordFile = write(t, c.file)
			}
			err := connect(t, open(t, "x", o))
			if !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			noSecret(t, err, password)
		})
	}
}
