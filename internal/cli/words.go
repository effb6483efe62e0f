package cli

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// clock writes what is left of a time: "4:51", "1:02:03". It is rounded up: 0:00 is over.
func clock(d time.Duration) string {
	s := int64((max(d, 0) + time.Second - 1) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// took writes how long something took: "0.7 s", "2 min 5 s".
func took(seconds float64) string {
	if seconds < 60 {
		return fmt.Sprintf("%.1f s", seconds)
	}
	return fmt.Sprintf("%d min %d s", int(seconds)/60, int(seconds)%60)
}

// short writes a digest as a release is named on a host.
func short(digest string) string { return digest[:min(12, len(digest))] }

// count writes "1 host", "3 hosts".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// table aligns the columns of rows, two spaces between them, none at the end of a line.
func table(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}
