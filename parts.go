package davit

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/davit-sh/davit/artifact"
)

// The forms in which a part of an executable travels.
const (
	formZstd  = "zstd"
	formGzip  = "gzip"
	formPlain = "plain"
)

// part is some of a file, on its own: the host unpacks it without the others.
type part struct {
	offset, length int64 // of the file
	form           string
	data           []byte // in that form
	release        func() // gives data back, to be used again
	err            error  // set in the last one if the file could not be read
}

// worthwhile is what compressing must save at least; else a part travels as it is.
const worthwhile = 0.03

// parts reads and packs the file, from an offset on, beside the sending: in lengths and forms that
// the pace says. The channel is closed after the last part, or when ctx ends. There are never more
// than a few parts in memory.
func parts(ctx context.Context, file *artifact.File, offset int64, pace *pace) <-chan part {
	out := make(chan part, 1)
	go func() {
		defer close(out)
		p := &packer{ctx: ctx, out: out, pace: pace, spare: make(chan []byte, 4)}
		if err := p.run(file, offset); err != nil && ctx.Err() == nil {
			p.hand(part{err: err})
		}
	}()
	return out
}

type packer struct {
	ctx   context.Context
	out   chan<- part
	pace  *pace
	quick *zstd.Encoder
	good  *zstd.Encoder
	gzip  *gzip.Writer
	spare chan []byte
}

func (p *packer) run(file *artifact.File, offset int64) error {
	in, err := file.Reader()
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	for offset < file.Size {
		length, form, well := p.pace.next()
		length = min(length, file.Size-offset)
		raw := p.buffer(int(length))[:length]
		if _, err := io.ReadFull(in, raw); err != nil {
			return cmp.Or(file.Changed(), err)
		}
		if offset+length == file.Size {
			if err := file.Changed(); err != nil {
				return err
			}
		}
		began := time.Now()
		next, err := p.pack(raw, form, well)
		if err != nil {
			return err
		}
		p.pace.packs(length, time.Since(began))
		next.offset, next.length = offset, length
		if err := p.hand(next); err != nil {
			return err
		}
		offset += length
	}
	return nil
}

// pack returns raw in the form, or as it is if that form saves nothing. Compressors are set to their
// fastest, unless there is time to compress well.
func (p *packer) pack(raw []byte, form string, well bool) (part, error) {
	var packed []byte
	var err error
	switch form {
	case formZstd:
		packed, err = p.packZstd(raw, well)
	case formGzip:
		packed, err = p.packGzip(raw)
	}
	switch {
	case err != nil:
		return part{}, err
	case packed != nil && float64(len(packed)) < (1-worthwhile)*float64(len(raw)):
		p.giveBack(raw)
		return part{form: form, data: packed, release: func() { p.giveBack(packed) }}, nil
	}
	p.giveBack(packed)
	return part{form: formPlain, data: raw, release: func() { p.giveBack(raw) }}, nil
}

// packZstd makes a frame of each megabyte: several short ones are smaller than a long one.
func (p *packer) packZstd(raw []byte, well bool) ([]byte, error) {
	encoder, level := &p.quick, zstd.SpeedFastest
	if well {
		encoder, level = &p.good, zstd.SpeedDefault
	}
	if *encoder == nil {
		var err error
		*encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, err
		}
	}
	packed := p.buffer(len(raw))
	for frame := range slices.Chunk(raw, frameSize) {
		packed = (*encoder).EncodeAll(frame, packed)
	}
	return packed, nil
}

const frameSize = 1 << 20

func (p *packer) packGzip(raw []byte) ([]byte, error) {
	to := bytes.NewBuffer(p.buffer(len(raw)))
	if p.gzip == nil {
		var err error
		if p.gzip, err = gzip.NewWriterLevel(to, gzip.BestSpeed); err != nil {
			return nil, err
		}
	}
	p.gzip.Reset(to)
	if _, err := p.gzip.Write(raw); err != nil {
		return nil, err
	}
	if err := p.gzip.Close(); err != nil {
		return nil, err
	}
	return to.Bytes(), nil
}

// buffer returns an empty one that has room for size bytes.
func (p *packer) buffer(size int) []byte {
	select {
	case b := <-p.spare:
		if cap(b) >= size {
			return b[:0]
		}
	default:
	}
	return make([]byte, 0, size)
}

func (p *packer) giveBack(b []byte) {
	select {
	case p.spare <- b:
	default:
	}
}

func (p *packer) hand(x part) error {
	select {
	case p.out <- x:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}
