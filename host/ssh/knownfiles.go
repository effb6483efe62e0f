package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// readKnownHosts reads known_hosts files. A line that cannot be read, such as a key of SSH 1, is
// left out, as OpenSSH leaves it out, and named to skipped; the library would refuse the file.
// What db says of a file then is to be translated by originals, path by path.
func readKnownHosts(files []string, skipped func(file string, line int, err error)) (db *knownhosts.HostKeyDB, originals map[string]string, err error) {
	dir := ""
	defer func() {
		if dir != "" {
			os.RemoveAll(dir)
		}
	}()
	originals = map[string]string{}
	var readable []string
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		if kept := withoutUnreadable(text, func(line int, err error) { skipped(file, line, err) }); !bytes.Equal(kept, text) {
			if dir == "" {
				if dir, err = os.MkdirTemp("", "davit-known-hosts-"); err != nil {
					return nil, nil, err
				}
			}
			copied := filepath.Join(dir, fmt.Sprint(i))
			if err := os.WriteFile(copied, kept, 0o600); err != nil {
				return nil, nil, err
			}
			originals[copied] = file
			file = copied
		}
		readable = append(readable, file)
	}
	db, err = knownhosts.NewDB(readable...)
	return db, originals, err
}

// withoutUnreadable returns text with empty lines in place of those that cannot be read: the
// others keep their numbers.
func withoutUnreadable(text []byte, skipped func(line int, err error)) []byte {
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		if _, _, _, _, _, err := ssh.ParseKnownHosts(line); err != nil && !errors.Is(err, io.EOF) {
			skipped(i+1, err)
			lines[i] = nil
		}
	}
	return bytes.Join(lines, []byte("\n"))
}
