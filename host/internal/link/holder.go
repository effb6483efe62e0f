package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/davit-sh/davit/host"
)

// Holder is the link to a host: made when it is first wanted, once, and gone for good after Close.
// One that was lost stays lost. Its methods are those of a [host.Host].
type Holder struct {
	name string
	make func(context.Context) (*Link, error)

	turn chan struct{} // held while connecting; a channel, so that a waiting caller can leave
	over context.Context
	end  context.CancelCauseFunc // ends over, with what a call after Close returns

	mu   sync.Mutex
	link *Link // nil until connected
}

// NewHolder returns the holder of a link that make makes to the host of this name. If make fails,
// it leaves nothing open; its error is an [*host.Error] or wraps the cause of its context.
func NewHolder(name string, make func(context.Context) (*Link, error)) *Holder {
	h := &Holder{name: name, make: make, turn: newTurn()}
	h.over, h.end = context.WithCancelCause(context.Background())
	return h
}

func newTurn() chan struct{} { return make(chan struct{}, 1) }

// Connect implements [host.Host].
func (h *Holder) Connect(ctx context.Context) error {
	_, err := h.connected(ctx)
	return err
}

// Exec implements [host.Host].
func (h *Holder) Exec(ctx context.Context, command string) (host.Process, error) {
	l, err := h.connected(ctx)
	if err != nil {
		return nil, err
	}
	p, err := l.Exec(ctx, command)
	return p, h.named(err)
}

// Dial implements [host.Host].
func (h *Holder) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	l, err := h.connected(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := l.Dial(ctx, network, address)
	return conn, h.named(err)
}

// RoundTrip implements [host.Measured].
func (h *Holder) RoundTrip() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.link == nil {
		return 0
	}
	return h.link.RoundTrip
}

// Close implements [host.Host]. A call that is connecting just now returns.
func (h *Holder) Close() error {
	h.end(&host.Error{
		Host: h.name, Kind: host.ErrLost, Err: fmt.Errorf("the connection was closed: %w", net.ErrClosed),
	})
	h.mu.Lock()
	l := h.link
	h.mu.Unlock()
	if l != nil {
		l.Close(net.ErrClosed)
	}
	return nil
}

// connected returns the link to the host, and makes it if there is none.
func (h *Holder) connected(ctx context.Context) (*Link, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.over, func() { cancel(context.Cause(h.over)) })()

	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
	}
	if err := h.ended(ctx); err != nil {
		return nil, err
	}
	if h.link == nil {
		l, err := h.make(ctx)
		if err != nil {
			return nil, h.named(err)
		}
		h.mu.Lock()
		h.link = l
		h.mu.Unlock()
		if h.over.Err() != nil { // and Close may not have seen it
			l.Close(net.ErrClosed)
			return nil, context.Cause(h.over)
		}
	}
	return h.link, h.link.Alive()
}

// ended returns the error of a call whose context has ended or whose host was closed.
func (h *Holder) ended(ctx context.Context) error {
	switch {
	case h.over.Err() != nil:
		return context.Cause(h.over)
	case ctx.Err() != nil:
		return fmt.Errorf("connect: %w", context.Cause(ctx))
	}
	return nil
}

// named returns err with the name of the host in it.
func (h *Holder) named(err error) error {
	if e, ok := errors.AsType[*host.Error](err); ok && e.Host == "" {
		e.Host = h.name
	}
	return err
}
