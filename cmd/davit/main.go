// Davit installs daemons on machines that are reached over SSH.
package main

import (
	"context"
	"os"

	"github.com/davit-sh/davit/internal/cli"
)

func main() {
	ctx, stop := cli.WithInterrupt(context.Background())
	code := cli.Run(ctx, os.Args[1:], cli.Standard())
	stop()
	os.Exit(code)
}
