package stream

import (
	"errors"
	"strconv"
	"strings"
)

// Position is where a follower goes on, as text from anywhere; a [Log] makes sense of it:
//
//	"" or "0"       from the first event
//	"k3v9.1042"     after the event with this ID
//	"17"            after the event with this Seq
//
// What is none of these, or no event of the job, is answered with a [Reset].
type Position string

// Start is the position before the first event.
const Start Position = ""

// ErrPosition says that a text is no position.
var ErrPosition = errors.New("not a position")

const (
	maxEpoch    = 32
	maxPosition = maxEpoch + len(".18446744073709551615")
)

// Point is a [Position] that was read. The zero Point is the start.
type Point struct {
	// Epoch names the log that N counts in; "" if N is a Seq, which counts in the job.
	Epoch string
	// N is the number of the event to go on after.
	N uint64
}

// Parse reads the position. It returns ErrPosition for any text that a log never gave out:
// an epoch is 1 to 32 letters and digits, and a number has no sign, no leading zero and 64 bits.
func (p Position) Parse() (Point, error) {
	if p == Start || p == "0" {
		return Point{}, nil
	}
	if len(p) > maxPosition {
		return Point{}, ErrPosition
	}
	epoch, digits, dotted := strings.Cut(string(p), ".")
	if !dotted {
		epoch, digits = "", epoch
	}
	if dotted && !isEpoch(epoch) {
		return Point{}, ErrPosition
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || digits[0] == '0' {
		return Point{}, ErrPosition
	}
	return Point{Epoch: epoch, N: n}, nil
}

// String returns the text that Parse reads as p; it is an event's ID if p has an epoch.
func (p Point) String() string {
	n := strconv.FormatUint(p.N, 10)
	if p.Epoch == "" {
		return n
	}
	return p.Epoch + "." + n
}

func isEpoch(s string) bool {
	if s == "" || len(s) > maxEpoch {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		default:
			return false
		}
	}
	return true
}
