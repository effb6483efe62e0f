package davit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// delivery sends a file to a script that takes it in parts, and hears which of them have arrived.
type delivery struct {
	*conversation
	file *artifact.File
	pace *pace
	made chan struct{} // has something when the host is about to read

	arrived int64            // how far the host has the file, in bytes
	sent    int64            // bytes that travelled
	all     bool             // the host may have been told that this was all
	forms   map[string]int64 // bytes of the file, by the form in which they travelled
}

// run delivers what the host does not have. It returns when the host has all of the file, or says why
// it has not.
func (d *delivery) run(ctx context.Context) error {
	meter := narrate.NewMeter(ctx, d.file.Size, "bytes")
	defer meter.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	heard := make(chan error, 1)
	begin := d.arrived
	go func() {
		err := d.hearArrivals(ctx, meter)
		if err != nil {
			stop(err)
		}
		heard <- err
	}()
	err := d.send(ctx, begin)
	if err != nil && !errors.Is(err, host.ErrNotListening) { // else it will be heard why
		stop(err)
	}
	if why := <-heard; why != nil {
		return why
	}
	return err
}

// send sends the file from an offset on.
func (d *delivery) send(ctx context.Context, offset int64) error {
	d.forms = map[string]int64{}
	if d.pace.near() && offset < d.file.Size {
		select {
		case <-d.made:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for p := range parts(ctx, d.file, offset, d.pace) {
		if p.err != nil {
			return p.err
		}
		if err := d.pace.admits(ctx, p); err != nil {
			return err
		}
		err := d.talk.Send(ctx, p.data, "part", fmt.Sprint(p.offset), fmt.Sprint(p.length), p.form, fmt.Sprint(len(p.data)))
		if err != nil {
			return err
		}
		d.sent += int64(len(p.data))
		d.forms[p.form] += p.length
		p.release()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.all = true
	return d.talk.Say(ctx, "done")
}

// hearArrivals returns when all of the file has arrived.
func (d *delivery) hearArrivals(ctx context.Context, meter *narrate.Meter) error {
	meter.Add(d.arrived)
	for d.arrived < d.file.Size {
		w, err := d.next(ctx)
		switch {
		case err != nil:
			return err
		case w.First == "end":
			return d.endedWith(w)
		case w.First == "made":
			select {
			case d.made <- struct{}{}:
			default: // it has said so before
			}
		case w.First == "got":
			offset, err := strconv.ParseInt(w.Rest, 10, 64)
			if err != nil || offset <= d.arrived || offset > d.file.Size {
				return fmt.Errorf("%w: it said that it got %q", ErrRefused, narrate.Visible(w.Rest))
			}
			meter.Add(offset - d.arrived)
			d.arrived = offset
			d.pace.arrives(time.Now())
		}
	}
	return nil
}

// form returns the form in which most of the file travelled; "" if nothing did.
func (d *delivery) form() string {
	most := ""
	for form, n := range d.forms {
		if n > d.forms[most] {
			most = form
		}
	}
	return most
}

// lostError says how far a transfer had got when the connection broke.
type lostError struct {
	arrived, size int64
	err           error
}

func (e *lostError) Error() string {
	return fmt.Sprintf("connection lost after %s of %s had arrived", narrate.Bytes(e.arrived), narrate.Bytes(e.size))
}

// Unwrap returns how it broke.
func (e *lostError) Unwrap() error { return e.err }
