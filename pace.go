package davit

import (
	"sync"
	"time"
)

// The lengths of parts, in bytes. A part is long enough that the host's few processes for it cost
// nothing beside its bytes, and short enough that little is lost with one, and that a transfer can be
// called off between two of them.
const (
	// blockSize is what the place of a part in the file is a multiple of.
	blockSize    = 64 << 10
	shortestPart = 256 << 10
	firstPart    = 512 << 10
	longestPart  = 4 << 20

	leastTime = 100 * time.Millisecond // parts that take less become longer
	mostTime  = 400 * time.Millisecond // parts that take more become shorter
)

// A trial of the plain form is for a near and quick host alone. On any other it is the link that an
// install waits for, and compressing wins; there a trial would be long, and its result chance.
const (
	nearTime  = 10 * time.Millisecond // a round trip
	quickRate = 20e6                  // bytes that travel a second
	// clearly is how much quicker plain must be to be taken: times differ by chance.
	clearly = 1.1
)

// pace decides, part by part, how much of a file travels next and in which form, from how long the
// parts before took to arrive and to be unpacked. It begins with the compressed form that the host
// knows. Where the link is so quick that the compressor may be what we wait for, one part is sent
// plain, and if it took clearly less time for its length than its neighbours, so are all that follow.
type pace struct {
	compressed string // the form that the host knows besides plain; "" if none

	mu        sync.Mutex
	asked     time.Time // when the host was asked to get ready
	roundTrip time.Duration
	length    int64
	plain     bool
	onTheWay  []sending
	last      time.Time // when the last part arrived

	trial    int // the number of the part that is sent plain to see; 0 if none was yet
	number   int // of the part that next was asked for last
	rates    [3]float64
	finished int // the number of the part that arrived last
}

type sending struct {
	length, bytes int64
	form          string
}

func newPace(compressed string) *pace {
	return &pace{compressed: compressed, asked: time.Now(), length: firstPart}
}

// next returns the length and the form of the next part.
func (p *pace) next() (length int64, form string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number++
	if p.compressed == "" || p.plain || p.number == p.trial {
		return p.length, formPlain
	}
	return p.length, p.compressed
}

// sends notes that a part is handed to the connection.
func (p *pace) sends(x part) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onTheWay = append(p.onTheWay, sending{x.length, int64(len(x.data)), x.form})
}

// answered notes the host's first answer to a word.
func (p *pace) answered(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roundTrip = now.Sub(p.asked)
}

// arrives notes that the host has the first of the parts on their way.
func (p *pace) arrives(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.onTheWay) == 0 {
		return
	}
	x := p.onTheWay[0]
	p.onTheWay = p.onTheWay[1:]
	p.finished++
	took := now.Sub(p.last)
	first := p.last.IsZero()
	p.last = now
	if first {
		return
	}
	p.measure(x, max(took, time.Microsecond)) // a clock may be coarse
	switch {
	case x.length != p.length: // an older length, or the rest of the file
	case took < leastTime:
		p.length = min(2*p.length, longestPart)
	case took > mostTime:
		p.length = max(p.length/2, shortestPart)
	}
}

// measure decides when to try the plain form, and what came of it.
func (p *pace) measure(x sending, took time.Duration) {
	rate := float64(x.length) / took.Seconds()
	switch {
	case p.trial == 0:
		near := p.roundTrip > 0 && p.roundTrip < nearTime
		if near && x.form == p.compressed && float64(x.bytes)/took.Seconds() > quickRate {
			p.trial = p.number + 1
		}
	case p.finished == p.trial-1:
		p.rates[0] = rate
	case p.finished == p.trial:
		p.rates[1] = rate
	case p.finished == p.trial+1:
		p.rates[2] = rate
		p.plain = p.rates[1] > clearly*max(p.rates[0], p.rates[2])
	}
}
