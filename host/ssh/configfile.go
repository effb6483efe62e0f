package ssh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/target"
	"github.com/davit-sh/davit/narrate"
	"github.com/kevinburke/ssh_config"
)

// keywords are those that are honoured.
var keywords = []string{
	"hostname", "user", "port", "hostkeyalias", "identityfile", "certificatefile", "identitiesonly",
	"identityagent", "proxyjump", "proxycommand", "userknownhostsfile", "globalknownhostsfile",
	"stricthostkeychecking",
}

// configFiles returns the files of ssh_config, the one that counts first before the others.
func configFiles(configFile string) []string {
	if configFile != "" {
		return []string{configFile}
	}
	return []string{filepath.Join(home(), ".ssh", "config"), "/etc/ssh/ssh_config"}
}

// readConfigFiles returns what the files say about t, by lower-case keyword: first the user's,
// then the system's. A file that cannot be understood is left out, with a warning: without the
// ssh program there is nobody who understands all of them.
func readConfigFiles(ctx context.Context, t target.Target, configFile string) (map[string][]string, error) {
	values := map[string][]string{}
	for _, file := range configFiles(configFile) {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && configFile == "" {
			continue
		}
		if err != nil {
			return nil, &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("read ssh_config: %w", err)}
		}
		config, err := ssh_config.DecodeBytes(text)
		if err != nil {
			narrate.Warnf(ctx, "ssh_config",
				"⚠️  %s is left out: %v; with the ssh program in PATH it would be understood", file, err)
			continue
		}
		for _, key := range keywords {
			found, err := config.GetAll(t.Name, key)
			if err != nil {
				return nil, &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("read %s: %w", file, err)}
			}
			values[key] = append(values[key], found...)
		}
	}
	return values, nil
}
