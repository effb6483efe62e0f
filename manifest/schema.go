package manifest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// variables is the pattern of what has a variable in it: only the environment says what it is.
const variables = `\$\{`

// durations is the pattern of a duration.
const durations = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$`

// Schema returns the JSON Schema (2020-12) of a manifest, for editors. It is made of the types that
// a manifest is read into. What it refuses [Parse] refuses, with line and column; Parse refuses
// more, such as hosts that there are not.
func Schema() []byte {
	s, err := jsonschema.For[document](nil)
	if err != nil {
		panic(err) // the types are ours
	}
	refine(s, reflect.TypeFor[document](), "")
	dropAddress(s)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = FileName
	s.Description = "daemons, how they are built and run, and the hosts that they run on"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// dropAddress takes away the one thing that a host says and the defaults cannot.
func dropAddress(s *jsonschema.Schema) {
	delete(s.Properties["defaults"].Properties["host"].Properties, "address")
}

// refine adds to the schema of t what the tags say.
func refine(s *jsonschema.Schema, t reflect.Type, tag reflect.StructTag) {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		*s = jsonschema.Schema{Description: s.Description, Type: "string", Pattern: durations + "|" + variables}
	case t.Kind() == reflect.Pointer:
		refine(s, t.Elem(), tag)
	case t.Kind() == reflect.Struct:
		orNull(s, "object")
		refineFields(s, t)
	case t.Kind() == reflect.Map:
		orNull(s, "object")
		if p := rules[tag.Get("keys")].pattern; p != "" {
			s.PropertyNames = &jsonschema.Schema{Pattern: whole(p)}
		}
		refine(s.AdditionalProperties, t.Elem(), tag)
	case t.Kind() == reflect.Slice:
		refine(s.Items, t.Elem(), tag)
	case t.Kind() == reflect.Bool:
		*s = orVariable(s.Description, &jsonschema.Schema{Type: "boolean"})
	case t.Kind() == reflect.Int:
		least, most := limits(tag)
		*s = orVariable(s.Description, &jsonschema.Schema{
			Type: "integer", Minimum: jsonschema.Ptr(float64(least)), Maximum: jsonschema.Ptr(float64(most)),
		})
	case t.Kind() == reflect.String:
		refineString(s, tag)
	}
}

func orNull(s *jsonschema.Schema, kind string) { s.Type, s.Types = "", []string{kind, "null"} }

func whole(pattern string) string { return "^(" + pattern + ")$" }

func orVariable(description string, s *jsonschema.Schema) jsonschema.Schema {
	return jsonschema.Schema{
		Description: description,
		AnyOf:       []*jsonschema.Schema{s, {Type: "string", Pattern: variables}},
	}
}

func refineString(s *jsonschema.Schema, tag reflect.StructTag) {
	is := tag.Get("is")
	switch p := rules[is].pattern; {
	case tag.Get("enum") != "":
		words := &jsonschema.Schema{Type: "string"}
		for word := range strings.SplitSeq(tag.Get("enum"), "|") {
			words.Enum = append(words.Enum, word)
		}
		*s = orVariable(s.Description, words)
	case is == "command":
		s.Pattern = whole(p)
	case p != "":
		s.Pattern = whole(p) + "|" + variables
		if tag.Get("oneof") == "" {
			s.Pattern += "|^$"
		}
	}
	if tag.Get("scalar") == "any" {
		s.Type, s.Types = "", []string{"string", "number", "boolean"}
	}
}

func refineFields(s *jsonschema.Schema, t reflect.Type) {
	var choices []*jsonschema.Schema
	need := false
	for i := range t.NumField() {
		f := t.Field(i)
		key := keyOf(f)
		if key == "" {
			continue
		}
		refine(s.Properties[key], f.Type, f.Tag)
		if choice := f.Tag.Get("oneof"); choice != "" {
			choices = append(choices, &jsonschema.Schema{Required: []string{key}})
			need = choice == "need"
		}
	}
	if need {
		s.OneOf = choices
		return
	}
	for i, a := range choices {
		for _, b := range choices[:i] {
			both := &jsonschema.Schema{Type: "object", Required: []string{b.Required[0], a.Required[0]}}
			s.AllOf = append(s.AllOf, &jsonschema.Schema{Not: both})
		}
	}
}
