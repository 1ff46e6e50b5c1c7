package docs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/seccomp"
	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/profiles"
)

// The generated parts of seccomp.md. Calls are counted on x86-64.
const counted = "amd64"

// A policy is what profiles allow: the same calls with the same arguments.
type policy struct {
	profiles []string
	filter   step.Filter
	free     []string // calls that are allowed whatever their arguments
	some     []string // calls that are allowed with some arguments
}

// policies are those of the embedded profiles, as jail plans them.
func policies(t *testing.T) (out []policy) {
	t.Helper()
	home := home(t)
	for _, name := range profiles.Names() {
		data, err := outside(t, home, "jail", "plan", "--json", "-p", name).Output()
		check(t, err)
		p, err := plan.Decode(data)
		check(t, err)
		out = append(out, newPolicy(name, p.Filter()))
	}
	return out
}

func newPolicy(name string, f step.Filter) policy {
	p := policy{profiles: []string{name}, filter: f}
	for _, r := range f.Rules {
		switch {
		case r.Action != seccomp.Allow || !seccomp.Has(counted, r.Call):
		case len(r.When) == 0:
			p.free = append(p.free, r.Call)
		default:
			p.some = append(p.some, r.Call)
		}
	}
	return p
}

func (p policy) allows(call string) bool {
	return slices.Contains(p.free, call) || slices.Contains(p.some, call)
}

// dockerCalls are the calls that Docker's default profile allows.
func dockerCalls(t *testing.T) (out []string) {
	t.Helper()
	for line := range strings.Lines(read(t, "testdata/docker.list")) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, strings.Fields(line)...)
		}
	}
	if !slices.IsSorted(out) || len(slices.Compact(slices.Clone(out))) != len(out) {
		t.Error("testdata/docker.list is not sorted")
	}
	return out
}

func comparison(t *testing.T) string {
	docker := dockerCalls(t)
	out := newTable("profile", "calls allowed", "of these with certain arguments only", fmt.Sprintf("of Docker's %d, refused", len(docker)), "allowed, and not by Docker", "`refuse`")
	for _, p := range policies(t) {
		refused, more := 0, []string{}
		for _, call := range docker {
			if !p.allows(call) {
				refused++
			}
		}
		for _, call := range slices.Concat(p.free, p.some) {
			if !slices.Contains(docker, call) {
				more = append(more, call)
			}
		}
		out.row("`"+p.profiles[0]+"`", fmt.Sprint(len(p.free)+len(p.some)), fmt.Sprint(len(p.some)), fmt.Sprint(refused), none(more), p.refuse(t))
	}
	return out.String()
}

func none(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, " ")
}

// refuse is what ptrace gets, which no profile of ours allows.
func (p policy) refuse(t *testing.T) string {
	t.Helper()
	i := slices.IndexFunc(p.filter.Rules, func(r step.Rule) bool { return r.Call == "ptrace" })
	if i < 0 || p.filter.Rules[i].Action == seccomp.Allow {
		t.Fatalf("%s: ptrace is not refused", p.profiles)
	}
	return p.filter.Rules[i].Action
}

// allowed lists the calls of each profile; profiles with the same ones stand together.
func allowed(t *testing.T) string {
	var same []policy
	for _, p := range policies(t) {
		i := slices.IndexFunc(same, func(q policy) bool { return slices.Equal(p.free, q.free) && slices.Equal(p.some, q.some) })
		if i < 0 {
			same = append(same, p)
		} else {
			same[i].profiles = append(same[i].profiles, p.profiles...)
		}
	}
	var b strings.Builder
	for _, p := range same {
		fmt.Fprintf(&b, "**%s**: %s", strings.Join(p.profiles, ", "), strings.Join(p.free, " "))
		if len(p.some) > 0 {
			fmt.Fprintf(&b, "; with certain arguments %s", strings.Join(p.some, " "))
		}
		b.WriteString("\n\n")
	}
	return b.String()
}

// conditions are the argument rules of the groups.
func conditions() string {
	out := newTable("group", "call", "allowed when any of these holds")
	for _, g := range seccomp.Groups() {
		rules := map[string][]string{}
		var order []string
		for _, m := range g.Members {
			call, rule, ok := strings.Cut(m, ": ")
			if !ok {
				continue
			}
			if rules[call] == nil {
				order = append(order, call)
			}
			rules[call] = append(rules[call], "`"+rule+"`")
		}
		for _, call := range order {
			out.row("`"+g.Name+"`", call, strings.Join(rules[call], ", "))
		}
	}
	return out.String()
}

// constants are the names for numbers, by what they begin with.
func constants() string {
	families := map[string][]string{}
	var order []string
	for _, name := range seccomp.Constants() {
		family := name
		if prefix, _, ok := strings.Cut(name, "_"); ok {
			family = prefix + "_"
		} else {
			family = name[:2] + "…"
		}
		if families[family] == nil {
			order = append(order, family)
		}
		families[family] = append(families[family], name)
	}
	out := newTable("names", "all of them")
	for _, family := range order {
		out.row("`"+family+"`", strings.Join(families[family], " "))
	}
	return out.String()
}
