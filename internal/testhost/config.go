package testhost

import (
	"maps"
	"slices"
	"strings"
)

// Login says whose login a host takes.
type Login int

const (
	// LoginDefault is an ordinary login when the tests run as root, else their own user's.
	LoginDefault Login = iota
	// LoginOrdinary is a fresh account that is deleted with the host. It needs root.
	LoginOrdinary
	// LoginRoot is root's, with HOME set to the host's. It needs root.
	LoginRoot
	// LoginSelf is that of the user who runs the tests, with HOME set to the host's.
	LoginSelf
)

// Config says what kind of host to start. The zero value is a plain host.
type Config struct {
	Login Login

	// Shell is the login shell, a path or the name of a program that the test needs; /bin/sh
	// if empty. Only an ordinary login can have one.
	Shell string

	// Home is the last part of the home's path; "home" if empty.
	Home string

	// Dropbear is that the server is dropbear. It has no sshd_config and no environment of ours,
	// so that neither Tools nor Env can be given. It needs an ordinary login.
	Dropbear bool

	// Tools, if not nil, are the only programs in the host's PATH. The test needs them.
	Tools []string

	// Applets is that the programs in PATH are busybox's, all of them, and no others.
	Applets bool

	// Clock is how far the clock of every session is off, such as "-1d"; see faketime(1).
	Clock string

	// Mounts is a script of sh that is run by root before the server starts, in a namespace of
	// mounts that is the host's own: what it mounts is seen on the host only, and gone with it.
	// It finds dir, home, user, uid and gid as variables. Whatever it makes is to be below dir, or on
	// something that it mounted. What the host then has where is known to [Host.See].
	Mounts []string

	// Env is added to the environment of every session.
	Env map[string]string

	// Files are written below the home before the first login, by relative path.
	Files map[string]string

	// SSHD are lines of sshd_config. They win over the ones that the host has by itself; an
	// element may hold several lines, and one that begins a Match block must hold all of it.
	SSHD []string

	// WAN, if not nil, is the network that the host is on the far side of; see Beyond.
	WAN *WAN

	// Prepare is called before sshd starts, with the rights of the tests. What it makes below
	// the home belongs to the host's user afterwards.
	Prepare []func(*Host)
}

// Option changes what kind of host Start starts. A new kind of host is a new Option, and may be
// made of others.
type Option func(*Config)

// Root is a host whose login is root's. Its HOME is its own, but what asks the password
// database (the working directory at login, sftp, OpenSSH's own client) sees root's real home.
func Root(c *Config) { c.Login = LoginRoot }

// Ordinary is a host with an account of its own, in all respects an ordinary one.
func Ordinary(c *Config) { c.Login = LoginOrdinary }

// Self is a host whose login is that of the user who runs the tests; see Root for its home.
func Self(c *Config) { c.Login = LoginSelf }

// WithShell is a host with another login shell, such as "fish".
func WithShell(shell string) Option {
	return func(c *Config) { c.Shell = shell }
}

// WithPath is a host whose PATH has only these tools; see BaseTools.
func WithPath(tools ...string) Option {
	return func(c *Config) { c.Tools = slices.Concat([]string{}, tools) }
}

// WithEnv is a host whose sessions have the variable in their environment.
func WithEnv(name, value string) Option {
	return func(c *Config) {
		c.Env = maps.Clone(c.Env)
		if c.Env == nil {
			c.Env = map[string]string{}
		}
		c.Env[name] = value
	}
}

// WithFile is a host that has the file, named relative to the home.
func WithFile(name, content string) Option {
	return func(c *Config) {
		c.Files = maps.Clone(c.Files)
		if c.Files == nil {
			c.Files = map[string]string{}
		}
		c.Files[name] = content
	}
}

// WithSSHD is a host whose sshd_config has these lines; see Config.SSHD.
func WithSSHD(lines ...string) Option {
	return func(c *Config) { c.SSHD = append(slices.Clip(c.SSHD), lines...) }
}

// WithPrepare is a host that prepare has changed before sshd starts; see Config.Prepare.
func WithPrepare(prepare func(*Host)) Option {
	return func(c *Config) { c.Prepare = append(slices.Clip(c.Prepare), prepare) }
}

// BaseTools are the programs that any host has. A checksum, a compressor, a downloader or a
// service manager is not among them, nor is flock or setsid.
var BaseTools = strings.Fields(`
	awk basename cat chgrp chmod chown cmp cp cut date dd df dirname du echo env expr false find
	grep head id kill ln ls mkdir mkfifo mktemp mv nohup od printf pwd readlink rm rmdir sed sh
	sleep sort stat sync tail tee test touch tr true tty uname uniq wc xargs`)
