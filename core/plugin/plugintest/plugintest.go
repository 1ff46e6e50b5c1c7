// Package plugintest tests a planner without a process.
//
// Run compares a planner's contributions with golden files. A file is a txtar with pairs of a section and what the
// planner makes of it; a line of the golden part is one fact, so that a changed key shows as a changed line:
//
//	-- loopback.toml --
//	mode = "loopback"
//	-- loopback.want --
//	{"namespace":"net"}
//	{"key":["mode"],"step":{"kind":"loopback"}}
//
// go test -update writes the .want parts anew.
package plugintest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/step"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Run checks p against every .txtar of dir, and what is true of every planner: its description, and that an empty
// section is enough.
func Run(t *testing.T, p plugin.Planner, dir string) {
	t.Helper()
	t.Run("describe", func(t *testing.T) { describe(t, p.Describe()) })
	t.Run("no section", func(t *testing.T) {
		if ps := Plan(t, p, "").Problems; ps != nil {
			t.Errorf("an empty section has problems: %v", ps)
		}
	})
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files in %s: %v", dir, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { golden(t, p, file) })
	}
}

// Plan is what p makes of a section in TOML. It fails the test for what no planner may do: to answer one request in
// two ways, to answer what cannot cross the wire, to return steps that are not its own or that are wrong.
func Plan(t testing.TB, p plugin.Planner, section string) plugin.Contribution {
	t.Helper()
	raw := fromTOML(t, section)
	c := p.Plan(plugin.Request{Section: raw})
	if again := p.Plan(plugin.Request{Section: raw}); !reflect.DeepEqual(c, again) {
		t.Errorf("two answers to one request:\n%s\n%s", Lines(t, c), Lines(t, again))
	}
	for _, err := range c.Vet(p.Describe().Name) {
		t.Errorf("the core refuses this: %v", err)
	}
	crossed, err := plugin.DecodeContribution(marshal(t, c))
	if err != nil {
		t.Fatalf("cannot cross the wire: %v", err)
	}
	if got, want := Lines(t, crossed), Lines(t, c); got != want {
		t.Errorf("changed by the wire:\n%s\nwas\n%s", got, want)
	}
	return c
}

// Row is a section that is wrong: its TOML; the key of the problem, dotted, empty for the section as a whole; and what
// the problem's text or hint must contain.
type Row [3]string

// Rejects checks that each row's section has exactly the one problem, and no step.
func Rejects(t *testing.T, p plugin.Planner, rows []Row) {
	t.Helper()
	for _, row := range rows {
		section, key, text := row[0], row[1], row[2]
		c := Plan(t, p, section)
		name := shorten(section)
		if len(c.Problems) != 1 || len(c.Steps) > 0 {
			t.Errorf("%s\nhas not one problem and no step:\n%s", name, Lines(t, c))
			continue
		}
		got := c.Problems[0]
		if step.KeyString(got.Key) != key || !strings.Contains(got.String(), text) {
			t.Errorf("%s\nhas the problem %s\nwant it at %q with %q", name, shorten(got.String()), key, text)
		}
	}
}

// Lines is a contribution as golden files have it.
func Lines(t testing.TB, c plugin.Contribution) string {
	t.Helper()
	var b strings.Builder
	line := func(v any) { b.Write(append(marshal(t, v), '\n')) }
	for _, ns := range c.Namespaces {
		line(map[string]string{"namespace": ns})
	}
	for _, it := range c.Steps {
		line(it)
	}
	for _, w := range c.Warnings {
		line(map[string]step.Problem{"warning": w})
	}
	for _, p := range c.Problems {
		line(map[string]step.Problem{"problem": p})
	}
	return b.String()
}

func describe(t *testing.T, i plugin.Info) {
	if i.Name == "" || i.Version == "" || i.Doc == "" {
		t.Errorf("name %q, version %q, doc %q: none may be empty", i.Name, i.Version, i.Doc)
	}
	var schema map[string]any
	if err := json.Unmarshal(i.Schema, &schema); err != nil || schema["properties"] == nil {
		t.Errorf("the schema is not a JSON Schema of a table: %s", i.Schema)
	}
}

func golden(t *testing.T, p plugin.Planner, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []txtar.File
	for _, f := range ar.Files {
		name, isSection := strings.CutSuffix(f.Name, ".toml")
		if !isSection {
			continue
		}
		got := Lines(t, Plan(t, p, string(f.Data)))
		if want := part(ar, name+".want"); got != want && !*update {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
		out = append(out, f, txtar.File{Name: name + ".want", Data: []byte(got)})
	}
	if len(out) != len(ar.Files) && !*update {
		t.Errorf("%s has parts that are no pair of NAME.toml and NAME.want", file)
	}
	if *update {
		ar.Files = out
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func part(ar *txtar.Archive, name string) string {
	for _, f := range ar.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func fromTOML(t testing.TB, section string) json.RawMessage {
	t.Helper()
	keys := map[string]any{}
	if _, err := toml.Decode(section, &keys); err != nil {
		t.Fatalf("%s: %v", shorten(section), err)
	}
	return marshal(t, keys)
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
