package health

import (
	"context"
)

// MaxOutput is how much a command prints at most that is not the user's own, in bytes.
const MaxOutput = 160 << 10

// onHost is how a host that forwards no connections is asked.
type onHost struct{}

// useHost has the host asked by a program of its own from now on.
func (p *Prober) useHost(context.Context, error) { p.onHost = &onHost{} }

func (p *Prober) askOnHost(context.Context) *Error {
	return &Error{Kind: ErrCannotAsk, Reason: "the host does not forward connections"}
}
