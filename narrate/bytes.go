package narrate

import (
	"fmt"
	"strings"
)

// Bytes writes a size for people: "14.9 MiB".
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/(1<<10), 0
	for value >= 999.95 && unit < 3 {
		value, unit = value/(1<<10), unit+1
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + " " + []string{"KiB", "MiB", "GiB", "TiB"}[unit]
}
