package ssh

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-sh/davit/host/internal/program"
	"github.com/davit-sh/davit/host/internal/target"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// FuzzPlainConfig has anything stand in ssh_config, and holds what is read of it without the ssh
// program, where that is done, against what the program says.
func FuzzPlainConfig(f *testing.F) {
	ssh, err := exec.LookPath(testhost.Need(f, "ssh"))
	if err != nil {
		f.Fatal(err)
	}
	for i, text := range append([]string{
		plainBlocks, "Host !host.example *\n User x\n", "Host !host.example\n User x\n", "Host *, a\n User x\n", "Host host.example,b\n User x\n", "User +x\n", "Host ?ost.exam*\n Port 7\n", "Port 9999\n",
		"User none\nProxyJump none\n", "ProxyJump a@b:1,c\n", "ProxyJump ::1\n", "ProxyJump ..\n", "ProxyJump a,\n", "ProxyJump 192.0.2.1\n", "Match all\nProxyJump 192.0.2.1\n", "ProxyJump a b\n", "HostName ::1\n", "HostName HOST.example\n", "HostName -x\n", "User -x\n", "HostKeyAlias A/b\n",
		"UserKnownHostsFile none\nGlobalKnownHostsFile none\n", "IdentityFile none\nCertificateFile none\n", "IdentityFile ~root/x\n", "IdentityFile relative\nIdentityFile relative\n", "UserKnownHostsFile ~x\n",
		"SendEnv\tA\nSetEnv A=b\n", "SetEnv A\n", "LogLevel chatty\n", "Compression maybe\n", "ConnectTimeout soon\n", "ServerAliveInterval -1\n", "ControlPath none\nControlMaster x\nControlPersist 9\n", "User\vx\n", "User\u00a0x\n", "\u2028User x\n", "User x\r\n", "User x\\\n", "HostName 9999", "HostName 0x7f.1", "HostName ::ffff:1.2.3.4", "HostName a:b", "Include", "Include /nonexistent/*\nUser x\n", "IdentityFile /a\nIdentityFile /a\n", "ProxyJump a,b\nProxyJump none\n",
	}, configs...) {
		f.Add(text, uint8(i), []byte(text))
	}
	keywords := slices.Sorted(maps.Keys(plainKeywords))
	values := []string{
		"none", "yes", "no", "ask", "auto", "accept-new", "x", "X", "0", "1", "9999", "5m", "-x", "a.b", "a,b", "a@b:1", "a@b,c", "*", "!h", "h !host.example", "* !h", "*.example", "?", "host.example,h", "!* *",
		"~/x", "~/.ssh/a-b", "/x", "/x/../y", "//", "/", "~/", "/%h", "::1", "127.1", "+x", "A=b", "A=", "LANG LC_*", "INFO", "info", "h x", ".", "..", "a..b", "_", "none,x", "host", "a:b",
	}
	names := []string{"host.example", "me@host.example:2222", "::1", "h", "127.1", "0::1", "192.0.2.1"}
	file := filepath.Join(f.TempDir(), "config")
	f.Fuzz(func(t *testing.T, text string, which uint8, picks []byte) {
		for i := 1; i < len(picks); i += 2 { // lines that are likely to be plain
			text += "\n" + keywords[int(picks[i-1])%len(keywords)] + " " + values[int(picks[i])%len(values)]
		}
		asked, err := target.Parse(names[int(which)%len(names)])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if !isPlain(asked, file) {
			return // and the program, which could run what stands there, is not asked
		}
		ctx := narrate.WithNarrator(t.Context(), narrate.New())
		said, err := program.Config(ctx, ssh, asked, file)
		if err != nil {
			t.Fatalf("%q is plain, and the program refuses it: %v", text, err)
		}
		found, err := readConfigFiles(ctx, asked, file)
		if err != nil {
			t.Fatalf("%q is plain, and cannot be read: %v", text, err)
		}
		want, wrong := newSettings(ctx, asked, said)
		got, err := newSettings(ctx, asked, found)
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%q: %v, and of what the program says %v", text, err, wrong)
		}
		want.strictHostKeyChecking = strings.NewReplacer("true", "yes", "false", "no").Replace(want.strictHostKeyChecking)
		if found["identityfile"] == nil {
			want.identityFiles = got.identityFiles // the program knows of more kinds
		}
		got.identityFiles, got.certificateFiles = once(got.identityFiles), once(got.certificateFiles)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{}, target.Target{})); diff != "" {
			t.Errorf("%s of %q, as the program reads it and as we do: %s", asked, text, diff)
		}
	})
}

// once returns list without what it has already, which the program leaves out and we do not mind.
func once(list []string) []string {
	var all []string
	for _, s := range list {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
