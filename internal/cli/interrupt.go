package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/davit-sh/davit"
)

// WithInterrupt returns a context that ends with the cause [davit.ErrInterrupted] at the first
// Ctrl-C, SIGTERM or SIGHUP, so that the command can clean up. The second ends the process at
// once. A closed stdout is from now on an error of whoever writes, not the end of the process.
// stop undoes it, but for the closed stdout.
func WithInterrupt(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endings()...)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	stopped := make(chan struct{})
	go func() {
		for _, act := range []func(){
			func() { cancel(davit.ErrInterrupted) },
			func() { os.Exit(davit.ExitInterrupted) },
		} {
			select {
			case <-signals:
				act()
			case <-stopped:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		cancel(nil)
	}
}

// endings are the signals that ask us to end, except those we were started to ignore: nohup
// means it.
func endings() []os.Signal {
	var asked []os.Signal
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			asked = append(asked, s)
		}
	}
	return asked
}
