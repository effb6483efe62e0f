// Program wrongverbs is never run: go vet must find a mistake in each of its calls.
package main

import (
	"context"

	"github.com/davit-sh/davit/narrate"
)

func main() {
	ctx := context.Background()
	narrate.Sayf(ctx, "copying", "%d files", "three")
	narrate.Warnf(ctx, "copying", "%d files", "three")
	narrate.Errorf(ctx, "copying", "%d files", "three")
	narrate.Outputf(ctx, "stdout", "%d files", "three")
}
