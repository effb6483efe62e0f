package davit

import (
	"context"
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
	nearPart     = 1 << 20 // each of those that go to a near host one by one
	longestPart  = 4 << 20

	leastTime = 100 * time.Millisecond // parts that take less become longer
	mostTime  = 400 * time.Millisecond // parts that take more become shorter
)

// The plain form is for a near and quick host. On any other it is the link that an install waits for,
// and compressing wins; there a trial would be long, and its result chance.
const (
	besideTime = 5 * time.Millisecond  // a round trip within a room: there plain is what we begin with
	nearTime   = 10 * time.Millisecond // … and one beyond which it is not even tried
	quickRate  = 20e6                  // bytes a second that a link must carry for it to be tried
	plainRate  = 60e6                  // … and at which, sent plain, compressing is not tried
	slowRate   = 40e6                  // … of the file, below which there is time to compress better
	// clearly is how much quicker the other form must be to be taken: times differ by chance.
	clearly = 1.1
)

// pace decides, part by part, how much of a file travels next and in which form, from how long the
// parts before took to arrive and to be unpacked. It begins with the form that suits the distance.
// Where the other one might be quicker, one part is sent in that, and if it took clearly less time for
// its length than its neighbours, so are all that follow.
type pace struct {
	compressed string // the form that the host knows besides plain; "" if none
	roundTrip  time.Duration

	mu       sync.Mutex
	length   int64 // of the next part
	form     string
	number   int // of the part that next was asked for last
	onTheWay []sending
	room     chan struct{} // has something when a part has arrived
	last     time.Time     // when the last part arrived
	arrived  int           // how many have

	packRate float64 // bytes of the file that were compressed in a second, the last time
	slow     bool    // the link is, so that there is time to compress well
	trial    int     // the number of the part that is sent in the other form to see; 0 if none was yet
	rates    [3]float64
}

type sending struct {
	length, bytes int64
	form          string
}

// newPace returns the pace for a host that unpacks the compressed form, if any, and is a round trip
// away, which is 0 if it is not known.
func newPace(compressed string, roundTrip time.Duration) *pace {
	p := &pace{compressed: compressed, roundTrip: roundTrip, length: firstPart, form: compressed, room: make(chan struct{}, 1)}
	if compressed == "" || p.near() {
		p.form = formPlain
	}
	if p.oneByOne() {
		p.length = nearPart
	}
	p.slow = roundTrip >= nearTime // any link that is far away is, until it has found its pace
	return p
}

// near reports whether the host is in the same room.
func (p *pace) near() bool { return p.roundTrip > 0 && p.roundTrip < besideTime }

// oneByOne reports whether a part waits until the one before has arrived: that costs little if the host
// is near. What arrives faster than a script takes it makes sshd's buffer grow, to the two megabytes of
// its window, and that growth takes sshd longer than all the rest of a common install.
func (p *pace) oneByOne() bool { return p.near() && p.form == formPlain }

// next returns the length and the form of the next part, and whether it should be compressed well
// rather than quickly.
func (p *pace) next() (length int64, form string, well bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number++
	if p.number == p.trial {
		return p.length, p.other(), p.slow
	}
	return p.length, p.form, p.slow
}

func (p *pace) other() string {
	if p.form == formPlain {
		return p.compressed
	}
	return formPlain
}

// admits waits until a part may be sent, and notes that it is. ctx bounds the wait.
func (p *pace) admits(ctx context.Context, x part) error {
	for {
		p.mu.Lock()
		if !p.oneByOne() || len(p.onTheWay) == 0 {
			p.onTheWay = append(p.onTheWay, sending{x.length, int64(len(x.data)), x.form})
			p.mu.Unlock()
			return nil
		}
		p.mu.Unlock()
		select {
		case <-p.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// packs notes how long a part took to be compressed.
func (p *pace) packs(length int64, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.packRate = float64(length) / max(took, time.Microsecond).Seconds()
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
	select {
	case p.room <- struct{}{}:
	default: // it is known already
	}
	p.arrived++
	took := now.Sub(p.last)
	first := p.last.IsZero()
	p.last = now
	if first {
		return
	}
	p.measure(x, max(took, time.Microsecond)) // a clock may be coarse
	switch {
	case x.length != p.length: // an older length, or the rest of the file
	case p.oneByOne():
	case took < leastTime:
		p.length = min(2*p.length, longestPart)
	case took > mostTime:
		p.length = max(p.length/2, shortestPart)
	}
}

// measure decides when to try the other form, and what came of it.
func (p *pace) measure(x sending, took time.Duration) {
	rate := float64(x.length) / took.Seconds()
	p.slow = rate < slowRate && p.packRate > 2*rate // else it may be us who are slow
	switch {
	case p.trial == 0:
		if p.doubts(x, took) {
			p.trial = p.number + 1
		}
	case p.arrived == p.trial-1:
		p.rates[0] = rate
	case p.arrived == p.trial:
		p.rates[1] = rate
	case p.arrived == p.trial+1:
		p.rates[2] = rate
		if p.rates[1] > clearly*max(p.rates[0], p.rates[2]) {
			p.form = p.other()
		}
	}
}

// doubts reports whether the other form might be quicker.
func (p *pace) doubts(x sending, took time.Duration) bool {
	travelled := float64(x.bytes) / took.Seconds()
	switch {
	case p.compressed == "" || x.form != p.form:
		return false
	case p.form == formPlain:
		return travelled < plainRate
	}
	return p.roundTrip < nearTime && travelled > quickRate
}
