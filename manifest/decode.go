package manifest

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
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
