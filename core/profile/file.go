package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/BurntSushi/toml"

	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// A file is a Source that has been parsed.
type file struct {
	Source
	table map[string]any // of what settable lets pass
	wrong []step.Problem // what it did not

	meta toml.MetaData
	root *node
}

// parse reads a source's TOML. With an error there is no file: what comes after it cannot be trusted.
func parse(src Source) (f *file, problem *step.Problem) {
	if len(src.Data) > MaxFile {
		return nil, &step.Problem{File: src.Name, Text: fmt.Sprintf("has %d bytes, the most is %d", len(src.Data), MaxFile)}
	}
	if line := tooDeep(src.Data); line > 0 {
		return nil, &step.Problem{File: src.Name, Line: line, Text: fmt.Sprintf("nested more than %d deep", MaxDepth)}
	}
	// The library panics where its lexer and its parser disagree. That is the profile's fault, not ours to die of.
	defer func() {
		if r := recover(); r != nil {
			f, problem = nil, &step.Problem{File: src.Name, Text: "is not TOML: " + fmt.Sprint(r)}
		}
	}()
	f = &file{Source: src}
	if err := f.decode(); err != nil {
		return nil, syntaxProblem(src.Name, err)
	}
	return f, nil
}

func (f *file) decode() (err error) {
	var table map[string]toml.Primitive
	if f.meta, err = toml.Decode(string(f.Data), &table); err != nil {
		return err
	}
	f.root = &node{table: nodes(table)}
	values := map[string]any{}
	for key, p := range table {
		var v any
		if err := f.meta.PrimitiveDecode(p, &v); err != nil {
			return err
		}
		values[key] = v
	}
	f.table = f.settableTable(nil, values)
	return nil
}

func syntaxProblem(name string, err error) *step.Problem {
	p := step.Problem{File: name, Text: err.Error()}
	if pe := (toml.ParseError{}); errors.As(err, &pe) && pe.Message != "" {
		p.Line = pe.Position.Line
		p.Text = worded(pe.Message)
	}
	return &p
}

// worded is the library's message as ours are: no capital, but for words like TOML, and no full stop.
func worded(message string) string {
	message = strings.TrimSuffix(message, ".")
	if len(message) > 1 && unicode.IsLower(rune(message[1])) {
		return strings.ToLower(message[:1]) + message[1:]
	}
	return message
}

// settable is the value without the kinds of TOML that no setting has: those become problems.
func (f *file) settable(key []string, value any) any {
	switch v := value.(type) {
	case string, bool, int64:
		return v
	case map[string]any:
		return f.settableTable(key, v)
	case []any:
		return f.settableList(key, v)
	}
	f.wrong = append(f.wrong, unsettable(key, value))
	return nil
}

func (f *file) settableTable(key []string, table map[string]any) map[string]any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if v := f.settable(slices.Concat(key, []string{name}), table[name]); v != nil {
			out[name] = v
		}
	}
	return out
}

func (f *file) settableList(key []string, list []any) any {
	out := make([]any, 0, len(list))
	for _, item := range list {
		if _, ok := item.(map[string]any); ok {
			f.wrong = append(f.wrong, unsettable(key, []map[string]any{}))
			return nil
		}
		if v := f.settable(key, item); v != nil {
			out = append(out, v)
		}
	}
	return out
}

func unsettable(key []string, value any) step.Problem {
	p := step.Problem{Key: key, Text: fmt.Sprintf("is a %T", value)}
	switch value.(type) {
	case time.Time:
		p.Text, p.Hint = "is a date or a time of day, which no key takes", `durations are strings like "10m"`
	case float64:
		p.Text, p.Hint = "is a number with a fraction, which no key takes", `whole numbers, or strings like "16MiB" and "1.5h"`
	case []map[string]any:
		p.Text, p.Hint = "is a list of tables, which no key takes", "a table has the name of what it is about: [section.key]"
	}
	return p
}

// check says what is wrong with a file apart from its sections.
func (f *file) check() []step.Problem {
	ps := slices.Clone(f.wrong)
	if p := f.checkFormat(); p != nil {
		ps = append(ps, *p)
	}
	for _, key := range slices.Sorted(maps.Keys(f.table)) {
		if _, ok := f.table[key].(map[string]any); !ok && !slices.Contains(coreKeys, key) {
			ps = append(ps, unknownKey(key))
		}
	}
	return f.placeAll(ps)
}

func (f *file) checkFormat() *step.Problem {
	hint := fmt.Sprintf("format = %q", Format)
	switch v := f.table["format"].(type) {
	case nil:
		if f.at([]string{"format"}) == 0 {
			return &step.Problem{Key: []string{"format"}, Text: "is missing", Hint: hint}
		}
	case string:
		if v != Format {
			return &step.Problem{Key: []string{"format"}, Text: `is "` + step.Quote(v) + `", which this version does not read`, Hint: hint}
		}
	default:
		return &step.Problem{Key: []string{"format"}, Text: "is not a string", Hint: hint}
	}
	return nil
}

// unknownKey is the problem with a value that stands in no section.
func unknownKey(key string) step.Problem {
	p := section.UnknownKey(key, coreKeys)
	if section.Nearest(key, coreKeys) == "" {
		p.Hint = "outside of a [section] stand format and extends"
	}
	return p
}

// place adds the file, and the line of a key, to a problem.
func (f *file) place(p step.Problem, key ...string) step.Problem {
	p.Key = append(key, p.Key...)
	p.File, p.Line = f.Name, f.line(p.Key)
	return p
}

func (f *file) placeAll(ps []step.Problem) []step.Problem {
	ps = capped(ps)
	for i, p := range ps {
		ps[i] = f.place(p)
	}
	return ps
}
