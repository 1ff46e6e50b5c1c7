package section

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// A Describer is a type that decodes itself and says what it takes, as a JSON Schema.
type Describer interface {
	JSONSchema() json.RawMessage
}

var (
	describer   = reflect.TypeFor[Describer]()
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
)

// Schema is the JSON Schema (2020-12) of a section's struct: names from json tags, descriptions from doc tags. Equal
// structs have equal bytes.
//
// Preconditions: the struct does not contain itself.
func Schema(v any) json.RawMessage {
	s := schemaOf(reflect.Indirect(reflect.ValueOf(v)).Type())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	return encode(s)
}

// An object's keys are sorted when it is encoded.
type schema map[string]any

func schemaOf(t reflect.Type) schema {
	switch p := reflect.PointerTo(t); {
	case p.Implements(describer):
		var s schema
		must(json.Unmarshal(reflect.New(t).Interface().(Describer).JSONSchema(), &s))
		return s
	case p.Implements(unmarshaler):
		return schema{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Struct:
		return schema{"type": "object", "properties": properties(t), "additionalProperties": false}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Slice:
		return schema{"type": "array", "items": schemaOf(t.Elem())}
	}
	if name := schemaNames[wanted(t.Kind())]; name != "" {
		return schema{"type": name}
	}
	return schema{}
}

var schemaNames = map[string]string{"a string": "string", "a boolean": "boolean", "a whole number": "integer"}

func properties(t reflect.Type) schema {
	out := schema{}
	for _, f := range fields(t) {
		s := schemaOf(f.typ)
		if f.doc != "" {
			s["description"] = f.doc
		}
		out[f.name] = s
	}
	return out
}

// JSONSchema is what UnmarshalJSON takes.
func (Size) JSONSchema() json.RawMessage {
	return json.RawMessage(`{"type":["string","integer"],"minimum":0,"pattern":"^[0-9]+(B|KiB|MiB|GiB|TiB)?$",` +
		`"description":"a size: 512B, 64KiB, 16MiB, 1GiB, or a whole number of bytes"}`)
}

// JSONSchema is what UnmarshalJSON takes.
func (Duration) JSONSchema() json.RawMessage {
	return json.RawMessage(`{"type":"string","pattern":"^\\+?([0-9]*\\.?[0-9]*(ns|us|µs|μs|ms|s|m|h))+$",` +
		`"description":"a duration: 250ms, 1s, 10m, 1.5h"}`)
}

func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	must(e.Encode(v))
	return bytes.TrimSpace(b.Bytes())
}
