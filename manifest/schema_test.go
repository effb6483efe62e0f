package manifest

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
)

// asEditorsSee returns a manifest as a validator of JSON sees it.
func asEditorsSee(t *testing.T, data []byte) (any, error) {
	t.Helper()
	var v, plain any
	if err := yaml.Unmarshal([]byte(strings.TrimPrefix(string(data), "\ufeff")), &v); err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return plain, json.Unmarshal(encoded, &plain)
}

func resolved(t testing.TB) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryGoodManifestIsGoodByTheSchema(t *testing.T) {
	t.Parallel()
	schema := resolved(t)
	for name, data := range manifests(t, "testdata/good/*.yaml", "../examples/*/davit.yaml") {
		if _, err := Parse(name, data, environment); err != nil {
			t.Error(err)
		}
		v, err := asEditorsSee(t, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Those of testdata/bad where an editor can see what is wrong say so.
func TestTheSchemaRefusesWhatAnEditorCanSee(t *testing.T) {
	t.Parallel()
	schema := resolved(t)
	for name, data := range manifests(t, "testdata/bad/*.yaml") {
		if !strings.Contains(string(data), "\n# schema refuses it, too\n") {
			continue
		}
		if v, err := asEditorsSee(t, data); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if schema.Validate(v) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
	}
}

var update = flag.Bool("update", false, "write the golden file anew")

func TestSchemaIsWhatItWas(t *testing.T) {
	t.Parallel()
	const file = "testdata/schema.golden"
	if *update {
		if err := os.WriteFile(file, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(Schema())); diff != "" {
		t.Errorf("the schema has changed; if that is meant, run go test ./manifest -update\n%s", diff)
	}
}

// Every key of the schema says what it means, and no object takes a key that it does not know.
func TestTheSchemaExplainsEveryKey(t *testing.T) {
	t.Parallel()
	var s jsonschema.Schema
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	explained(t, "", &s)
}

func explained(t *testing.T, path string, s *jsonschema.Schema) {
	t.Helper()
	if s.AdditionalProperties == nil && len(s.Properties) > 0 {
		t.Errorf("%s takes unknown keys", path)
	}
	for key, p := range s.Properties {
		if p.Description == "" {
			t.Errorf("%s/%s has no description", path, key)
		}
		explained(t, path+"/"+key, p)
	}
	if s.AdditionalProperties != nil {
		explained(t, path+"/*", s.AdditionalProperties)
	}
}
