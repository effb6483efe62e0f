package davit

import (
	"testing"
	"time"
)

// link is a connection and a host behind it, as far as their speed goes: parts are compressed one
// after the other while those before them travel.
type link struct {
	roundTrip time.Duration
	travels   float64 // bytes a second
	packs     float64 // bytes of the file that are compressed a second
	unpacks   float64 // … and unpacked on the host
	ratio     float64 // how much smaller what is compressed is
}

// deliver sends so many bytes over the link in simulated time, and returns how long that took and how
// much of it was plain.
func (l link) deliver(p *pace, size int64) (took time.Duration, plain int64) {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	start := time.Now()
	var packed, sent, unpacked time.Duration
	type transit struct{ at time.Duration }
	var onTheWay []transit
	for left := size; left > 0; {
		for len(onTheWay) > 0 && onTheWay[0].at <= packed { // the packer knows what has happened by now
			p.arrives(start.Add(onTheWay[0].at))
			onTheWay = onTheWay[1:]
		}
		length, form, _ := p.next()
		length = min(length, left)
		left -= length
		x := part{length: length, form: form, data: make([]byte, 0)}
		bytes, unpacking := float64(length), 0.0
		if form != formPlain {
			packed += seconds(bytes / l.packs)
			p.packs(length, seconds(bytes/l.packs))
			unpacking = bytes / l.unpacks
			bytes /= l.ratio
		} else {
			plain += length
		}
		x.data = make([]byte, int(bytes))
		p.onTheWay = append(p.onTheWay, sending{x.length, int64(len(x.data)), x.form})
		sent = max(sent, packed) + seconds(bytes/l.travels)
		packed = max(packed, sent-seconds(2*bytes/l.travels)) // a part or two are packed ahead
		unpacked = max(unpacked, sent) + seconds(unpacking)
		onTheWay = append(onTheWay, transit{unpacked + l.roundTrip/2})
	}
	return unpacked, plain
}

func TestTheFormThatIsQuickestForTheLinkIsTaken(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	for name, c := range map[string]struct {
		link  link
		plain bool // most of it
	}{
		"a room away, and slow":         {link{time.Millisecond, 12e6, 100e6, 600e6, 2}, false},
		"this machine, slow compressor": {link{time.Millisecond, 400e6, 100e6, 600e6, 2}, true},
		"this machine, slow host":       {link{time.Millisecond, 400e6, 400e6, 120e6, 2}, true},
		"a gigabit in the same room":    {link{time.Millisecond, 115e6, 400e6, 600e6, 2}, true},
		"a gigabit, not so near":        {link{8 * time.Millisecond, 115e6, 400e6, 600e6, 2}, false},
		"a tenth of a gigabit":          {link{time.Millisecond, 12e6, 100e6, 600e6, 2}, false},
		"far away":                      {link{50 * time.Millisecond, 30e6, 100e6, 600e6, 2}, false},
		"far away, and slow":            {link{200 * time.Millisecond, 1e6, 100e6, 600e6, 2}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			took, plain := c.link.deliver(newPace(formZstd, c.link.roundTrip), size)
			if got := plain > size/2; got != c.plain {
				t.Errorf("%d of %d bytes travelled plain, in %v", plain, size, took)
			}
			onlyPlain, _ := c.link.deliver(newPace("", c.link.roundTrip), size)
			if took > onlyPlain*12/10 { // a fifth is what it may cost to find out
				t.Errorf("it took %v, and plain alone %v", took, onlyPlain)
			}
		})
	}
}

func TestTheBetterCompressionIsForSlowLinksOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		link link
		well bool
	}{
		"a slow link":              {link{50 * time.Millisecond, 5e6, 100e6, 400e6, 2}, true},
		"a slow machine of ours":   {link{50 * time.Millisecond, 100e6, 15e6, 400e6, 2}, false},
		"a quick link, quick ends": {link{50 * time.Millisecond, 100e6, 150e6, 400e6, 2}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPace(formZstd, c.link.roundTrip)
			c.link.deliver(p, 64<<20)
			if _, _, well := p.next(); well != c.well {
				t.Errorf("compressed well: %v", well)
			}
		})
	}
}

func TestPartsBecomeAsLongAsTheLinkLetsThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		link link
		want int64
	}{
		"quick": {link{20 * time.Millisecond, 400e6, 400e6, 400e6, 2}, longestPart},
		"near":  {link{time.Millisecond, 400e6, 400e6, 400e6, 2}, nearPart},
		"slow":  {link{time.Millisecond, 100e3, 400e6, 400e6, 2}, shortestPart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPace(formZstd, c.link.roundTrip)
			c.link.deliver(p, 64<<20)
			if length, _, _ := p.next(); length != c.want || length%blockSize != 0 {
				t.Errorf("parts of %d bytes, want %d", length, c.want)
			}
		})
	}
}
