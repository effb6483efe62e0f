package davit_test

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/internal/testhost"
)

// outcomes are what became of each odd host.
type outcomes struct {
	mu    sync.Mutex
	lines map[string]string
}

// listed returns outcomes that are printed when t has ended, and in CI's output too.
func listed(t *testing.T, heading string) *outcomes {
	o := &outcomes{lines: map[string]string{}}
	t.Cleanup(func() {
		t.Logf("REPORT: %s:", heading)
		for _, name := range slices.Sorted(maps.Keys(o.lines)) {
			t.Logf("REPORT:   %-38s %.220s", name, o.lines[name])
		}
	})
	return o
}

// set notes the outcome of a host; the test's own failure comes before it.
func (o *outcomes) set(t *testing.T, name, outcome string) {
	if t.Failed() {
		outcome = "FAILED, after: " + outcome
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines[name] = outcome
}

// said is what err says, without what differs from host to host.
func said(h *testhost.Host, err error) string {
	return strings.NewReplacer(h.Target(), "host", h.Home, "~", h.User, "user").Replace(err.Error())
}

// oddRC is a start-up file that leaves as odd a shell behind as it can.
const oddRC = `set -e; ls() { echo not ls; }; export -f ls; tail() { echo not tail; }; export -f tail
alias ls='ls -l' rm='rm -i' mv='mv -i' cat=false
export IFS=/ CDPATH=/ POSIXLY_CORRECT=1 BLOCK_SIZE=1M TMPDIR=/nonexistent ENV=/nonexistent
export LC_ALL=tr_TR.UTF-8 LANG=C.UTF-8 GREP_OPTIONS=-v GREP_COLORS=x ZSTD_CLEVEL=19 GZIP=-9
`

// goodKinds are the hosts that take an install as any other does.
func goodKinds(t *testing.T) map[string][]testhost.Option {
	posixDD := tool(t, "dd", `case "$*" in *fullblock*) exit 1 ;; esac; exec `+testhost.Need(t, "dd")+` "$@"`)
	bash := func(rc string) []testhost.Option {
		return []testhost.Option{testhost.WithShell("bash"), testhost.WithFile(".bashrc", rc)}
	}
	only := func(tools ...string) []testhost.Option {
		return []testhost.Option{testhost.WithPath(slices.Concat(testhost.BaseTools, tools)...)}
	}
	elsewhere := func(mounts string) []testhost.Option {
		return []testhost.Option{testhost.WithMounts(`base=$home/.local/share/davit/worker
			mkdir -p "$base"`, mounts, `chown -R "$uid:$gid" "$home"`)}
	}
	const tmpfs = `mount -t tmpfs -o "mode=755,uid=$uid,gid=$gid" tmpfs `
	return map[string][]testhost.Option{
		"root, PATH of busybox":                {testhost.Root, testhost.Applets},
		"root, all of busybox":                 {testhost.Root, testhost.AllBusybox},
		"dropbear, others' processes hidden":   {testhost.Dropbear, testhost.WithMounts("mount -t proc -o hidepid=2 proc /proc")},
		"dropbear, no /proc":                   {testhost.Dropbear, testhost.WithMounts("mount -t tmpfs tmpfs /proc")},
		"login: bash":                          {testhost.WithShell("bash")},
		"login: dash":                          {testhost.WithShell("dash")},
		"login: fish":                          {testhost.WithShell("fish"), testhost.WithFile(".config/fish/config.fish", "echo noise; echo noise >&2\n")},
		"login: tcsh":                          {testhost.WithShell("tcsh"), testhost.WithFile(".tcshrc", "echo noise\n")},
		"login: zsh":                           {testhost.WithShell("zsh"), testhost.WithFile(".zshenv", "echo noise; setopt sh_word_split noclobber\n")},
		"login: ksh":                           {testhost.WithShell("ksh")},
		"a banner of 100 lines":                {testhost.WithSSHD("Banner " + banner(t))},
		"rc prints":                            bash("echo noise; echo noise >&2\n"),
		"rc prints, and ends no line":          bash("printf noise; printf noise >&2\n"),
		"rc prints 1 MiB":                      bash("head -c 1048576 /dev/zero | tr '\\0' x; head -c 100000 /dev/urandom >&2\n"),
		"rc reads stdin":                       bash("read -r x; read -r y\n"),
		"rc sleeps":                            bash("sleep 2\n"),
		"rc ends with an error":                bash("echo noise >&2; false\n"),
		"rc sets odd options":                  bash(oddRC),
		"rc sets umask 077":                    bash("umask 077\n"),
		"rc leaves a process behind":           bash("sleep 3 >/dev/null 2>&1 &\n"),
		"PATH of busybox":                      {testhost.Applets},
		"/bin/sh of busybox":                   {testhost.BusyboxSh},
		"all of busybox":                       {testhost.AllBusybox, testhost.WithMounts("mount -t proc proc /mnt/proc")},
		"all of busybox, no /proc":             {testhost.AllBusybox},
		"dropbear":                             {testhost.Dropbear},
		"dropbear, bash that prints":           append(bash("echo noise\n"), testhost.Dropbear),
		"no zstd":                              only("sha256sum", "gzip", "flock"),
		"no compressor, no flock, only shasum": only("shasum", "perl"),
		"only openssl to verify with":          only("openssl"),
		"a dd that is only POSIX's":            {testhost.WithEnv("PATH", posixDD+":/usr/bin:/bin")},
		"/tmp mounted noexec":                  {testhost.NoexecTmp},
		"home on a file system of 4 MiB":       {testhost.HomeOnTmpfs("size=4m")},
		"releases are a file system":           elsewhere(`mkdir "$base/releases"; ` + tmpfs + `"$base/releases"`),
		"releases are a link elsewhere":        elsewhere(`mkdir "$home/disk"; ` + tmpfs + `"$home/disk"; ln -s ../../../../disk "$base/releases"`),
		"~/.local is a link elsewhere":         elsewhere(`mkdir "$home/disk"; ` + tmpfs + `"$home/disk"; rm -rf "$home/.local"; ln -s disk "$home/.local"`),
		"~/.local/bin is a file system":        elsewhere(`mkdir "$home/.local/bin"; ` + tmpfs + `"$home/.local/bin"`),
		"home with spaces, quotes, unicode":    {testhost.WithHome(`hö me 'x' "y" $z *`)},
		"clock a day behind":                   {testhost.WithClock("-1d")},
		"clock a day ahead":                    {testhost.WithClock("+1d")},
		"MaxSessions 1":                        {testhost.WithSSHD("MaxSessions 1")},
		"MaxStartups 2":                        {testhost.WithSSHD("MaxStartups 2")},
		"no forwarding of TCP":                 {testhost.WithSSHD("AllowTcpForwarding no", "DisableForwarding yes")},
	}
}

func TestEveryKindOfHostTakesAnInstall(t *testing.T) {
	t.Parallel()
	list := listed(t, "odd hosts that take an install")
	for name, options := range goodKinds(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, options...), t}
			one, two := program(t, "one", 700_000), wordy(t, "two", 700_000)
			outcome := "not installed"
			defer func() { list.set(t, name, outcome) }()
			s.install(one)
			outcome = "not replaced"
			r := s.install(two)
			outcome = "installed, replaced"
			if r.Previous != id(t, one) {
				t.Errorf("the previous release is %q", r.Previous)
			}
			best := s.Run("for form in zstd gzip; do command -v $form >/dev/null && echo $form && exit; done; echo plain")
			if r.Form != strings.TrimSpace(best) {
				t.Errorf("it travelled as %s, want %s", r.Form, best)
			}
			s.assertWhole(id(t, two))
			if out := s.Run("~/.local/bin/worker; ~/.local/share/davit/worker/previous/worker"); out != "two\none\n" {
				t.Errorf("they say %q", out)
			}
			if mode, err := os.Stat(filepath.Join(s.See(s.Home), ".local/bin/worker")); err != nil || mode.Mode().Perm() != 0o755 {
				t.Errorf("mode %v, %v", mode, err)
			}
		})
	}
}

// banner returns a file with what a company's lawyers and its only artist want to be shown.
func banner(t *testing.T) string {
	t.Helper()
	line := "\x1b[31;1m*** AUTHORIZED USE ONLY *** \x1b[0m\x1b]0;title\x07\x1b[2J \xff\xfe ***\r\n"
	path := filepath.Join(t.TempDir(), "banner")
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOddHostsThatCannotTakeAnInstallSayWhy(t *testing.T) {
	t.Parallel()
	list := listed(t, "odd hosts that cannot take an install")
	lies := tool(t, "df", `echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'; echo 'x 99999999 1 99999998 1% /'`)
	for name, c := range map[string]struct {
		options []testhost.Option
		code    int
		words   []string
	}{
		"home mounted noexec":       {[]testhost.Option{testhost.HomeMounted("noexec")}, davit.ExitHost, []string{"permission denied", "noexec"}},
		"home mounted read-only":    {[]testhost.Option{testhost.HomeMounted("ro")}, davit.ExitHost, []string{"permission denied", "cannot write to"}},
		"root's home is read-only":  {[]testhost.Option{testhost.Root, testhost.HomeMounted("ro")}, davit.ExitHost, []string{"permission denied", "cannot write to"}},
		"home not writable":         {[]testhost.Option{testhost.WithPrepare(func(h *testhost.Host) { os.Chmod(h.Home, 0o555) })}, davit.ExitHost, []string{"permission denied", "cannot write to"}},
		"a disk too small":          {[]testhost.Option{testhost.HomeOnTmpfs("size=4m")}, davit.ExitHost, []string{"not enough space", "needs 9 MiB", "4 MiB are free"}},
		"no inodes":                 {[]testhost.Option{testhost.HomeOnTmpfs("nr_inodes=4")}, davit.ExitHost, []string{"not enough space", "No space left on device"}},
		"no inodes for the release": {[]testhost.Option{testhost.HomeOnTmpfs("nr_inodes=8")}, davit.ExitHost, []string{"not enough space", "No space left on device"}},
		"a df that lies": {
			[]testhost.Option{testhost.HomeOnTmpfs("size=4m"), testhost.WithEnv("PATH", lies+":/usr/bin:/bin")},
			davit.ExitHost,
			[]string{"not enough space", "No space left on device"},
		},
		"releases on a disk too small": {
			[]testhost.Option{testhost.WithMounts(`releases=$home/.local/share/davit/worker/releases
				mkdir -p "$releases"; chown -R "$uid:$gid" "$home/.local"
				mount -t tmpfs -o "size=4m,uid=$uid,gid=$gid,mode=755" tmpfs "$releases"`)},
			davit.ExitHost,
			[]string{"not enough space", "No space left on device"},
		},
		"HOME unset":               {[]testhost.Option{testhost.WithShell("bash"), testhost.WithFile(".bashrc", "unset HOME\n")}, davit.ExitHost, []string{"HOME is not an absolute path"}},
		"HOME relative":            {[]testhost.Option{testhost.WithShell("bash"), testhost.WithFile(".bashrc", "HOME=work\n")}, davit.ExitHost, []string{"HOME is not an absolute path", "work"}},
		"login: nologin":           {[]testhost.Option{testhost.WithShell("nologin")}, davit.ExitHost, []string{"This account is currently not available"}},
		"login: false":             {[]testhost.Option{testhost.WithShell("false")}, davit.ExitHost, []string{"exit status 1"}},
		"login: restricted bash":   {[]testhost.Option{testhost.WithShell("rbash")}, davit.ExitHost, []string{"restricted"}},
		"a command that is forced": {[]testhost.Option{testhost.WithSSHD("ForceCommand echo only backups here")}, davit.ExitHost, []string{"only backups here"}},
		"rc that ends the shell":   {[]testhost.Option{testhost.WithShell("bash"), testhost.WithFile(".bashrc", "exit 3\n")}, davit.ExitHost, []string{"3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, c.options...), t}
			before := s.files()
			ctx, _ := told(t)
			_, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: program(t, "x", 8<<20), Name: "worker"})
			explained(t, err, c.code, c.words...)
			s.assertWhole("")
			if after := s.files(); !slices.Equal(before, after) {
				t.Errorf("left behind: there were %q, there are %q", before, after)
			}
			list.set(t, name, said(s.Host, err))
		})
	}
}

// files returns the paths of all that is in the home.
func (s site) files() (paths []string) {
	s.t.Helper()
	home := s.See(s.Home)
	err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, strings.TrimPrefix(path, home))
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
	return paths
}

func TestADiskThatFillsUpMeanwhile(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t, testhost.HomeOnTmpfs("size=8m")), t}
	one := program(t, "one", 1<<10)
	s.install(one)
	before := s.files()
	link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 4 << 20})
	ctx, _ := told(t)
	ctx = when(ctx, "progress", func() { s.Try("head -c 8388608 /dev/zero >~/filler") })
	_, err := davit.Install(ctx, dial(t, s.Via(link.Addr())), davit.InstallOptions{Binary: program(t, "two", 5<<20), Name: "worker"})
	explained(t, err, davit.ExitHost, "not enough space", "No space left on device")
	if !errors.Is(err, davit.ErrSpace) {
		t.Errorf("%v is not ErrSpace", err)
	}
	s.assertWhole(id(t, one))
	if after := s.files(); !slices.Equal(append(before, "/filler"), after) {
		t.Errorf("left behind: there were %q, there are %q", before, after)
	}
}

func TestAHostThatIsBusyWithStrangers(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t, testhost.WithSSHD("MaxStartups 2")), t}
	for range 2 {
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Read(make([]byte, 100)); err != nil { // sshd has taken it
			t.Fatal(err)
		}
	}
	ctx, _ := told(t)
	_, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: program(t, "x", 100), Name: "worker"})
	explained(t, err, davit.ExitConnect, "MaxStartups", "nothing was touched")
	t.Log("REPORT: a host that is busy with strangers: " + said(s.Host, err))
}

func TestAKilledClientLeavesNothingOnAnOddHost(t *testing.T) {
	t.Parallel()
	list := listed(t, "odd hosts whose client was killed in the transfer")
	kinds := goodKinds(t)
	for _, name := range []string{
		"dropbear", "dropbear, others' processes hidden", "dropbear, no /proc", "login: fish", "login: tcsh", "rc sets odd options",
		"PATH of busybox", "/bin/sh of busybox", "all of busybox, no /proc", "root, all of busybox", "no compressor, no flock, only shasum",
		"clock a day behind", "releases are a file system", "home with spaces, quotes, unicode", "MaxSessions 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, kinds[name]...), t}
			one, two := program(t, "one", 1<<10), program(t, "two", 4<<20)
			s.install(one)
			link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 8 << 20})
			killAt(t, s.Via(link.Addr()), "progress", two, "user", "")
			s.assertWhole(id(t, one))
			s.install(two)
			s.assertWhole(id(t, two))
			list.set(t, name, "nothing left, the next install works")
		})
	}
}

func TestSystemScope(t *testing.T) {
	t.Parallel()
	testhost.NeedRoot(t)
	testhost.Need(t, "sudo")
	list := listed(t, "ways to become root")
	doas := func(conf string) []testhost.Option {
		return []testhost.Option{
			testhost.Ordinary, testhost.OwnSystem(map[string]string{"doas.conf": conf}),
			testhost.WithPath(append(testhost.BaseTools, "sha256sum", "gzip", "doas")...),
		}
	}
	iolog := "log_input,log_output,iolog_dir=" + t.TempDir()
	for name, c := range map[string]struct {
		options  []testhost.Option
		rule     string // of sudoers, for the user
		password string // what the user answers
		code     int
		words    []string
	}{
		"sudo without a password":             {nil, "NOPASSWD: ALL", "", davit.ExitDone, nil},
		"sudo with a password":                {nil, "ALL", "right horse", davit.ExitDone, nil},
		"sudo with a password, MaxSessions 1": {[]testhost.Option{testhost.WithSSHD("MaxSessions 1")}, "ALL", "right horse", davit.ExitDone, nil},
		"sudo with a wrong password":          {nil, "ALL", "wrong horse", davit.ExitHost, []string{"sudo refused", "incorrect password"}},
		"sudo, nobody to ask":                 {nil, "ALL", "", davit.ExitHost, []string{"sudo wants a password", "nothing was touched"}},
		"sudo, a user who may not":            {nil, "/bin/true", "right horse", davit.ExitHost, []string{"permission denied: sudo refused", "not allowed"}},
		"sudo requires a terminal":            {nil, "NOPASSWD: ALL\nDefaults:USER requiretty", "", davit.ExitHost, []string{"sudo wants a terminal", "requiretty"}},
		"sudo logs input":                     {nil, "NOPASSWD: ALL\nDefaults:USER !use_pty," + iolog, "", davit.ExitDone, nil},
		"sudo logs input, with a password":    {nil, "ALL\nDefaults:USER !use_pty," + iolog, "right horse", davit.ExitDone, nil},
		"sudo in a terminal of its own":       {nil, "NOPASSWD: ALL\nDefaults:USER use_pty," + iolog, "", davit.ExitDone, nil},
		"sudo lectures and insults":           {nil, "ALL\nDefaults:USER lecture=always,insults", "right horse", davit.ExitDone, nil},
		"sudo on dropbear":                    {[]testhost.Option{testhost.Dropbear}, "ALL", "right horse", davit.ExitDone, nil},
		"sudo, umask 077 and an odd rc":       {[]testhost.Option{testhost.WithShell("bash"), testhost.WithFile(".bashrc", "umask 077\n"+oddRC)}, "NOPASSWD: ALL", "", davit.ExitDone, nil},
		"sudo, clock a day behind":            {[]testhost.Option{testhost.WithClock("-1d")}, "NOPASSWD: ALL", "", davit.ExitDone, nil},
		"doas without a password":             {doas("permit nopass USER"), "", "", davit.ExitDone, nil},
		"doas with a password":                {doas("permit USER"), "", "right horse", davit.ExitHost, []string{"doas wants a password", "nopass"}},
		"doas, a user who may not":            {doas("permit nopass root"), "", "right horse", davit.ExitHost, []string{"doas refused", "no rule of doas.conf permits"}},
		"neither sudo nor doas": {
			[]testhost.Option{testhost.WithPath(append(testhost.BaseTools, "sha256sum")...)}, "", "", davit.ExitHost, []string{"is not root, and there is neither sudo nor doas"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, append([]testhost.Option{testhost.Ordinary}, c.options...)...), t}
			if c.rule != "" {
				allow(t, s.Host, strings.ReplaceAll(c.rule, "USER", s.User))
			}
			daemon := "davit-test-" + strings.ToLower(rand.Text()[:8])
			t.Cleanup(func() {
				os.RemoveAll("/opt/davit/" + daemon)
				os.Remove("/usr/local/bin/" + daemon)
				os.Remove("/opt/davit")
			})
			o := davit.InstallOptions{Binary: program(t, "as root", 1<<20), Name: daemon, Scope: davit.System}
			if c.password != "" {
				o.Password = answer(c.password)
			}
			ctx, rec := told(t)
			r, err := davit.Install(ctx, dial(t, s.Host), o)
			for _, e := range rec.Events() {
				if c.password != "" && strings.Contains(e.Message, c.password) {
					t.Errorf("the password was told: %q", e.Message)
				}
			}
			outcome := "installed"
			if c.code != davit.ExitDone {
				explained(t, err, c.code, c.words...)
				outcome = said(s.Host, err)
			} else if err != nil || r.Link != "/usr/local/bin/"+daemon {
				t.Fatalf("%+v, %v", r, err)
			} else if out := s.Run(r.Link + "; ls -l " + host.Quote(r.Path)); !strings.HasPrefix(out, "as root\n") || !strings.Contains(out, "-rwxr-xr-x 1 root root") {
				t.Errorf("it says %q", out)
			}
			s.assertWhole("")
			list.set(t, name, strings.ReplaceAll(outcome, daemon, "worker"))
		})
	}
}
