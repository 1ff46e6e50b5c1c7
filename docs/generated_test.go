package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/seccomp"
	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/plugins/ipcuts"
	"github.com/jail-sandbox/jail/plugins/mountns"
	"github.com/jail-sandbox/jail/plugins/netns"
	"github.com/jail-sandbox/jail/plugins/pidns"
	"github.com/jail-sandbox/jail/plugins/userns"
	"github.com/jail-sandbox/jail/profiles"
)

// generated are the parts of documents that come from code, by the name in their marker.
var generated = map[string]func(t *testing.T) string{
	"userns":     func(*testing.T) string { return keys(userns.Section{}) },
	"ipcuts":     func(*testing.T) string { return keys(ipcuts.Section{}) },
	"netns":      func(*testing.T) string { return keys(netns.Section{}) },
	"mountns":    func(*testing.T) string { return keys(mountns.Section{}) },
	"entry":      func(*testing.T) string { return keys(mountns.Entry{}) },
	"pidns":      func(*testing.T) string { return keys(pidns.Section{}) },
	"limits":     func(*testing.T) string { return limits() },
	"rlimits":    func(*testing.T) string { return rlimits() },
	"groups":     func(*testing.T) string { return groups() },
	"conditions": func(*testing.T) string { return conditions() },
	"constants":  func(*testing.T) string { return constants() },
	"comparison": comparison,
	"allowed":    allowed,
	"profiles":   embedded,
	"rows":       func(*testing.T) string { return rows() },
	"samples":    samples,
	"hints":      hints,
	"beyond":     beyond,
	"strace":     straceLines,
	"may":        func(t *testing.T) string { return may(t) },
	"mustnot":    func(t *testing.T) string { return mustNot(t) },
}

var marked = regexp.MustCompile(`(?s)<!-- from code: (\w+) -->\n(.*?)<!-- end -->`)

// The tables are what the code says; go test ./docs -update writes them.
func TestGenerated(t *testing.T) {
	seen := map[string]bool{}
	for _, document := range documents(t) {
		old := read(t, document)
		now := marked.ReplaceAllStringFunc(old, func(part string) string {
			m := marked.FindStringSubmatch(part)
			make, ok := generated[m[1]]
			if !ok {
				t.Errorf("%s: nothing makes %s", document, m[1])
				return part
			}
			seen[m[1]] = true
			text := make(t)
			if m[1] == "strace" && !*update && withoutNumbers(text) == withoutNumbers(m[2]) {
				return part
			}
			return "<!-- from code: " + m[1] + " -->\n" + text + "<!-- end -->"
		})
		switch {
		case old == now:
		case *update:
			check(t, os.WriteFile(document, []byte(now), 0o644))
		default:
			t.Errorf("%s is behind the code: go test ./docs -update writes it anew\n%s", document, difference(old, now))
		}
	}
	for name := range generated {
		if !seen[name] {
			t.Errorf("no document has the part %s", name)
		}
	}
}

// difference shows the lines that only one of two texts has.
func difference(old, now string) string {
	var b strings.Builder
	show := func(sign, text, other string) {
		for line := range strings.Lines(text) {
			if !strings.Contains("\n"+other, "\n"+line) {
				b.WriteString(sign + line)
			}
		}
	}
	show("-", old, now)
	show("+", now, old)
	return b.String()
}

// A table of Markdown, as text.
type table struct{ strings.Builder }

func newTable(head ...string) *table {
	t := &table{}
	t.row(head...)
	t.row(slices.Repeat([]string{"---"}, len(head))...)
	return t
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	t.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// keys is the table of a section's keys, in the order in which its struct has them; types are those of its schema.
func keys(sect any) string {
	out := newTable("key", "type", "what")
	// An Entry decodes itself, which hides its fields from the schema: they are described one by one.
	for _, f := range reflect.VisibleFields(reflect.TypeOf(sect)) {
		name := f.Tag.Get("json")
		if name == "" {
			continue
		}
		out.row("`"+name+"`", typeName(f.Type), f.Tag.Get("doc"))
	}
	return out.String()
}

func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var s struct {
		Type        any
		Description string
		Pattern     string
	}
	if err := json.Unmarshal(section.Schema(reflect.New(t).Elem().Interface()), &s); err != nil {
		panic(err)
	}
	switch {
	case strings.Contains(s.Description, "size"):
		return "size"
	case strings.Contains(s.Description, "duration"):
		return "duration"
	case s.Pattern == "^[0-7]+$":
		return "mode"
	case s.Type == "object" || t.Kind() == reflect.Map:
		return "table"
	}
	return map[string]string{"string": "string", "boolean": "boolean", "integer": "whole number"}[fmt.Sprint(s.Type)]
}

// limitUnits says in the words of docs/profile.md what the tables of limits call units.
var limitUnits = map[string]string{"time": "duration", "size": "size", "count": "whole number"}

func limits() string {
	out := newTable("key", "type", "what", "enforced")
	for _, l := range step.LimitNames {
		met := "not yet: an error"
		if l.Met {
			met = "yes"
		}
		out.row("`"+l.Name+"`", limitUnits[l.Unit], l.Doc, met)
	}
	return out.String()
}

func rlimits() string {
	out := newTable("key", "type", "what")
	for _, l := range step.RlimitNames {
		out.row("`"+l.Name+"`", limitUnits[l.Unit], l.Doc)
	}
	return out.String()
}

func groups() string {
	out := newTable("group", "what", "members")
	for _, g := range seccomp.Groups() {
		out.row("`"+g.Name+"`", g.Help, members(g.Members))
	}
	return out.String()
}

// members are a group's calls and groups, each once; a call with conditions has a star.
func members(all []string) string {
	var out []string
	for _, m := range all {
		if call, _, conditional := strings.Cut(m, ": "); conditional {
			m = call + "\\*"
		}
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return strings.Join(out, " ")
}

// embedded is what the first two comment lines of each profile say.
func embedded(t *testing.T) string {
	out := newTable("profile", "what it is for", "what it refuses")
	for _, name := range profiles.Names() {
		data, err := profiles.FS.ReadFile(name + ".toml")
		check(t, err)
		head := strings.Split(string(data), "\n")
		out.row("`"+name+"`", strings.TrimPrefix(head[0], "# "), strings.TrimPrefix(head[1], "# Refuses: "))
	}
	return out.String()
}

// rows is the table of step kinds.
func rows() string {
	out := newTable("phase", "kind", "owner", "what exists then", "fields")
	for _, r := range step.Rows {
		s, err := step.Decode([]byte(`{"kind":"` + r.Kind + `"}`))
		if err != nil {
			panic(err)
		}
		var names []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(s)) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				names = append(names, "`"+name+"`")
			}
		}
		out.row(r.Phase.String(), "`"+r.Kind+"`", r.Owner, r.Doc, strings.Join(names, " "))
	}
	return out.String()
}

// samples is each kind in its JSON form, as it is in a real plan.
func samples(t *testing.T) string {
	entries := map[string]step.Step{}
	for _, p := range []*plan.Plan{everyStep(t).plan, hostNetwork(t).plan} {
		for _, e := range p.Entries {
			if _, ok := entries[e.Step.Kind()]; !ok {
				entries[e.Step.Kind()] = shortened(e.Step)
			}
		}
	}
	var b strings.Builder
	b.WriteString("```json\n")
	for _, r := range step.Rows {
		s, ok := entries[r.Kind]
		if !ok {
			t.Fatalf("no plan of testdata has a step of kind %s", r.Kind)
		}
		data, err := step.Encode(s)
		check(t, err)
		b.Write(append(data, '\n'))
	}
	b.WriteString("```\n")
	return b.String()
}

// shortened is a step that fits on a line: a filter of two rules.
func shortened(s step.Step) step.Step {
	f, ok := s.(step.Filter)
	if !ok {
		return s
	}
	i := slices.IndexFunc(f.Rules, func(r step.Rule) bool { return r.Call == "access" })
	j := slices.IndexFunc(f.Rules, func(r step.Rule) bool { return r.Call == "prlimit64" && r.Action == "allow" })
	return step.Filter{Default: f.Default, Rules: []step.Rule{f.Rules[i], f.Rules[j]}, BPF: map[string][]byte{"amd64": make([]byte, 8)}}
}

var hintRow = regexp.MustCompile(`(?m)^\t\{"([\w-]+)", unix\.(\w+), "((?:[^"\\]|\\.)*)"\},$`)

// hints are the refusals that core/compile knows, from its table.
func hints(t *testing.T) string {
	out := newTable("step", "error", "hint")
	found := hintRow.FindAllStringSubmatch(read(t, "../core/compile/error.go"), -1)
	if len(found) < 10 {
		t.Fatalf("only %d hints in core/compile/error.go: has the table another form?", len(found))
	}
	for _, m := range found {
		out.row("`"+m[1]+"`", m[2], strings.ReplaceAll(m[3], `\"`, `"`))
	}
	return out.String()
}
