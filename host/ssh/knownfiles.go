package ssh

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// knownHosts is what known_hosts files say.
type knownHosts struct {
	all   *knownhosts.HostKeyDB
	plain *knownhosts.HostKeyDB // without the keys of authorities, which are no host's own

	dir       string            // of copies, "" if there are none
	originals map[string]string // the files that copies were made of, by the copy's path
}

// readKnownHosts reads known_hosts files. A line that cannot be read, such as a key of SSH 1, is
// left out, as OpenSSH leaves it out, and named to skipped; the library would refuse the file.
func readKnownHosts(files []string, skipped func(file string, line int, err error)) (*knownHosts, error) {
	k := &knownHosts{originals: map[string]string{}}
	defer func() {
		if k.dir != "" {
			os.RemoveAll(k.dir)
		}
	}()
	var all, plain []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		readable := withoutUnreadable(text, func(line int, err error) { skipped(file, line, err) })
		for _, c := range []struct {
			to   *[]string
			text []byte
		}{{&all, readable}, {&plain, withoutAuthorities(readable)}} {
			path, err := k.with(file, text, c.text)
			if err != nil {
				return nil, err
			}
			*c.to = append(*c.to, path)
		}
	}
	var err error
	if k.all, err = knownhosts.NewDB(all...); err != nil {
		return nil, err
	}
	k.plain = k.all
	if !slices.Equal(all, plain) {
		k.plain, err = knownhosts.NewDB(plain...)
	}
	return k, err
}

// with returns the path of file, which has text, or of a copy that has wanted.
func (k *knownHosts) with(file string, text, wanted []byte) (path string, err error) {
	if bytes.Equal(text, wanted) {
		return file, nil
	}
	if k.dir == "" {
		if k.dir, err = os.MkdirTemp("", "davit-known-hosts-"); err != nil {
			return "", err
		}
	}
	path = filepath.Join(k.dir, fmt.Sprint(len(k.originals)))
	k.originals[path] = file
	return path, os.WriteFile(path, wanted, 0o600)
}

// check returns nil if key is known for addr, which is name:port.
func (k *knownHosts) check(addr string, key ssh.PublicKey) error {
	db := k.plain
	if _, ok := key.(*ssh.Certificate); ok {
		db = k.all
	}
	nowhere := &net.TCPAddr{IP: net.IPv4zero} // only the name counts
	return db.HostKeyCallback()(addr, nowhere, key)
}

// original returns a known key with the file that the user knows it from.
func (k *knownHosts) original(known xknownhosts.KnownKey) xknownhosts.KnownKey {
	if file, copied := k.originals[known.Filename]; copied {
		known.Filename = file
	}
	return known
}

// withoutUnreadable returns text with empty lines in place of those that cannot be read: the
// others keep their numbers.
func withoutUnreadable(text []byte, skipped func(line int, err error)) []byte {
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		if err := unreadable(line); err != nil {
			skipped(i+1, err)
			lines[i] = nil
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// withoutAuthorities returns text with empty lines in place of those of certificates' authorities.
func withoutAuthorities(text []byte) []byte {
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		if bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("@cert-authority")) {
			lines[i] = nil
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// unreadable returns what the library would refuse a file with this line for.
func unreadable(line []byte) error {
	if len(line) >= bufio.MaxScanTokenSize-1 {
		return errors.New("it is longer than 64 KiB")
	}
	said := strings.Trim(strings.TrimSuffix(string(line), "\r"), " \t")
	if said == "" || said[0] == '#' {
		return nil
	}
	end := strings.IndexAny(said, " \t")
	if end < 0 {
		return errors.New("it is one word")
	}
	if mark := said[:end]; mark[0] == '@' && mark != "@revoked" && mark != "@cert-authority" {
		return fmt.Errorf("its mark %q is not known", mark)
	}
	marker, hosts, _, _, _, err := ssh.ParseKnownHosts(line)
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(hosts[0], "@"):
		return errors.New("it has more marks than one")
	case marker == "revoked":
		return nil // wherever it is shown
	}
	return unreadableHosts(strings.Join(hosts, ","))
}

// unreadableHosts says why the first field of a line names no hosts.
func unreadableHosts(field string) error {
	if strings.HasPrefix(field, "|") {
		parts := strings.Split(field, "|")
		if len(parts) != 4 || parts[1] != "1" {
			return errors.New("its host is hashed in a way that is not known")
		}
		for _, part := range parts[2:] {
			if _, err := base64.StdEncoding.DecodeString(part); err != nil {
				return fmt.Errorf("its hashed host is not base64: %w", err)
			}
		}
		return nil
	}
	for name := range strings.SplitSeq(field, ",") {
		name, negated := strings.CutPrefix(name, "!")
		if negated && name == "" {
			return errors.New("a ! of it excludes nothing")
		}
		if strings.HasPrefix(name, "[") {
			if _, _, err := net.SplitHostPort(name); err != nil {
				return err
			}
		}
	}
	return nil
}
