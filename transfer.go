package davit

import (
	"bytes"
	"context"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/davit-sh/davit/artifact"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// The forms in which an executable travels.
const (
	formZstd  = "zstd"
	formGzip  = "gzip"
	formPlain = "plain"
)

// chunkSize is how much travels in one go. The host starts a process for each chunk, and an
// interrupted transfer can say so only between two.
const chunkSize = 256 << 10

// chunk is some of what travels.
type chunk struct {
	data []byte
	read int64 // bytes of the file that were read for it
	err  error // set in the last one if reading the file failed
}

// send sends the file in the form, but not the word that this was all, and returns how many bytes
// travelled. The file is compressed while it is sent; no more than a few chunks of it are ever held.
func send(ctx context.Context, talk *host.Talk, file *artifact.File, form string) (sent int64, err error) {
	meter := narrate.NewMeter(ctx, file.Size, "bytes")
	defer meter.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for c := range chunks(ctx, file, form) {
		if c.err != nil {
			return sent, c.err
		}
		if err := talk.Send(ctx, c.data); err != nil {
			return sent, err
		}
		sent += int64(len(c.data))
		meter.Add(c.read)
	}
	if ctx.Err() != nil {
		return sent, context.Cause(ctx)
	}
	return sent, nil
}

// lostError says how far a transfer had got when the connection broke.
type lostError struct {
	sent int64
	err  error
}

func (e *lostError) Error() string { return "connection lost after " + Bytes(e.sent) }

// Unwrap returns how it broke.
func (e *lostError) Unwrap() error { return e.err }

// chunks reads and compresses the file beside the sending. The channel is closed after the last
// chunk, or when ctx ends.
func chunks(ctx context.Context, file *artifact.File, form string) <-chan chunk {
	out := make(chan chunk, 2)
	go func() {
		defer close(out)
		c := &chunker{ctx: ctx, out: out}
		if err := c.run(file, form); err != nil && ctx.Err() == nil {
			c.hand(chunk{err: err})
		}
	}()
	return out
}

// chunker is a writer that hands on what it gets in chunks.
type chunker struct {
	ctx  context.Context
	out  chan<- chunk
	buf  bytes.Buffer
	read int64
}

func (c *chunker) run(file *artifact.File, form string) error {
	in, err := file.Reader()
	if err != nil {
		return err
	}
	defer in.Close()
	enc, err := encoder(c, form)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{enc}, counted{c, in}, make([]byte, 128<<10)); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	if err := file.Changed(); err != nil {
		return err
	}
	return c.flush()
}

// counted counts what is read of the file.
type counted struct {
	c *chunker
	r io.Reader
}

func (r counted) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.c.read += int64(n)
	return n, err
}

// Write takes compressed bytes.
func (c *chunker) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), chunkSize-c.buf.Len())
		c.buf.Write(rest[:n])
		rest = rest[n:]
		if c.buf.Len() == chunkSize {
			if err := c.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (c *chunker) flush() error {
	if c.buf.Len() == 0 && c.read == 0 {
		return nil
	}
	err := c.hand(chunk{data: bytes.Clone(c.buf.Bytes()), read: c.read})
	c.buf.Reset()
	c.read = 0
	return err
}

func (c *chunker) hand(x chunk) error {
	select {
	case c.out <- x:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// encoder returns what compresses into w. Both are set to their fastest: the link, not the size,
// is what an install waits for.
func encoder(w io.Writer, form string) (io.WriteCloser, error) {
	switch form {
	case formZstd:
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	case formGzip:
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	}
	return plain{w}, nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }
