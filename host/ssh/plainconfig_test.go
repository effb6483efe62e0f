package ssh

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/host/internal/program"
	"github.com/davit-sh/davit/host/internal/target"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
	"github.com/google/go-cmp/cmp"
)

const plainBlocks = `# a comment
Host *.example !b.example
  User first
  IdentityFile ~/.ssh/one
  SendEnv LANG LC_*
Host a.example c
	HostName 192.0.2.7
	port 12022
	user second
	IdentityFile /keys/two
	IdentitiesOnly yes

Host b.example
  ProxyJump me@a.example:22,c
  StrictHostKeyChecking accept-new
  UserKnownHostsFile ~/.ssh/others
  HostKeyAlias b
Host *
  ForwardAgent no
  IdentityAgent none
  GlobalKnownHostsFile /etc/known
  CertificateFile /keys/cert
  StrictHostKeyChecking ask
  ControlPath ~/.ssh/%r@%h
`

func TestAPlainFileIsReadAsTheProgramReadsIt(t *testing.T) {
	t.Parallel()
	ssh, err := exec.LookPath(testhost.Need(t, "ssh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "\n# nothing\n", plainBlocks, strings.ReplaceAll(plainBlocks, "Host", "hOST")} {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a.example", "b.example", "me@c:7", "d.example", "192.0.2.9", "::1", "nowhere"} {
			asked, err := target.Parse(name)
			if err != nil {
				t.Fatal(err)
			}
			if !isPlain(asked, file) {
				t.Errorf("%q is not plain", text)
			}
			ctx := narrate.WithNarrator(t.Context(), narrate.New())
			var read [2]*settings
			for i, values := range []func() (map[string][]string, error){
				func() (map[string][]string, error) { return program.Config(ctx, ssh, asked, file) },
				func() (map[string][]string, error) { return readConfigFiles(ctx, asked, file) },
			} {
				found, err := values()
				if err != nil {
					t.Fatal(err)
				}
				if read[i], err = newSettings(ctx, asked, found); err != nil {
					t.Fatal(err)
				}
				read[i].strictHostKeyChecking = strings.Replace(read[i].strictHostKeyChecking, "true", "yes", 1)
			}
			if !slices.ContainsFunc(read[1].identityFiles, func(file string) bool { return !strings.Contains(file, "/.ssh/id_") }) {
				read[0].identityFiles = read[1].identityFiles // none is named, and the program knows of more kinds
			}
			if diff := cmp.Diff(read[0], read[1], cmp.AllowUnexported(settings{})); diff != "" {
				t.Errorf("%s of %q, as the program reads it and as we do: %s", name, text, diff)
			}
		}
	}
}

func TestWhatIsNotSureIsNotPlain(t *testing.T) {
	t.Parallel()
	some := filepath.Join(t.TempDir(), "some")
	if err := os.WriteFile(some, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"Match all\n", "Include " + some + "\n", "Include relative/*\n", "User \"a b\"\n", "User=x\n", "User x y\n", "HostName %h.example\n",
		"IdentityFile ${HOME}/x\n", "ProxyCommand nc %h %p\n", "Port many\n", "Port 0\n", "NoSuchKeyword yes\n", "User\n", "IdentitiesOnly maybe\n",
		"StrictHostKeyChecking perhaps\n", "User x # a comment\n", "CanonicalizeHostname yes\n", "IdentityAgent SSH_AUTH_SOCK\n", "Host \"x\"\n", "User \xff\n",
	} {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if isPlain(target.Target{Name: "x"}, file) {
			t.Errorf("%q is plain", text)
		}
	}
	if isPlain(target.Target{Name: "Upper"}, os.DevNull) {
		t.Error("a name that the program makes lower-case is plain")
	}
	if isPlain(target.Target{Name: "x"}, "/nonexistent") {
		t.Error("a file that is not there is plain")
	}
	if !isPlain(target.Target{Name: "x"}, os.DevNull) {
		t.Error("no file is not plain")
	}
}
