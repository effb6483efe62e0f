package service

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shellLimits returns commands of a POSIX shell that set the limits.
func (s Spec) shellLimits() ([]string, error) {
	words, err := s.ulimits()
	var lines []string
	for limit := range slices.Chunk(words, 3) {
		line := fmt.Sprintf("ulimit -%s %s", limit[1], limit[2])
		if other, of := strings.CutSuffix(limit[1], "u"); of { // of other shells than bash
			line = fmt.Sprintf("{ %s 2>/dev/null || ulimit -%sp %s; }", line, other, limit[2])
		}
		lines = append(lines, line)
	}
	return lines, err
}

// unhardened returns an error if something is to be taken from the daemon, which systemd alone can.
func (s Spec) unhardened(kind string) error {
	for _, name := range slices.Sorted(maps.Keys(s.Hardening)) {
		if s.Hardening[name] != "" {
			return fmt.Errorf("hardening %s: %s has none", name, kind)
		}
	}
	return nil
}
