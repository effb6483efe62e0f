package testhost

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// choose finds the programs that the host needs to run at all.
func (h *Host) choose() {
	h.t.Helper()
	c := h.config
	if len(c.Mounts) > 0 {
		NeedRoot(h.t)
		Need(h.t, "unshare")
	}
	h.apart = len(c.Mounts) > 0 || mayMount()
	if !c.Dropbear {
		h.server = []string{Need(h.t, "sshd"), "-D", "-e", "-f", h.path("sshd_config")}
		return
	}
	if c.Tools != nil || c.Env != nil || c.Applets || c.SSHD != nil || c.Clock != "" {
		h.t.Fatal("testhost: dropbear takes neither an environment nor an sshd_config")
	}
	Need(h.t, "dropbearconvert")
	// In the foreground, logging to stderr, with no other host key, without passwords.
	h.server = []string{Need(h.t, "dropbear"), "-F", "-E", "-r", h.path("dropbear_key"), "-s", "-P", h.path("pid")}
}

// command returns what starts the host's server, with its mounts and on its network.
func (h *Host) command() []string {
	command := h.server
	if h.config.Dropbear {
		command = slices.Concat(command, []string{"-p", h.Addr})
	}
	if h.apart {
		command = h.mounted(command)
	}
	if h.config.WAN != nil {
		command = h.config.WAN.inside(command...)
	}
	return command
}

// mayMount reports whether a host can have mounts of its own. Not even root may everywhere.
var mayMount = sync.OnceValue(func() bool {
	return os.Getuid() == 0 && exec.Command("unshare", "--mount", "true").Run() == nil
})

// ownCrontabs mounts a place for crontabs that is the host's own over the computer's.
const ownCrontabs = `
for spool in /var/spool/cron/crontabs /var/spool/cron; do
	[ -d "$spool" ] || continue
	mkdir -p "$dir/crontabs"
	chown "$(stat -c %u:%g "$spool")" "$dir/crontabs"
	chmod "$(stat -c %a "$spool")" "$dir/crontabs"
	mount --bind "$dir/crontabs" "$spool"
	break
done
`

// mounted returns what starts the command with the host's mounts.
func (h *Host) mounted(command []string) []string {
	h.t.Helper()
	uid, gid := h.owner()
	values := fmt.Sprintf("dir=$1 home=$2 user=%s uid=%d gid=%d\nshift 2\n", h.User, uid, gid)
	script := values + ownCrontabs + strings.Join(h.config.Mounts, "\n") + "\nexec \"$@\""
	return slices.Concat([]string{Need(h.t, "unshare"), "--mount", "/bin/sh", "-ec", script, "mounts", h.dir, h.Home}, command)
}

// listening is what the server says when it listens.
func (h *Host) listening() string {
	if h.config.Dropbear {
		return "Not backgrounding"
	}
	return "Server listening on"
}

// authorizedKeys returns the file of the keys that are let in. Dropbear's place is fixed.
func (h *Host) authorizedKeys() string {
	if h.config.Dropbear {
		return filepath.Join(h.Home, ".ssh", "authorized_keys")
	}
	return h.path("authorized_keys")
}

// convertHostKey writes the host key as dropbear wants it.
func (h *Host) convertHostKey() {
	h.t.Helper()
	cmd := exec.Command(Need(h.t, "dropbearconvert"), "openssh", "dropbear", h.path("host_key"), h.path("dropbear_key"))
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("testhost: dropbearconvert: %v: %s", err, out)
	}
}

// addApplets makes a PATH of busybox alone.
func (h *Host) addApplets() {
	h.t.Helper()
	busybox := Need(h.t, "busybox")
	list, err := exec.Command(busybox, "--list").Output()
	h.must(err)
	for applet := range bytes.FieldsSeq(list) {
		h.must(os.Symlink(busybox, filepath.Join(h.path("bin"), string(applet))))
	}
}

// fakeTime returns the library that lies to a program about the time.
func (h *Host) fakeTime() string {
	found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if len(found) == 0 {
		lacking(h.t, "libfaketime is not installed")
	}
	return found[0]
}

// See returns where the tests find what the host has at the absolute path; the same path, unless
// the host has mounts of its own, and then its sshd must be running, or is a machine's; see [Machine.See].
func (h *Host) See(path string) string {
	if h.machine != nil {
		return h.machine.See(path)
	}
	if len(h.config.Mounts) == 0 {
		return path
	}
	return fmt.Sprintf("/proc/%d/root%s", h.listener(h.keeper.procs()), path)
}
