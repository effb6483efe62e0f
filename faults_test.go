package davit_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// when returns a context in which do is called once, when the action is told first. The action
// "progress" is waited for until some of the bytes were sent.
func when(ctx context.Context, action string, do func()) context.Context {
	var once sync.Once
	return narrate.WithSink(ctx, narrate.SinkFunc(func(e narrate.Event) error {
		if e.Action == action && e.Attrs["done"] != int64(0) {
			once.Do(do)
		}
		return nil
	}))
}

func TestBadOptionsAreRefusedBeforeAnyConnection(t *testing.T) {
	t.Parallel()
	good := program(t, "x", 100)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		o     davit.InstallOptions
		words []string
	}{
		"name with a slash":        {davit.InstallOptions{Binary: good, Name: "a/b"}, []string{`"a/b"`, "a-z"}},
		"name with a space":        {davit.InstallOptions{Binary: good, Name: "a b"}, []string{`"a b"`}},
		"name of dots":             {davit.InstallOptions{Binary: good, Name: ".."}, []string{`".."`}},
		"name with a leading dash": {davit.InstallOptions{Binary: good, Name: "-x"}, []string{`"-x"`}},
		"name of 64 characters":    {davit.InstallOptions{Binary: good, Name: strings.Repeat("x", 64)}, []string{"1 to 63"}},
		"name from the file":       {davit.InstallOptions{Binary: file("My Tool", "#!/bin/sh\n")}, []string{`"My Tool"`, "--name"}},
		"binary missing":           {davit.InstallOptions{Binary: dir + "/nothing"}, []string{"nothing", "no such file", "go build"}},
		"binary a directory":       {davit.InstallOptions{Binary: dir, Name: "x"}, []string{"is a directory", "go build"}},
		"binary empty":             {davit.InstallOptions{Binary: file("empty", "")}, []string{"empty", "build it again"}},
		"binary no executable":     {davit.InstallOptions{Binary: file("text", "hello\n")}, []string{"text", "#!"}},
		"no binary":                {davit.InstallOptions{}, []string{"no executable"}},
		"negative limit":           {davit.InstallOptions{Binary: good, Timeout: -1}, []string{"more than 0"}},
		"unknown scope":            {davit.InstallOptions{Binary: good, Scope: "all"}, []string{`"all"`, `"system"`}},
		"relative directory":       {davit.InstallOptions{Binary: good, Dir: "x"}, []string{`"x"`, "~/"}},
		"directory with ..":        {davit.InstallOptions{Binary: good, Dir: "/opt/../etc"}, []string{".."}},
		"directory of root":        {davit.InstallOptions{Binary: good, Dir: "/"}, []string{`"/"`}},
		"directory with a newline": {davit.InstallOptions{Binary: good, Dir: "/a\nb"}, []string{"absolute"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, rec := told(t)
			_, err := davit.Install(ctx, nowhere{t}, c.o)
			explained(t, err, davit.ExitUsage, append(c.words, "nothing was touched")...)
			if len(rec.Events()) > 0 {
				t.Error("something was told before the options were found to be bad")
			}
		})
	}
}

// nowhere is a host that must not be connected to.
type nowhere struct{ t *testing.T }

func (nowhere) Name() string { return "nowhere" }
func (n nowhere) Connect(context.Context) error {
	n.t.Error("connected")
	return errors.New("nowhere")
}

func (n nowhere) Exec(ctx context.Context, _ string) (host.Process, error) {
	return nil, n.Connect(ctx)
}

func (n nowhere) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return nil, n.Connect(ctx)
}
func (nowhere) Close() error { return nil }

func TestAHostThatCannotBeReached(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	binary := program(t, "x", 100)
	other := testhost.Start(t)
	with := func(change func(*ssh.Options)) ssh.Options {
		o := options(h)
		change(&o)
		return o
	}
	for name, c := range map[string]struct {
		target  string
		options ssh.Options
		limit   time.Duration
		code    int
		words   []string
	}{
		"unknown":     {"me@no-such-host.invalid", options(h), soon, davit.ExitConnect, []string{"no-such-host.invalid", "connect"}},
		"refused":     {"me@" + testhost.Refused(t), options(h), soon, davit.ExitConnect, []string{"refused"}},
		"not SSH":     {"me@" + testhost.NotSSH(t), options(h), soon, davit.ExitConnect, []string{"SSH"}},
		"silent":      {"me@" + testhost.Silent(t), options(h), time.Second, davit.ExitDeadline, []string{"timed out after 1 second (connect)"}},
		"stalling":    {"me@" + testhost.StallingHandshake(t), options(h), time.Second, davit.ExitDeadline, []string{"timed out after 1 second (connect)"}},
		"unknown key": {h.Target(), with(func(o *ssh.Options) { o.KnownHostsFiles = []string{filepath.Join(t.TempDir(), "none")} }), soon, davit.ExitConnect, []string{"SHA256:", "--accept-new-host-keys"}},
		"changed key": {h.Target(), with(func(o *ssh.Options) { o.KnownHostsFiles = []string{changed(t, h, other)} }), soon, davit.ExitConnect, []string{"changed"}},
		"wrong key":   {h.Target(), with(func(o *ssh.Options) { o.Identities = []string{other.IdentityFile} }), soon, davit.ExitConnect, []string{other.IdentityFile}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := ssh.New(c.target, c.options)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ctx, _ := told(t)
			_, err = davit.Install(ctx, conn, davit.InstallOptions{Binary: binary, Timeout: c.limit})
			explained(t, err, c.code, append(c.words, "nothing was touched", c.target)...)
		})
	}
	site{h, t}.assertWhole("")
}

// changed returns a known_hosts file that has other's key for h.
func changed(t *testing.T, h, other *testhost.Host) string {
	t.Helper()
	lines, err := os.ReadFile(other.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	name := func(addr string) string { i := strings.LastIndex(addr, ":"); return "[" + addr[:i] + "]" + addr[i:] }
	path := filepath.Join(t.TempDir(), "known_hosts")
	text := strings.ReplaceAll(string(lines), name(other.Addr), name(h.Addr))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAHostThatCannotTakeIt(t *testing.T) {
	t.Parallel()
	arm := filepath.Join(t.TempDir(), "worker")
	buildFor(t, arm, "arm64")
	script := program(t, "x", 100)
	for name, c := range map[string]struct {
		binary  string
		options []testhost.Option
		words   []string
	}{
		"another architecture": {arm, nil, []string{"linux/arm64", "linux/amd64", "GOARCH=amd64 go build"}},
		"home read-only": {
			script,
			[]testhost.Option{testhost.Ordinary, testhost.WithPrepare(func(h *testhost.Host) { os.Chmod(h.Home, 0o555) })},
			[]string{"cannot write to"},
		},
		"something in the way": {
			script,
			[]testhost.Option{testhost.WithFile(".local/bin/worker", "theirs")},
			[]string{".local/bin/worker is there and is not Davit's", "--name"},
		},
		"a directory in place of the link": {
			script,
			[]testhost.Option{testhost.WithFile(".local/bin/worker/x", "theirs")},
			[]string{".local/bin/worker is there and is not Davit's"},
		},
		"a directory in place of the current release": {
			script,
			[]testhost.Option{testhost.WithFile(".local/share/davit/worker/current/worker", "theirs")},
			[]string{"davit/worker/current is there and is not Davit's"},
		},
		"a file in place of the releases": {
			script,
			[]testhost.Option{testhost.WithFile(".local/share/davit/worker/releases", "theirs")},
			[]string{"cannot write to", "davit/worker/releases"},
		},
		"no permission in releases": {
			script,
			[]testhost.Option{testhost.Ordinary, testhost.WithPrepare(func(h *testhost.Host) {
				os.MkdirAll(h.Home+"/.local/share/davit/worker/releases", 0o755)
				os.Chmod(h.Home+"/.local/share/davit/worker/releases", 0o555)
			})},
			[]string{"cannot write to", "davit/worker/releases"},
		},
		"no way to verify": {script, []testhost.Option{testhost.WithPath(testhost.BaseTools...)}, []string{"sha256sum"}},
		"a file as home of all": {
			script,
			[]testhost.Option{testhost.WithFile(".local/share/davit", "theirs")},
			[]string{"cannot write to", ".local/share/davit"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, c.options...), t}
			before := s.Run("find . | sort")
			ctx, _ := told(t)
			_, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: c.binary, Name: "worker"})
			explained(t, err, davit.ExitHost, append(c.words, "probe", "nothing was touched")...)
			if after := s.Run("find . | sort"); after != before {
				t.Errorf("something was touched: %s", after)
			}
		})
	}
}

func TestOnlyOneInstallsADaemonAtATime(t *testing.T) {
	t.Parallel()
	for name, tools := range map[string][]string{
		"with flock": {"sha256sum", "gzip", "flock"}, "without flock": {"sha256sum", "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, testhost.WithPath(append(tools, testhost.BaseTools...)...)), t}
			link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 4 << 20})
			one, two := program(t, "one", 4<<20), program(t, "two", 1<<10)
			stalled, first := make(chan struct{}), make(chan error, 1)
			ctx, _ := told(t)
			ctx = when(ctx, "progress", func() {
				link.Stall()
				close(stalled)
			})
			slow := dial(t, s.Via(link.Addr()))
			go func() {
				_, err := davit.Install(ctx, slow, davit.InstallOptions{Binary: one, Name: "worker"})
				first <- err
			}()
			<-stalled
			testhost.Eventually(t, "the first holds the lock", func() bool {
				out, err := s.Try("tail -n 1 ~/.local/share/davit/worker/lock || readlink ~/.local/share/davit/worker/lock")
				return err == nil && out != ""
			})
			other, _ := told(t)
			_, err := davit.Install(other, dial(t, s.Host), davit.InstallOptions{Binary: two, Name: "worker"})
			explained(t, err, davit.ExitHost, "locked", "works on it since "+time.Now().UTC().Format("2006"), "wait")
			link.Resume()
			if err := <-first; err != nil {
				t.Errorf("the first: %v", err)
			}
			s.assertWhole(id(t, one))
			s.install(two)
			s.assertWhole(id(t, two))
		})
	}
}

func TestAnInterruptCleansUp(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 8 << 20})
	ctx, _ := told(t)
	ctx, cancel := context.WithCancelCause(ctx)
	ctx = when(ctx, "progress", func() { cancel(davit.ErrInterrupted) })
	_, err := davit.Install(ctx, dial(t, s.Via(link.Addr())), davit.InstallOptions{Binary: program(t, "two", 16<<20), Name: "worker"})
	explained(t, err, davit.ExitInterrupted, "interrupted", "nothing is left of the attempt", "is not installed there")
	s.assertWhole("")
	if left := s.Run("ls -A ~/.local/share 2>/dev/null || true"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

func TestAnExecutableThatChangesWhileItIsSentNeverRuns(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"overwritten": func(path string) error { return edit(path, os.O_WRONLY, "#!/bin/sh\necho evil") },
		"grows":       func(path string) error { return edit(path, os.O_WRONLY|os.O_APPEND, "more") },
		"shrinks":     func(path string) error { return os.Truncate(path, 1<<19) },
		"replaced": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, []byte("#!/bin/sh\necho evil"), 0o755))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := program(t, "one", 1<<10), program(t, "two", 4<<20)
			s := site{testhost.Start(t, having(t, one)), t}
			link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 4 << 20})
			ctx, _ := told(t)
			ctx = when(ctx, "copying", func() {
				if err := change(two); err != nil {
					t.Error(err)
				}
			})
			_, err := davit.Install(ctx, dial(t, s.Via(link.Addr())), davit.InstallOptions{Binary: two, Name: "worker"})
			if name == "replaced" && err == nil { // what was opened was sent
				if got := s.Run("~/.local/bin/worker"); got != "two\n" {
					t.Errorf("it says %q", got)
				}
				return
			}
			explained(t, err, davit.ExitFailed, "changed since it was opened", "let the build finish", id(t, one)+", as before")
			s.assertWhole(id(t, one))
		})
	}
}

// edit writes text to the file at path.
func edit(path string, flags int, text string) error {
	file, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

func TestADirectoryInPlaceOfTheReleaseIsReplaced(t *testing.T) {
	t.Parallel()
	two := program(t, "two", 1<<10)
	s := site{testhost.Start(t, testhost.WithFile(".local/share/davit/worker/releases/"+id(t, two)+"/worker/x", "theirs")), t}
	s.install(two)
	s.assertWhole(id(t, two))
}

func TestReleasesMayBeOnAnotherFileSystem(t *testing.T) {
	t.Parallel()
	other, err := os.MkdirTemp("/dev/shm", "davit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(other) })
	if err := os.Chmod(other, 0o777); err != nil {
		t.Fatal(err)
	}
	s := site{testhost.Start(t, testhost.WithPrepare(func(h *testhost.Host) {
		base := h.Home + "/.local/share/davit/worker"
		if err := errors.Join(os.MkdirAll(base, 0o755), os.Symlink(other, base+"/releases")); err != nil {
			t.Fatal(err)
		}
	})), t}
	one, two := program(t, "one", 1<<10), program(t, "two", 1<<20)
	s.install(one)
	s.install(two)
	s.assertWhole(id(t, two))
}

// hanging is a host that never answers, and ignores every context.
type hanging struct {
	nowhere
	released chan struct{}
}

func (h hanging) Connect(context.Context) error {
	<-h.released
	return nil
}

func TestTheCallerIsAnsweredAtTheLimitWhateverHangs(t *testing.T) {
	t.Parallel()
	binary := program(t, "x", 100)
	synctest.Test(t, func(t *testing.T) {
		h := hanging{released: make(chan struct{})}
		rec := &narrate.Recorder{}
		ctx := narrate.WithNarrator(t.Context(), narrate.New(rec))
		began := time.Now()
		_, err := davit.Install(ctx, h, davit.InstallOptions{Binary: binary})
		if took := time.Since(began); took != 5*time.Minute {
			t.Errorf("answered after %v", took)
		}
		explained(t, err, davit.ExitDeadline, "install daemon timed out after 300 seconds (connect)")
		want := []string{"start", "install_start", "connecting", "abandoned", "timeout"}
		if got := rec.Actions(); !slices.Equal(got, want) {
			t.Errorf("told %q", got)
		}
		close(h.released)
		synctest.Wait()
	})
}
