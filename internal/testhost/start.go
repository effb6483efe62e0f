package testhost

import (
	"cmp"
	"crypto/rand"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Start starts a host of the given kind and returns when it takes connections. It is stopped,
// and all that belongs to it is removed, when the test ends; if the test failed, sshd's log is
// in the test's. Start skips the test, or fails it if CI=true, where such a host cannot be had.
func Start(t testing.TB, options ...Option) *Host {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED, NOT TESTED: sshd hosts need Linux")
	}
	c := Config{}
	for _, option := range options {
		option(&c)
	}
	h := newHost(t, c)
	h.choose()
	h.keep()
	h.lay()
	h.furnish()
	h.listen()
	return h
}

func newHost(t testing.TB, c Config) *Host {
	t.Helper()
	h := &Host{t: t, config: c}
	if h.config.Login == LoginDefault {
		h.config.Login = LoginSelf
		if os.Getuid() == 0 || c.Shell != "" {
			h.config.Login = LoginOrdinary
		}
	}
	name := newName()
	switch h.config.Login {
	case LoginOrdinary:
		NeedRoot(t)
		h.User = name
	case LoginRoot:
		NeedRoot(t)
		h.User = "root"
	default:
		self, err := user.Current()
		h.must(err)
		h.User = self.Username
	}
	h.dir = filepath.Join("/tmp", name) // short: a path to a socket has 108 bytes
	h.Home = h.path(cmp.Or(c.Home, "home"))
	h.IdentityFile = h.path("id")
	h.KnownHosts = h.path("known_hosts")
	return h
}

// newName returns a name that nothing else here has, for accounts, folders and devices.
func newName() string { return "dv" + strings.ToLower(rand.Text()[:8]) }

// keep starts the keeper before there is anything to keep, so that nothing can be left behind.
func (h *Host) keep() {
	h.t.Helper()
	d := duty{Dir: h.dir}
	if h.config.Login == LoginOrdinary {
		d.Account = h.User
	}
	var err error
	h.keeper, err = startKeeper(d)
	h.must(err)
	h.t.Cleanup(h.end)
}

// end is the end of the host.
func (h *Host) end() {
	if h.t.Failed() {
		h.t.Logf("log of sshd for %s:\n%s", h.Target(), h.Log())
	}
	if err := h.keeper.end(); err != nil {
		h.t.Errorf("testhost: end of %s: %v", h.Target(), err)
	}
}

// lay makes the host's folder, its account and its keys.
func (h *Host) lay() {
	h.t.Helper()
	h.must(os.Mkdir(h.dir, 0o755))
	h.must(os.Mkdir(h.Home, 0o755))
	if h.config.Login == LoginOrdinary {
		h.addAccount()
	} else if h.config.Shell != "" {
		h.t.Fatal("testhost: only an ordinary login can have another shell")
	}
	h.HostKey = NewKey(h.t, h.path("host_key")).PublicKey()
	if h.config.Dropbear {
		h.convertHostKey()
	}
	h.signer = NewKey(h.t, h.IdentityFile)
	h.must(os.MkdirAll(filepath.Dir(h.authorizedKeys()), 0o755))
	h.must(os.WriteFile(h.authorizedKeys(), ssh.MarshalAuthorizedKey(h.signer.PublicKey()), 0o644))
}

// furnish fills the home and the folder of tools.
func (h *Host) furnish() {
	h.t.Helper()
	for name, content := range h.config.Files {
		path := filepath.Join(filepath.Base(h.Home), name)
		h.must(os.MkdirAll(filepath.Dir(h.path(path)), 0o755))
		h.write(path, content)
	}
	if h.config.Tools != nil || h.config.Applets {
		h.must(os.Mkdir(h.path("bin"), 0o755))
	}
	for _, tool := range h.config.Tools {
		h.must(os.Symlink(Need(h.t, tool), filepath.Join(h.path("bin"), tool)))
	}
	if h.config.Applets {
		h.addApplets()
	}
	for _, prepare := range h.config.Prepare {
		prepare(h)
	}
	if h.config.Login == LoginOrdinary {
		h.ownHome()
	}
}

// addAccount adds the host's account. With an empty password field ("!") sshd would refuse it
// even with a good key, hence the "*".
func (h *Host) addAccount() {
	h.t.Helper()
	shell := "/bin/sh"
	if h.config.Shell != "" {
		shell = Need(h.t, h.config.Shell)
	}
	Need(h.t, "flock")
	h.must(locked(Need(h.t, "useradd"), "--no-create-home", "--no-log-init", "--user-group",
		"--home-dir", h.Home, "--shell", shell, "--password", "*", h.User))
}

// ownHome gives the home and all in it to the host's account.
func (h *Host) ownHome() {
	h.t.Helper()
	uid, gid := h.owner()
	h.must(filepath.WalkDir(h.Home, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	}))
}

// owner returns the numbers of the host's user and of its group.
func (h *Host) owner() (uid, gid int) {
	h.t.Helper()
	account, err := user.Lookup(h.User)
	h.must(err)
	uid, _ = strconv.Atoi(account.Uid)
	gid, _ = strconv.Atoi(account.Gid)
	return uid, gid
}

func (h *Host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *Host) write(name, content string) {
	h.t.Helper()
	h.must(os.WriteFile(h.path(name), []byte(content), 0o644))
}

// must fails the test with err, if there is one.
func (h *Host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("testhost: %v", err)
	}
}
