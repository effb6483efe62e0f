package service

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shellLimits returns commands of a POSIX shell that set the limits. kind is named in an error.
func (s Spec) shellLimits(kind string) ([]string, error) {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(s.Limits)) {
		limit, known := ulimits[name]
		if !known {
			return nil, fmt.Errorf("%s has no limit %q", kind, name)
		}
		soft, hard, both := strings.Cut(s.Limits[name], ":")
		if !both {
			hard = soft
		}
		values := make([]string, 2)
		for i, value := range []string{soft, hard} {
			var err error
			if values[i], err = inUnits(value, limit.unit); err != nil {
				return nil, fmt.Errorf("the limit %s: %w", name, err)
			}
		}
		lines = append(lines, ulimit(limit.option, "", values[1]))
		if values[0] != values[1] {
			lines = append(lines, ulimit(limit.option, "S", values[0]))
		}
	}
	return lines, nil
}

// ulimit returns one command. What bash calls u, the processes of a user, is p for other shells.
func ulimit(option, which, value string) string {
	if option == "u" {
		return fmt.Sprintf("{ ulimit -%[1]su %[2]s 2>/dev/null || ulimit -%[1]sp %[2]s; }", which, value)
	}
	return fmt.Sprintf("ulimit -%s%s %s", which, option, value)
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
