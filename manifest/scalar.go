package manifest

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// text returns a string, its variables replaced and its rule kept.
func (d *decoder) text(n *node, f field) string {
	written := n.text
	switch {
	case n.kind == text:
	case n.kind == nothing:
		d.fail(n.at, `for an empty one write ""`, "%s has no value", f.name)
		return ""
	case f.tag.Get("scalar") != "any" || n.kind == list || n.kind == mapping:
		hint := ""
		if n.kind == number || n.kind == boolean {
			hint = "write " + strconv.Quote(n.text)
		}
		d.fail(n.at, hint, "%s must be a string, not %v", f.name, n.kind)
		return ""
	default:
		return written
	}
	is := f.tag.Get("is")
	if is != "command" {
		var ok bool
		if written, _, ok = d.expand(n, f); !ok {
			return ""
		}
	}
	if !d.printable(written, n, f, is == "command" || f.tag.Get("lines") == "many") {
		return ""
	}
	if words := f.tag.Get("enum"); words != "" && !slices.Contains(strings.Split(words, "|"), written) {
		all := strings.Split(words, "|")
		d.fail(n.at, meant(written, all, "it is one of"), "unknown %s %s", f.name, quoted(written))
		return ""
	}
	return d.ruled(written, n, f, is)
}

// ruled returns text if it keeps its rule. To say nothing in as many words is to say nothing,
// but for what must be chosen or counted.
func (d *decoder) ruled(written string, n *node, f field, is string) string {
	if written == "" && f.tag.Get("oneof") == "" && !strings.HasSuffix(f.path, "]") || is == "" {
		return written
	}
	if is == "path" {
		path, wrong := d.path(written)
		if wrong != "" {
			d.fail(n.at, "", "%s: %s", f.name, wrong)
		}
		return path
	}
	if wrong := rules[is].wrong(written); wrong != "" {
		d.fail(n.at, rules[is].hint, "%s: %s %s", f.name, quoted(written), wrong)
		return ""
	}
	return written
}

// printable refuses NUL, and in one line all that would end it or steer a terminal.
func (d *decoder) printable(written string, n *node, f field, many bool) bool {
	switch {
	case strings.ContainsRune(written, 0):
		d.fail(n.at, "", "%s has a NUL character", f.name)
	case !many && strings.ContainsFunc(written, func(r rune) bool { return r == '\n' || r == '\r' }):
		d.fail(n.at, "", "%s must be one line", f.name)
	case !many && strings.ContainsFunc(written, unicode.IsControl):
		d.fail(n.at, "", "%s has a control character", f.name)
	default:
		return true
	}
	return false
}

// literal returns the text of what must be of that kind, or a string that is made of variables.
func (d *decoder) literal(n *node, want kind, f field) (string, bool) {
	switch n.kind {
	case want:
		return n.text, true
	case nothing:
		d.fail(n.at, "", "%s has no value", f.name)
		return "", false
	case text:
		written, replaced, ok := d.expand(n, f)
		if replaced || !ok {
			return written, ok
		}
	}
	d.fail(n.at, literalHint(n, want), "%s must be %v, not %v", f.name, want, n.kind)
	return "", false
}

func literalHint(n *node, want kind) string {
	if want == boolean && n.kind == text {
		for word, meant := range map[string]string{"yes": "true", "on": "true", "no": "false", "off": "false"} {
			if strings.EqualFold(n.text, word) {
				return "write " + meant
			}
		}
	}
	if _, err := strconv.Atoi(n.text); err == nil && want == number {
		return "write it without quotes: " + n.text
	}
	return ""
}

func (d *decoder) boolean(n *node, f field) bool {
	written, ok := d.literal(n, boolean, f)
	switch {
	case !ok:
	case strings.EqualFold(written, "true"):
		return true
	case !strings.EqualFold(written, "false"):
		d.fail(n.at, "", "%s must be true or false, not %s", f.name, quoted(written))
	}
	return false
}

func (d *decoder) whole(n *node, f field) int {
	written, ok := d.literal(n, number, f)
	if !ok {
		return 0
	}
	least, most := limits(f.tag)
	i, err := strconv.Atoi(written)
	if err != nil || i < least || i > most || written != strconv.Itoa(i) {
		d.fail(n.at, "", "%s must be a whole number from %d to %d, not %s", f.name, least, most, quoted(written))
		return 0
	}
	return i
}

// limits returns the least and the most of a number with the tag range.
func limits(tag reflect.StructTag) (least, most int) {
	a, b, _ := strings.Cut(tag.Get("range"), "-")
	least, _ = strconv.Atoi(a)
	most, _ = strconv.Atoi(b)
	return least, most
}

// otherUnits are words that people use for units of time, and the units.
var otherUnits = map[string]string{
	"sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
	"hr": "h", "hrs": "h", "hour": "h", "hours": "h", "msec": "ms", "millis": "ms", "milliseconds": "ms",
	"S": "s", "M": "m", "H": "h",
}

func (d *decoder) duration(n *node, f field) time.Duration {
	if n.kind == number {
		d.unitless(n, f, n.text)
		return 0
	}
	if n.kind == nothing {
		d.fail(n.at, "", "%s has no value", f.name)
		return 0
	}
	if !d.must(n, text, f) {
		return 0
	}
	written, _, ok := d.expand(n, f)
	if !ok {
		return 0
	}
	after, err := time.ParseDuration(written)
	if _, number := strconv.ParseFloat(written, 64); number == nil {
		d.unitless(n, f, written)
		return 0
	}
	switch {
	case err != nil:
		d.fail(n.at, durationHint(written), "%s: %s is no duration", f.name, quoted(written))
	case after <= 0:
		d.fail(n.at, "", "%s is %s; it must be more than 0", f.name, written)
	}
	return after
}

func (d *decoder) unitless(n *node, f field, written string) {
	if value, err := strconv.ParseFloat(written, 64); err == nil && value <= 0 {
		d.fail(n.at, "", "%s is %s; it must be more than 0, with a unit", f.name, written)
		return
	}
	d.fail(n.at, "say "+written+"s or "+written+"m", "%s: %s has no unit", f.name, quoted(written))
}

func durationHint(written string) string {
	amount := strings.TrimRightFunc(written, unicode.IsLetter)
	unit := written[len(amount):]
	amount = strings.TrimSpace(amount)
	if days, err := strconv.Atoi(amount); err == nil && days > 0 && days < 1000 && slices.Contains([]string{"d", "day", "days"}, unit) {
		return "say " + strconv.Itoa(24*days) + "h"
	}
	for other, u := range otherUnits {
		if unit == other || unit == u {
			if _, err := time.ParseDuration(amount + u); err == nil {
				return "say " + amount + u
			}
		}
	}
	return "a duration is written as 500ms, 30s, 5m or 1h30m"
}
