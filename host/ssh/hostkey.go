package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// hostKeys verifies the key of one host.
type hostKeys struct {
	ctx       context.Context // of the connection being made
	addr      string          // as it stands in known_hosts: name:port
	known     *knownHosts
	acceptNew bool
	file      string        // takes new keys; "" if there is none
	verified  ssh.PublicKey // the key that was found good
}

// newHostKeys reads the known_hosts files.
func newHostKeys(ctx context.Context, s *settings, o Options) (*hostKeys, error) {
	k := &hostKeys{ctx: ctx, acceptNew: o.AcceptNewHostKeys || s.acceptsNewHostKeys()}
	k.addr = net.JoinHostPort(strings.ToLower(s.hostName), s.port)
	if s.hostKeyAlias != "" {
		k.addr = net.JoinHostPort(s.hostKeyAlias, "22") // an alias stands there without a port
	}
	own := s.userKnownHostsFiles
	files := slices.Concat(own, s.globalKnownHostsFiles)
	if o.KnownHostsFiles != nil {
		own, files = o.KnownHostsFiles, o.KnownHostsFiles
	}
	if len(own) > 0 {
		k.file = own[0]
	}
	files = slices.DeleteFunc(slices.Clone(files), func(file string) bool {
		info, err := os.Stat(file)
		return err != nil || !info.Mode().IsRegular()
	})
	var err error
	k.known, err = readKnownHosts(files, func(file string, line int, err error) {
		narrate.Warnf(ctx, "known_hosts", "⚠️  %s:%d is left out: %v", file, line, err)
	})
	if err != nil {
		return nil, &host.Error{
			Kind: host.ErrConfig, Err: fmt.Errorf("read the known host keys: %w", err),
			Hint: "correct or remove that line",
		}
	}
	return k, nil
}

// algorithms returns the kinds of keys that the host is asked for, those of known keys first:
// another kind would look like a changed key.
func (k *hostKeys) algorithms() []string {
	supported := ssh.SupportedAlgorithms().HostKeys
	var known, plain []string
	for _, addr := range k.addrs() {
		for _, a := range k.known.all.HostKeyAlgorithms(addr) {
			if slices.Contains(supported, a) && !slices.Contains(known, a) {
				known = append(known, a)
			}
		}
	}
	for _, a := range supported {
		// A certificate helps only where known_hosts has its authority.
		if !slices.Contains(known, a) && !strings.Contains(a, "-cert-") {
			plain = append(plain, a)
		}
	}
	return append(known, plain...)
}

// addrs returns the addresses under which the host may be known: OpenSSH takes a key that is
// known for the name alone for one on another port, too.
func (k *hostKeys) addrs() []string {
	name, port, _ := net.SplitHostPort(k.addr)
	if port == "22" {
		return []string{k.addr}
	}
	return []string{k.addr, net.JoinHostPort(name, "22")}
}

// verify is an [ssh.HostKeyCallback]. Its errors are [*host.Error]s.
func (k *hostKeys) verify(_ string, _ net.Addr, key ssh.PublicKey) error {
	if k.verified != nil && bytes.Equal(k.verified.Marshal(), key.Marshal()) {
		return nil // asked again for new session keys, long after ctx
	}
	err := k.known.check(k.addr, key)
	if err != nil && !knownhosts.IsHostKeyChanged(err) && len(k.addrs()) > 1 && k.known.check(k.addrs()[1], key) == nil {
		err = nil
	}
	if knownhosts.IsHostUnknown(err) && k.acceptNew {
		k.accept(key)
		err = nil
	}
	if err != nil {
		return k.refuse(key, err)
	}
	k.verified = key
	return nil
}

// refuse returns the error for a key that is not good.
func (k *hostKeys) refuse(key ssh.PublicKey, err error) error {
	shown := describe(key)
	if keyError, ok := errors.AsType[*xknownhosts.KeyError](err); ok {
		if len(keyError.Want) == 0 {
			return &host.Error{
				Kind: host.ErrHostKeyUnknown, Err: fmt.Errorf("the host key is not known here: %s", shown),
				Hint: "compare the fingerprint, then repeat with --accept-new-host-keys",
			}
		}
		old := k.known.original(keyError.Want[0])
		return &host.Error{
			Kind: host.ErrHostKeyChanged,
			Err: fmt.Errorf("the host key has changed, or somebody is in between: it shows %s, but %s:%d says %s",
				shown, old.Filename, old.Line, describe(old.Key)),
			Hint: fmt.Sprintf("only if you know why it changed: ssh-keygen -f %s -R %s", old.Filename, quoteAddr(k.addr)),
		}
	}
	if revoked, ok := errors.AsType[*xknownhosts.RevokedError](err); ok {
		return &host.Error{
			Kind: host.ErrHostKeyChanged,
			Err:  fmt.Errorf("the host shows a key that %s:%d revokes: %s", k.known.original(revoked.Revoked).Filename, revoked.Revoked.Line, shown),
		}
	}
	return &host.Error{Kind: host.ErrHostKeyUnknown, Err: fmt.Errorf("the host key cannot be verified: %w", err)}
}

// accept makes key known. That it could not be written down is told, and no reason to stop.
func (k *hostKeys) accept(key ssh.PublicKey) {
	err := errors.New("no known_hosts file is configured")
	if k.file != "" {
		err = appendLine(k.file, knownhosts.Line([]string{k.addr}, key))
	}
	if err != nil {
		narrate.Warnf(k.ctx, "host_key", "⚠️  Accepted the host key of %s, %s, for this time only: %v", k.addr, describe(key), err)
		return
	}
	narrate.Sayf(k.ctx, "host_key", "🔑 Accepted the host key of %s, %s, into %s", k.addr, describe(key), k.file)
}

// appendLine appends a line to a file, in one write: others may be doing the same.
func appendLine(path, line string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	line += "\n"
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	if _, err := f.WriteString(line); err != nil {
		return err
	}
	return f.Close()
}

// describe returns the kind and the fingerprint of a key, as ssh-keygen -l shows them.
func describe(key ssh.PublicKey) string {
	return strings.TrimSuffix(strings.TrimPrefix(key.Type(), "ssh-"), "@openssh.com") + " " + ssh.FingerprintSHA256(key)
}

// quoteAddr returns addr as ssh-keygen and a shell want it.
func quoteAddr(addr string) string {
	addr = knownhosts.Normalize(addr)
	if strings.ContainsAny(addr, "[]") {
		return "'" + addr + "'"
	}
	return addr
}
