package narrate

import (
	"context"
	"slices"
)

// scope is what a context knows about the telling. It is never changed, only copied.
type scope struct {
	job, correlation, host, step, actor string
	traceparent                         string
	attempt                             int
	secrets                             []string
	narrator                            *Narrator
	lanes                               []*lane // added by WithSink, after the narrator's own
}

type scopeKey struct{}

func scopeOf(ctx context.Context) scope {
	s, _ := ctx.Value(scopeKey{}).(scope)
	return s
}

func with(ctx context.Context, change func(*scope)) context.Context {
	s := scopeOf(ctx)
	change(&s)
	return context.WithValue(ctx, scopeKey{}, s)
}

// WithJob returns a context whose events belong to the job id.
func WithJob(ctx context.Context, id string) context.Context {
	return with(ctx, func(s *scope) { s.job = id })
}

// WithAttempt returns a context whose events say which attempt at the job they belong to.
func WithAttempt(ctx context.Context, n int) context.Context {
	return with(ctx, func(s *scope) { s.attempt = n })
}

// WithCorrelation returns a context whose events carry id, the caller's own name for the
// request that led to them.
func WithCorrelation(ctx context.Context, id string) context.Context {
	return with(ctx, func(s *scope) { s.correlation = id })
}

// WithTraceparent returns a context whose events carry the W3C trace context tp.
func WithTraceparent(ctx context.Context, tp string) context.Context {
	return with(ctx, func(s *scope) { s.traceparent = tp })
}

// WithHost returns a context whose events name the host.
func WithHost(ctx context.Context, host string) context.Context {
	return with(ctx, func(s *scope) { s.host = host })
}

// WithStep returns a context whose events belong to the step.
func WithStep(ctx context.Context, step string) context.Context {
	return with(ctx, func(s *scope) { s.step = step })
}

// WithActor returns a context whose events name the actor, such as "install".
func WithActor(ctx context.Context, actor string) context.Context {
	return with(ctx, func(s *scope) { s.actor = actor })
}

// WithSecret returns a context in whose events each secret is replaced by [Mask], wherever it
// stands. Empty secrets are ignored.
func WithSecret(ctx context.Context, secrets ...string) context.Context {
	return with(ctx, func(s *scope) {
		s.secrets = slices.Clone(s.secrets)
		for _, x := range secrets {
			if x != "" {
				s.secrets = append(s.secrets, x)
			}
		}
		// Longest first: a secret that contains another is masked whole.
		slices.SortStableFunc(s.secrets, func(a, b string) int { return len(b) - len(a) })
	})
}

// WithNarrator returns a context that tells to n, and to nothing that was told before.
func WithNarrator(ctx context.Context, n *Narrator) context.Context {
	return with(ctx, func(s *scope) { s.narrator, s.lanes = n, nil })
}

// WithSink returns a context that tells to sink as well as to all that ctx tells to.
func WithSink(ctx context.Context, sink Sink) context.Context {
	return with(ctx, func(s *scope) { s.lanes = append(slices.Clip(s.lanes), newLane(sink)) })
}

// JobID returns the job of the context, or "".
func JobID(ctx context.Context) string { return scopeOf(ctx).job }

// Step returns the step of the context, or "".
func Step(ctx context.Context) string { return scopeOf(ctx).step }

// Host returns the host of the context, or "".
func Host(ctx context.Context) string { return scopeOf(ctx).host }

// Secrets returns what is masked in the context's events, longest first.
func Secrets(ctx context.Context) []string { return slices.Clone(scopeOf(ctx).secrets) }
