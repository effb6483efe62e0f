// Package secret reads the secrets that users keep in files.
package secret

import (
	"fmt"
	"os"
	"strings"

	"github.com/davit-sh/davit/host"
)

// PasswordIn returns the first line of the file at path, which must not be empty. Without a path
// it returns "". Its error is an [*host.Error].
func PasswordIn(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("read the password: %w", err)}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	password := strings.TrimSuffix(line, "\r")
	if password == "" {
		return "", &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("read the password: the first line of %s is empty", path)}
	}
	return password, nil
}
