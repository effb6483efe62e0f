package davit

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// transcripts are what hosts say, well and badly. A line that begins with @ is one of the script's.
var transcripts = []string{
	"", "@", "@\n", "@fact\n", "noise", "noise\n@end done\n", "@end\n", "@end failed\n", "@end failed locked\n", "@end failed locked now x\n", "@end failed locked 2026-11-24T10:00:00Z me@laptop \x1b[2J\n",
	"@end failed space\n", "@end failed space 12\n", "@end failed password root\n", "@end failed \n", "@failed\n@failed\n", "@end hung up\n", "@end broken", "@ready", "@ready\n@ready\n",
	"@fact os Linux\n@fact machine x86_64\n@fact longbit 64\n@fact libc glibc 2.36\n@fact user me\n@fact home /home/me\n@fact root /home/me/.local/share/davit\n@fact bin /home/me/.local/bin\n@fact init systemd\n@fact free 1000000\n@fact tool zstd /usr/bin/zstd\n@fact tool sha256sum /usr/bin/sha256sum\n@fact current 0123456789ab\n@ready\n@made /x\n@got 21\n@chmod /x\n@verified\n@installed\n@end done\n",
	"@fact tool openssl x\n@fact current ID\n@fact have ID\n@fact linked\n@ready\n@end done\n", "@fact tool shasum x\n@fact have ID\n@ready\n@installed\n@current releases/ID\n@end done\n",
	"@fact tool shasum x\n@ready\n@failed refused \x1b]0;title\a\n@current releases/\x1b[2J\n@end stopped\n", "@fact tool shasum x\n@ready\n@got 21\n@chmod\n@verified\n@failed corrupt the SHA-256 is another one\n@current\n@end failed",
	"@fact tool shasum x\n@fact inway /x\x1b[2J\n@fact unwritable /\xff\n@ready\n", "@fact tool shasum x\n@fact free 1\n@ready\n@end stopped\n", "@fact free 9007199254740993\n@fact free -1\n@fact free 99999999999999999999\n@fact free 4503599627370495\n@end done\n",
	"@fact tool\n@fact tool  \n@fact tool a b c\n@fact installed\n@fact installed a b c\n@fact installed  \n@fact unwritable\n@fact libc\n@fact libc musl\n@fact something new\n@end done\n",
	"@fact tool shasum x\n@fact partial 7\n@ready\n@made\n@got 7\n@got 14\n@got 21\n@again\n@got 21\n@chmod\n@verified\n@installed\n@end done\n", "@fact partial -1\n@fact partial 99\n@ready\n@got -1\n", "@fact tool shasum x\n@fact partial 99\n@ready\n@got 22\n@kept -5\n@end paused\n",
	"@fact tool shasum x\n@ready\n@made\n@kept 7\n@current\n@end paused\n", "@fact os \u202eLinux\n@fact user a\tb\r\n@fact init \x00\n@end \xff\n", "@fact tool shasum x\n@ready\n@chmod\n@chmod\n@installed\n", "@current x\n@made\n@end done\n@end done\n@ready\n",
}

// FuzzHost has a host say anything to an install and to a look at it.
func FuzzHost(f *testing.F) {
	file := filepath.Join(f.TempDir(), "worker")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		f.Fatal(err)
	}
	opened, err := artifact.Open(file)
	if err != nil {
		f.Fatal(err)
	}
	sha256, err := opened.Digest(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	for _, said := range transcripts {
		said = strings.ReplaceAll(said, "ID", releaseID(sha256))
		f.Add([]byte(said), "", true, false)
		f.Add([]byte(said), "sh: \x1b[2J\n", false, true)
	}
	f.Fuzz(func(t *testing.T, said []byte, stderr string, root, lost bool) {
		ctx := narrate.WithNarrator(t.Context(), narrate.New())
		h := &saying{said: string(said), stderr: stderr, lost: lost}
		scope := User
		password := func(context.Context, string) (string, error) { return "hunter2", nil }
		if root {
			scope = System
		}
		receipt, err := Install(ctx, h, InstallOptions{Binary: file, Scope: scope, Password: password})
		h.judge(t, err)
		if err == nil && (!h.says("end") || receipt.Outcome != UpToDate && !h.says("installed")) {
			t.Errorf("%s, and the host has only said %q", receipt.Outcome, said)
		}
		report, err := Check(ctx, h, CheckOptions{Scope: scope, Password: password})
		h.judge(t, err)
		if err == nil && !h.says("end") {
			t.Errorf("a report, and the host has only said %q", said)
		}
		h.shown(t, report.User, report.Home, report.Dir, report.Init, report.Libc, report.Platform)
		for _, finding := range report.Findings {
			h.shown(t, finding.Text, finding.Hint)
		}
	})
}

// saying is a host that says what it was told to say, and takes whatever it is given.
type saying struct {
	said, stderr string
	lost         bool // the connection breaks then
}

var sentinels = regexp.MustCompile(`davit-[a-z2-7]{12}`)

func (h *saying) Name() string                  { return "me@gpu-1" }
func (h *saying) Connect(context.Context) error { return nil }
func (h *saying) Close() error                  { return nil }
func (h *saying) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

func (h *saying) Exec(_ context.Context, command string) (host.Process, error) {
	said := h.said
	if strings.HasPrefix(said, "@") {
		said = "\n" + said
	}
	said = strings.ReplaceAll(said, "\n@", "\n"+sentinels.FindString(command)+" ")
	return &reply{stdout: strings.NewReader(said), stderr: strings.NewReader(h.stderr), lost: h.lost}, nil
}

// says reports whether the script has said a word, on a whole line.
func (h *saying) says(word string) bool {
	for line := range strings.Lines(h.said) {
		said, marked := strings.CutPrefix(line, "@")
		first, _, _ := strings.Cut(narrate.Visible(strings.TrimRight(said, "\r\n")), " ")
		if marked && strings.HasSuffix(line, "\n") && first == word {
			return true
		}
	}
	return false
}

// judge fails the test unless err is nil or says all that a failure must say.
func (h *saying) judge(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	if !slices.Contains([]int{ExitFailed, ExitConnect, ExitHost}, ExitCode(err)) {
		t.Errorf("exit code %d of %v", ExitCode(err), err)
	}
	if strings.Contains(e.State, "nothing is left") && !h.says("end") {
		t.Errorf("it says that %s, and the host has only said %q", e.State, h.said)
	}
	h.shown(t, err.Error(), e.State, e.Hint)
}

// shown fails the test if a text could steer a terminal.
func (h *saying) shown(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if text != narrate.Visible(text) {
			t.Errorf("of %q comes %q, which can steer a terminal", h.said, text)
		}
	}
}

// reply is a process that says it.
type reply struct {
	stdout, stderr io.Reader
	lost           bool
}

func (r *reply) Write(p []byte) (int, error) { return len(p), nil }
func (r *reply) CloseWrite() error           { return nil }
func (r *reply) Stdout() io.Reader           { return r.stdout }
func (r *reply) Stderr() io.Reader           { return r.stderr }
func (r *reply) Close() error                { return nil }
func (r *reply) Wait() error {
	if r.lost {
		return &host.Error{Host: "me@gpu-1", Kind: host.ErrLost}
	}
	return nil
}

// FuzzFacts has a host tell facts, of which everything else is made.
func FuzzFacts(f *testing.F) {
	for _, said := range transcripts {
		f.Add(strings.ReplaceAll(said, "@fact ", ""), int64(1<<20))
		f.Add(strings.ReplaceAll(said, "@fact ", ""), int64(-1))
	}
	f.Add("machine armv7l\nmachine aarch64\nlongbit 32\nlibc glibc 99999999999999999999.1\nlibc glibc 2..\nlibc  \n", int64(0))
	f.Fuzz(func(t *testing.T, said string, size int64) {
		x := facts{tools: map[string]string{}, free: -1}
		for line := range strings.Lines(said) {
			x.add(narrate.Visible(strings.TrimRight(line, "\r\n"))) // as a conversation has it
			if x.free < -1 || x.free > 1<<62 {
				t.Fatalf("%q gave a free space of %d", said, x.free)
			}
		}
		h := &saying{said: said}
		report := x.report("h")
		h.shown(t, x.summary(), x.form(), report.Platform, report.Libc, report.Init, report.User, report.Home, report.Dir)
		fatal := false
		for _, finding := range report.Findings {
			h.shown(t, finding.Text, finding.Hint)
			fatal = fatal || finding.Fatal
		}
		if len(x.attrs()) == 0 || report.Installed == nil || report.Tools == nil {
			t.Errorf("%q: facts are missing in %v", said, report)
		}
		size = max(0, min(size, 1<<60))
		for _, file := range []*artifact.File{
			{Path: "x/worker", Size: size, Kind: artifact.Script},
			{Path: "x/worker", Size: size, Kind: artifact.ELF, Needs: artifact.Needs{OS: "linux", Archs: []string{"arm"}, ARM: "7", Libc: "glibc", LibcVersion: "2.38", Interpreter: "/lib/ld-linux.so.3"}},
		} {
			err := x.suit(file, "worker")
			if err != nil {
				h.shown(t, err.Error(), Hint(err))
			}
			if err == nil && fatal && !x.have {
				t.Errorf("%q suits, though a look at it finds %v", said, report.Findings)
			}
			if err == nil && x.free >= 0 && x.free < size && !x.have {
				t.Errorf("%q suits %d bytes", said, size)
			}
			if code := ExitCode(err); err != nil && code != ExitHost {
				t.Errorf("%q is refused with the exit code %d: %v", said, code, err)
			}
		}
	})
}

// FuzzRefusal has a script complain.
func FuzzRefusal(f *testing.F) {
	for word := range refusals {
		for _, text := range []string{"", " ", " now", " now me", " 2026-11-24T10:00:00Z me@laptop", " 12", " \x1b[2J\n\xff", " %s%d"} {
			f.Add(word + text)
		}
	}
	f.Add("")
	f.Add("unheard of\x1b[2J")
	f.Fuzz(func(t *testing.T, said string) {
		err := refusal(said)
		(&saying{said: said}).shown(t, err.Error(), Hint(err))
		word, _, _ := strings.Cut(said, " ")
		want, known := refusals[word]
		if !known {
			want = ErrRefused
		}
		if !errors.Is(err, want) {
			t.Errorf("%q became %v, want %v", said, err, want)
		}
		if _, wanted := passwordWanted(err); wanted != (word == "password") {
			t.Errorf("%q: a password is wanted: %v", said, wanted)
		}
	})
}
