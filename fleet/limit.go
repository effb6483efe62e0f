package fleet

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limit is how many hosts may fail. The zero value is no limit.
type Limit struct {
	most    int
	percent bool // of the hosts
	set     bool
}

// AtMost returns the limit of n failures; with 0 the first stops a run.
func AtMost(n int) Limit { return Limit{most: max(n, 0), set: true} }

// ParseLimit reads a number of hosts, "3", or a share of them, "20%". A share is rounded down: 20% of
// 12 hosts are 2, as 3 are more than that.
func ParseLimit(text string) (Limit, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || percent && n > 100 {
		return Limit{}, fmt.Errorf(`%q is neither a number of hosts, such as 3, nor a share of them, such as 20%%`, text)
	}
	return Limit{most: int(n), percent: percent, set: true}, nil
}

// String returns what ParseLimit reads, or "" for no limit.
func (l Limit) String() string {
	switch {
	case !l.set:
		return ""
	case l.percent:
		return strconv.Itoa(l.most) + "%"
	}
	return strconv.Itoa(l.most)
}

// of returns how many of so many hosts may fail.
func (l Limit) of(hosts int) int {
	switch {
	case !l.set:
		return math.MaxInt
	case l.percent:
		return hosts * l.most / 100
	}
	return l.most
}
