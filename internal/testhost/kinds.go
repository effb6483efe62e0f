package testhost

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Dropbear is a host whose server is dropbear, as small systems have it.
func Dropbear(c *Config) { c.Login, c.Dropbear = LoginOrdinary, true }

// Applets is a host whose PATH has busybox's programs only. Its /bin/sh is the machine's.
func Applets(c *Config) { c.Applets = true }

// WithHome is a host whose home has that name.
func WithHome(name string) Option {
	return func(c *Config) { c.Home = name }
}

// WithClock is a host whose clock is off, by "+1d" for instance.
func WithClock(off string) Option {
	return func(c *Config) { c.Clock = off }
}

// WithMachine is a host that says it is of that kind, by uname's word for it: "aarch64". What runs there is
// the machine's all the same.
func WithMachine(machine string) Option {
	return WithPrepare(func(h *Host) {
		dir, uname := h.path("machine"), Need(h.t, "uname")
		h.must(os.Mkdir(dir, 0o755))
		script := "#!/bin/sh\ncase $1 in -sm) echo \"$(" + uname + " -s) " + machine + "\" ;; *) exec " + uname + " \"$@\" ;; esac\n"
		h.must(os.WriteFile(filepath.Join(dir, "uname"), []byte(script), 0o755))
		WithEnv("PATH", dir+":/usr/local/bin:/usr/bin:/bin")(&h.config)
	})
}

// WithMounts is a host that has mounts of its own; see Config.Mounts. It needs root.
func WithMounts(script ...string) Option {
	return func(c *Config) { c.Mounts = append(slices.Clip(c.Mounts), script...) }
}

// HomeOnTmpfs is a host whose home is a file system of its own, with mount's options for tmpfs,
// such as "size=4m" or "nr_inodes=3".
func HomeOnTmpfs(options string) Option {
	return WithMounts(`mount -t tmpfs -o "uid=$uid,gid=$gid,mode=755,` + options + `" tmpfs "$home"`)
}

// HomeMounted is a host whose home is mounted with the options, such as "ro" or "noexec".
func HomeMounted(options string) Option {
	return WithMounts(`mount --bind "$home" "$home"; mount -o "remount,bind,` + options + `" "$home"`)
}

// NoexecTmp is a host in whose /tmp nothing can be started, other than in the home, which is
// there only because it is a test's.
func NoexecTmp(c *Config) {
	WithMounts(`mount --bind /tmp /tmp; mount -o remount,bind,noexec /tmp
		mount --bind "$home" "$home"; mount -o remount,bind,exec "$home"`)(c)
}

// OwnSystem is a host whose /opt and /usr/local/bin are its own, and so is /etc: a copy of the
// machine's, in which the files are written, for root only, named relative to /etc. USER stands in
// them for the host's user.
func OwnSystem(etc map[string]string) Option {
	script := []string{`cp -a /etc "$dir/etc" 2>/dev/null || : # useradd's own files may go meanwhile
		mount --bind "$dir/etc" /etc
		mount -t tmpfs -o mode=755 tmpfs /opt; mount -t tmpfs -o mode=755 tmpfs /usr/local/bin`}
	for name, content := range etc {
		name, content = quote("/etc/"+name), quote(content)
		script = append(script, "printf '%s\\n' "+content+" | sed \"s/USER/$user/g\" >"+name+"; chmod 0400 "+name)
	}
	return WithMounts(script...)
}

// BusyboxSh is a host whose /bin/sh is busybox's, and whose PATH has busybox's programs only.
func BusyboxSh(c *Config) {
	c.Applets = true
	WithMounts(`mount --bind "$(command -v busybox)" "$(readlink -f /bin/sh)"`)(c)
}

// AllBusybox is a host that has nothing but busybox: its users live in another root directory.
// What else is needed there, such as a mount of /proc, can follow; its place is $root.
func AllBusybox(c *Config) {
	WithSSHD("ChrootDirectory /mnt")(c)
	WithEnv("PATH", "/bin")(c)
	WithMounts(`root=/mnt; busybox=$(command -v busybox)
		mkdir "$dir/root"; mount --bind "$dir/root" /mnt; cd /mnt
		mkdir -p bin etc dev proc tmp ".$home"; chmod 1777 tmp
		cp "$busybox" bin/busybox; cp /etc/passwd /etc/group etc
		ldd "$busybox" | grep -o '/[^ )]*' | xargs -r cp -L --parents -t .
		chroot . /bin/busybox --install -s /bin
		shell=$(getent passwd "$user" | cut -d: -f7) # of root it may be another
		[ -e ".$shell" ] || install -D -m 755 /dev/stdin ".$shell" <<-'.'
			#!/bin/sh
			exec /bin/sh "$@"
		.
		mount --bind /dev dev; mount --bind "$home" ".$home"; cd /`)(c)
}

// quote returns text as a word of sh.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
