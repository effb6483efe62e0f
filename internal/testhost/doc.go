// Package testhost gives tests real SSH hosts, and a network that can be slowed, stalled and cut.
//
// A host is an OpenSSH server of its own on a loopback address, with its own keys, its own home
// and, when the tests run as root, its own account:
//
//	h := testhost.Start(t)                                        // an ordinary account
//	h := testhost.Start(t, testhost.Root)                         // root's login, another home
//	h := testhost.Start(t, testhost.WithShell("fish"))            // an odd login shell
//	h := testhost.Start(t, testhost.WithPath(testhost.BaseTools...)) // no zstd, no sha256sum
//
// Where root runs the tests and may mount, the crontabs of a host are its own: those of the computer, which
// nobody cleans up, are not for tests to change.
//
// A link goes in front of it, and Via is the same host seen through that link:
//
//	link := testhost.NewLink(t, h.Addr, testhost.Link{Latency: 25 * time.Millisecond})
//	far := h.Via(link.Addr())
//	link.CutAfter(1 << 20)
//
// A WAN is for what a link flatters: on it TCP itself is far from the host, its handshake too.
//
//	wan := testhost.NewWAN(t, testhost.Link{Latency: 25 * time.Millisecond})
//	far := testhost.Start(t, testhost.Beyond(wan))
//
// A machine is for what those lack: an init system that starts services, keeps its log, reboots, and loses
// power. It is a Debian in a container, with nothing of the computer's own but its kernel:
//
//	m := testhost.Boot(t, testhost.Systemd)                       // or testhost.OpenRC
//	m.Run("loginctl enable-linger me")                            // as root
//	me := m.Login("me")                                           // a host like those above
//	m.Reboot()
//
// It takes half a second to boot, and needs root, systemd-nspawn and debootstrap. The only network it
// has is loopback; nobody can ask for lingering but root; limits on memory are not to be tried there.
//
// Everything is gone with the test, also when the test binary is killed: each host has a keeper,
// a process that holds all of the host's processes and ends with its standard input.
//
// The package is support for tests only, and imports nothing else of this module.
package testhost
