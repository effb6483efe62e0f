package testhost

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rootCache has the file systems that machines begin with, one for each kind and recipe.
const rootCache = "/var/cache/davit-testhost"

const release = "bookworm"

// recipe says how such a file system is made.
type recipe struct {
	packages string // more than the smallest Debian has
	repaired bool   // debootstrap leaves it half done
	finish   string // script of sh, run by root in it
}

// everywhere are the packages that all machines have.
const everywhere = "openssh-server,iproute2,procps,ca-certificates,sudo,cron"

// finish is run in every new root. The accounts have numbers that useradd would not give to an
// account of the computer that the tests run on: those are killed with all that runs as them.
const finish = `
sed -i -E 's/^(UID|GID)_MIN.*/\1_MIN 70000/; s/^(UID|GID)_MAX.*/\1_MAX 79999/' /etc/login.defs
useradd --create-home --shell /bin/bash --password '*' --uid 70000 me
cat >/etc/ssh/sshd_config.d/testhost.conf <<.
MaxStartups 1000
UsePAM yes
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
ListenAddress 0.0.0.0
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/keys/%u/authorized_keys .ssh/authorized_keys
.
rm -rf /etc/ssh/ssh_host_* /etc/machine-id /etc/hostname /etc/resolv.conf /var/lib/dbus/machine-id
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/* /usr/share/doc /usr/share/man
mkdir -p /etc/ssh/keys
touch /etc/default/locale
`

var recipes = map[Init]recipe{
	Systemd: {
		packages: everywhere + ",systemd,systemd-sysv,dbus,libpam-systemd,dbus-user-session",
		// The delays are those of a real host, only shorter.
		finish: finish + `
mkdir -p /var/log/journal /etc/systemd/system.conf.d /etc/systemd/user.conf.d /etc/systemd/logind.conf.d
printf '[Login]\nUserStopDelaySec=2s\n' >/etc/systemd/logind.conf.d/testhost.conf
printf '[Manager]\nDefaultTimeoutStopSec=15s\n' | tee /etc/systemd/system.conf.d/testhost.conf >/etc/systemd/user.conf.d/testhost.conf
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
	ln -sf /dev/null /etc/systemd/system/$unit
done
`,
	},
	OpenRC: {
		packages: everywhere + ",openrc,sysvinit-core",
		repaired: true,
		finish:   finish + "sed -i /getty/d /etc/inittab # there are no terminals\n",
	},
}

// builtRoot returns the folder of the file system that machines of that kind begin with. If it is
// not there it is built; who comes meanwhile waits.
func builtRoot(t testing.TB, init Init) string {
	t.Helper()
	r, known := recipes[init]
	if !known {
		t.Fatalf("testhost: no machine has %q", init)
	}
	version := sha256.Sum256(fmt.Append(nil, r))
	root := filepath.Join(rootCache, fmt.Sprintf("%s-%x", init, version[:4]))
	if _, err := os.Stat(root); err == nil {
		return root
	}
	debootstrap := Need(t, "debootstrap")
	Need(t, "unshare")
	if err := r.lockedBuild(debootstrap, root); err != nil {
		t.Fatalf("testhost: build of %s: %v", root, err)
	}
	return root
}

func (r recipe) lockedBuild(debootstrap, root string) error {
	if err := os.MkdirAll(rootCache, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(root+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(root); err == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "testhost: building %s with debootstrap, once for this computer; it takes a minute or two\n", root)
	began, part := time.Now(), root+".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := r.build(debootstrap, part); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "testhost: %s took %v\n", root, time.Since(began).Round(time.Second))
	return os.Rename(part, root)
}

// build makes the file system in the new folder.
func (r recipe) build(debootstrap, root string) error {
	words := []string{debootstrap, "--variant=minbase", "--include=" + r.packages, release, root}
	if system, _ := os.ReadFile("/etc/os-release"); !strings.Contains(string(system), "\nID=debian\n") {
		words = append(words, "http://deb.debian.org/debian") // not what the computer's own packages come from
	}
	err := contained(words...)
	if r.repaired && err != nil {
		err = contained("chroot", root, "sh", "-ec", `
			export DEBIAN_FRONTEND=noninteractive
			apt-get -qq update; apt-get -qq -y -f install; apt-get -qq -y install --reinstall dpkg`)
	}
	if err != nil {
		return err
	}
	return contained("chroot", root, "sh", "-ec", r.finish)
}

// contained runs a command that may leave neither mounts nor processes behind, also if this
// process is killed.
func contained(command ...string) error {
	words := append([]string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}, command...)
	cmd := exec.Command("unshare", words...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	cmd.SysProcAttr = ownSession()
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	runtime.LockOSThread() // it is that thread's death that counts
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", command, err, out)
	}
	return nil
}
