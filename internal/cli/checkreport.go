package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/fleet"
	"github.com/davit-sh/davit/narrate"
)

// reportCheck prints what was seen of each host, and what could not be.
func reportCheck(u *ui, results []fleet.Result[davit.Report]) {
	for i, r := range results {
		if r.Value.Host == "" {
			continue
		}
		if i > 0 || !u.quiet {
			u.print("")
		}
		u.print(seen(u, r.Value)...)
	}
	for _, r := range results {
		if r.Err != nil && r.Value.Host == "" { // else the table says it
			printFailures(u, []fleet.Result[davit.Report]{r})
		}
	}
}

// seen is the table of one host.
func seen(u *ui, r davit.Report) []string {
	free := ""
	if r.Free >= 0 {
		free = " (" + narrate.Bytes(r.Free) + " free)"
	}
	rows := [][]string{
		{"platform", orUnknown(r.Platform)},
		{"libc", orUnknown(r.Libc)},
		{"user", r.User + " (" + r.Home + ")"},
		{"init", orUnknown(r.Init)},
		{"directory", r.Dir + free},
		{"tools", orNone(slices.Sorted(maps.Keys(r.Tools)))},
	}
	var installed []string
	for _, d := range r.Installed {
		installed = append(installed, d.Name+" "+d.Release)
	}
	rows = append(rows, []string{"installed", orNone(installed)})
	lines := append([]string{r.Host}, indent(table(rows))...)
	return append(lines, findings(u, r.Findings)...)
}

// findings says what would be in the way, and whether an install would work.
func findings(u *ui, all []davit.Finding) []string {
	var lines []string
	verdict := u.mark("✅") + "ready for an install"
	for _, f := range all {
		mark, word := u.mark("⚠️ "), "note: "
		if f.Fatal {
			mark, word = u.mark("❌"), "in the way: "
			verdict = ""
		}
		lines = append(lines, mark+word+f.Text)
		if f.Hint != "" {
			lines = append(lines, "   hint: "+f.Hint)
		}
	}
	if verdict != "" {
		lines = append(lines, verdict)
	}
	return indent(lines)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func orNone(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
