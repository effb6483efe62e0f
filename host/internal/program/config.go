// Package program runs programs that belong to a connection: above all OpenSSH's own client.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/internal/target"
)

// Config returns what the ssh program would use for t, by lower-case keyword. Options are arguments
// of the program that come before what ssh_config says.
func Config(ctx context.Context, program string, t target.Target, configFile string, options ...string) (map[string][]string, error) {
	args := []string{"-G"}
	if configFile != "" {
		args = append(args, "-F", configFile)
	}
	args = append(append(args, options...), t.Args()...)
	cmd := exec.CommandContext(ctx, program, args...)
	OwnGroup(cmd)
	cmd.WaitDelay = 5 * time.Second // for what a "Match exec" in the configuration left behind
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("read ssh_config: %w", context.Cause(ctx))
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) { // which is of one that has succeeded
		why := strings.TrimSpace(stderr.String())
		if why == "" {
			why = err.Error()
		}
		return nil, &host.Error{
			Kind: host.ErrConfig, Err: fmt.Errorf("the ssh program cannot use its configuration: %s", why),
			Hint: "ssh " + strings.Join(args, " "),
		}
	}
	return Keywords(string(out)), nil
}

// Keywords reads lines of "keyword value", as the ssh program prints them.
func Keywords(s string) map[string][]string {
	values := map[string][]string{}
	for line := range strings.Lines(s) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		key = strings.ToLower(key)
		values[key] = append(values[key], value)
	}
	return values
}
