package manifest

import (
	"strings"

	"github.com/davit-sh/davit/internal/spelling"
)

// meant says what name may have been meant, or what there is.
func meant(name string, names []string, there string) string {
	if n := spelling.Nearest(name, names); n != "" {
		return "did you mean " + n + "?"
	}
	if len(names) == 0 {
		return ""
	}
	return there + " " + strings.Join(names, ", ")
}
