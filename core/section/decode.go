// Package section decodes one section of a profile strictly, and describes it.
//
// A planner writes its section as a struct and gets all that is wrong with what a person wrote, each with its key:
//
//	var s struct {
//		Mode string       `json:"mode" doc:"none, loopback or host"`
//		Size section.Size `json:"size" doc:"of the root"`
//	}
//	problems := section.Decode(request.Section, &s)
//
// Nothing is passed over: a key that the struct does not have, a value of another type and a size without a known
// unit are problems. Schema tells the same struct to people and editors.
package section

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/jail-sandbox/jail/core/step"
)

// Decode fills the struct that v points to from the JSON of a section, and says all that is wrong with it. Keys of
// problems are relative to the section. No bytes and null are an empty section. With problems, v is filled in part.
//
// A type with an UnmarshalJSON of its own decodes itself; it may return a step.Problem or step.Problems to give a hint
// or a key below its own.
func Decode(raw []byte, v any) []step.Problem {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if !json.Valid(raw) {
		return []step.Problem{{Text: "is not JSON"}}
	}
	return value(raw, reflect.ValueOf(v).Elem())
}

// value decodes raw, which is valid JSON, into v. Keys of its problems are relative to v, and so on down.
func value(raw []byte, v reflect.Value) []step.Problem {
	if u, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		return problems(u.UnmarshalJSON(raw))
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return value(raw, v.Elem())
	}
	if want := wanted(v.Kind()); want != "" && want != kindOf(raw) {
		return problem("is %s, %s is wanted", kindOf(raw), want)
	}
	switch v.Kind() {
	case reflect.Struct:
		return table(raw, v)
	case reflect.Map:
		return mapping(raw, v)
	case reflect.Slice:
		return list(raw, v)
	}
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		return problem("is %s, which does not fit", step.Quote(string(raw)))
	}
	return nil
}

func table(raw []byte, v reflect.Value) []step.Problem {
	entries, ps := object(raw)
	known := fields(v.Type())
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		i := slices.IndexFunc(known, func(f field) bool { return f.name == key })
		if i < 0 {
			ps = append(ps, UnknownKey(key, names(known)))
			continue
		}
		ps = append(ps, below(key, value(entries[key], v.FieldByIndex(known[i].index)))...)
	}
	return ps
}

// UnknownKey is the problem with a key that is not one of known.
func UnknownKey(key string, known []string) step.Problem {
	hint := "there are no keys here"
	if near := Nearest(key, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(known) > 0 {
		hint = "the keys are " + strings.Join(known, ", ")
	}
	return step.Problem{Key: []string{key}, Text: "unknown key", Hint: hint}
}

func mapping(raw []byte, v reflect.Value) []step.Problem {
	entries, ps := object(raw)
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		e := reflect.New(v.Type().Elem()).Elem()
		ps = append(ps, below(key, value(entries[key], e))...)
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), e)
	}
	return ps
}

// list decodes a list. An item has no key in TOML, so its number stands in the text.
func list(raw []byte, v reflect.Value) (ps []step.Problem) {
	var items []json.RawMessage
	must(json.Unmarshal(raw, &items))
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		for _, p := range value(item, v.Index(i)) {
			p.Text = "item " + strconv.Itoa(i+1) + ": " + p.Text
			ps = append(ps, p)
		}
	}
	return ps
}

// problems takes a decoder's own error apart.
func problems(err error) []step.Problem {
	var many step.Problems
	var one step.Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &many):
		return many
	case errors.As(err, &one):
		return []step.Problem{one}
	}
	return problem("%s", err)
}

func problem(format string, args ...any) []step.Problem {
	return []step.Problem{{Text: fmt.Sprintf(format, args...)}}
}

// below puts a key in front of the keys of problems.
func below(key string, ps []step.Problem) []step.Problem {
	for i := range ps {
		ps[i].Key = append([]string{key}, ps[i].Key...)
	}
	return ps
}

// wanted names the JSON kind that a Go kind is read from, or is empty where encoding/json decides.
func wanted(k reflect.Kind) string {
	switch {
	case k == reflect.Struct, k == reflect.Map:
		return "a table"
	case k == reflect.Slice:
		return "a list"
	case k == reflect.String:
		return "a string"
	case k == reflect.Bool:
		return "a boolean"
	case reflect.Int <= k && k <= reflect.Uint64:
		return "a whole number"
	}
	return ""
}

// kindOf names the kind of a JSON value as TOML calls it.
func kindOf(raw []byte) string {
	switch raw = bytes.TrimSpace(raw); raw[0] {
	case '{':
		return "a table"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	if bytes.ContainsAny(raw, ".eE") {
		return "a fraction"
	}
	return "a whole number"
}

// object takes a table apart. encoding/json alone would let the last of two equal keys win, and whoever reviewed the
// first one would be wrong.
func object(raw []byte) (entries map[string]json.RawMessage, twice []step.Problem) {
	d, entries := json.NewDecoder(bytes.NewReader(raw)), map[string]json.RawMessage{}
	must1(d.Token())
	for d.More() {
		key := must1(d.Token()).(string)
		if _, ok := entries[key]; ok {
			twice = append(twice, step.Problem{Key: []string{key}, Text: "is there twice"})
		}
		var value json.RawMessage
		must(d.Decode(&value))
		entries[key] = value
	}
	return entries, twice
}

// must is for what cannot fail, since the JSON is valid and its kind is known.
func must(err error) {
	if err != nil {
		panic("section: bug: " + err.Error())
	}
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}

// A field is one key of a section.
type field struct {
	name, doc string
	index     []int
	typ       reflect.Type
}

// fields lists a struct's keys as written, those of embedded structs in their place.
func fields(t reflect.Type) (fs []field) {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		fs = append(fs, field{name, f.Tag.Get("doc"), f.Index, f.Type})
	}
	return fs
}

func names(fs []field) []string {
	out := make([]string, len(fs))
	for i, f := range fs {
		out[i] = f.name
	}
	return out
}
