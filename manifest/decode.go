package manifest

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// decoder puts nodes into Go values, by the tags of their types.
type decoder struct {
	src      *source
	dir      string // that relative paths stand in
	env      func(string) (string, bool)
	expanded int                            // bytes that variables have come to
	base     map[reflect.Type]reflect.Value // what values of mappings begin with
	places   map[string]place               // of what was said, by path: daemons/worker/health
	first    *Error
}

// fail notes that what stands at p is wrong. The first of the file is kept.
func (d *decoder) fail(p place, hint, format string, args ...any) {
	if e := d.src.wrong(p, hint, format, args...); d.first == nil ||
		(place{e.Line, e.Column}).before(place{d.first.Line, d.first.Column}) {
		d.first = e
	}
}

// field is what is known of a value from where it stands.
type field struct {
	name string // as messages call it
	path string
	tag  reflect.StructTag
}

func (f field) in(name string, tag reflect.StructTag) field {
	return field{name, strings.TrimPrefix(f.path+"/"+name, "/"), tag}
}

var durationType = reflect.TypeFor[time.Duration]()

func (d *decoder) value(v reflect.Value, n *node, f field) {
	d.places[f.path] = n.at
	switch t := v.Type(); {
	case t == durationType:
		v.SetInt(int64(d.duration(n, f)))
	case t.Kind() == reflect.Pointer:
		fresh := reflect.New(t.Elem())
		if !v.IsNil() {
			fresh.Elem().Set(clone(v.Elem()))
		}
		d.value(fresh.Elem(), n, f)
		v.Set(fresh)
	case t.Kind() == reflect.Struct:
		d.fields(v, n, f)
	case t.Kind() == reflect.Map:
		d.byName(v, n, f)
	case t.Kind() == reflect.Slice:
		d.list(v, n, f)
	case t.Kind() == reflect.Int:
		v.SetInt(int64(d.whole(n, f)))
	case t.Kind() == reflect.Bool:
		v.SetBool(d.boolean(n, f))
	default:
		v.SetString(d.text(n, f))
	}
}

// must reports whether n is of that kind, or nothing; it complains if not.
func (d *decoder) must(n *node, want kind, f field) bool {
	if n.kind == want {
		return true
	}
	if n.kind != nothing {
		hint := ""
		if want == list && n.kind == text {
			hint = "write " + f.name + ": [" + strconv.Quote(n.text) + "]"
		}
		d.fail(n.at, hint, "%s must be %v, not %v", f.name, want, n.kind)
	}
	return false
}

// keyOf returns the key that a field of a struct stands under, "" for none.
func keyOf(t reflect.StructField) string {
	key, _, _ := strings.Cut(t.Tag.Get("json"), ",")
	return strings.TrimPrefix(key, "-")
}

func (d *decoder) fields(v reflect.Value, n *node, f field) {
	if n.kind != nothing && !d.must(n, mapping, f) {
		return
	}
	d.known(v.Type(), n, f)
	d.chosen(v, n, f)
	for i := range v.NumField() {
		t := v.Type().Field(i)
		if e := n.get(keyOf(t)); e != nil {
			d.value(v.Field(i), e.value, f.in(e.key, t.Tag))
		}
		if t.Name == "Defaults" {
			d.setBase(v.Field(i))
		}
	}
	d.together(v, n)
}

// setBase has the values of mappings begin with the defaults of their type.
func (d *decoder) setBase(defaults reflect.Value) {
	for i := range defaults.NumField() {
		d.base[defaults.Field(i).Type()] = defaults.Field(i)
	}
}

func (d *decoder) known(t reflect.Type, n *node, f field) {
	var keys []string
	for i := range t.NumField() {
		if key := keyOf(t.Field(i)); key != "" {
			keys = append(keys, key)
		}
	}
	for _, e := range n.entries {
		if !slices.Contains(keys, e.key) {
			d.fail(e.at, meant(e.key, keys, "the keys here are"), "unknown key %s in %s", quoted(e.key), f.name)
		}
	}
}

// chosen sees to the fields of which only one may be said: to say one of them takes back what the
// defaults say of the others.
func (d *decoder) chosen(v reflect.Value, n *node, f field) {
	var keys []string
	need := false
	for i := range v.NumField() {
		if choice, ok := v.Type().Field(i).Tag.Lookup("oneof"); ok {
			keys = append(keys, keyOf(v.Type().Field(i)))
			need = choice == "need"
		}
	}
	var said []entry
	for _, e := range n.entries {
		if slices.Contains(keys, e.key) {
			said = append(said, e)
		}
	}
	switch {
	case len(said) > 1:
		d.fail(said[1].at, "leave one of them", "%s has both %s and %s", f.name, said[0].key, said[1].key)
	case len(said) == 0 && need:
		d.fail(n.at, "", "%s needs %s", f.name, strings.Join(keys, " or "))
	}
	if len(said) == 0 {
		return
	}
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if tag.Get("oneof") != "" || tag.Get("with") != "" {
			v.Field(i).SetZero()
		}
	}
}

// together complains of what is said without what it belongs to.
func (d *decoder) together(v reflect.Value, n *node) {
	for i := range v.NumField() {
		t := v.Type().Field(i)
		other, e := t.Tag.Get("with"), n.get(keyOf(t))
		if other == "" || e == nil {
			continue
		}
		for j := range v.NumField() {
			if keyOf(v.Type().Field(j)) == other && v.Field(j).IsZero() {
				d.fail(e.at, "", "%s goes only with %s", e.key, other)
			}
		}
	}
}

func (d *decoder) byName(v reflect.Value, n *node, f field) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	if !d.must(n, mapping, f) {
		return
	}
	for _, e := range n.entries {
		if wrong := rules[f.tag.Get("keys")].wrong(e.key); wrong != "" {
			d.fail(e.at, "", "%s %s", quoted(e.key), wrong)
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if base, ok := d.base[item.Type()]; ok {
			item.Set(clone(base))
		}
		d.value(item, e.value, f.in(e.key, f.tag))
		v.SetMapIndex(reflect.ValueOf(e.key), item)
	}
}

func (d *decoder) list(v reflect.Value, n *node, f field) {
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	if !d.must(n, list, f) {
		return
	}
	for i, item := range n.items {
		in := field{"an item of " + f.name, f.path + "[" + strconv.Itoa(i) + "]", f.tag}
		d.value(v.Index(i), item, in)
	}
}

// clone copies a value deeply.
func clone(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.Field(i).Set(clone(v.Field(i)))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			c.Set(reflect.MakeMap(v.Type()))
			for key, item := range v.Seq2() {
				c.SetMapIndex(key, clone(item))
			}
		}
	case reflect.Slice:
		if !v.IsNil() {
			c.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			c.Set(reflect.New(v.Type().Elem()))
			c.Elem().Set(clone(v.Elem()))
		}
	}
	return c
}

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
