package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/jail-sandbox/jail/core/step"
)

// maxEntries bounds a plan that was read: no profile comes near it.
const maxEntries = 4096

// Check says everything that is wrong with a plan. Plans that planners made, plan files, cached plans and plans with
// options added all pass it: nothing else stands between a plan and the compiler.
func (p *Plan) Check() []step.Problem {
	checks := []func(*Plan) []step.Problem{
		checkEntries, checkRequired, checkNamespaces, checkUnique, checkNesting, checkOrder, checkWarnings,
	}
	if len(p.Entries) > maxEntries {
		return []step.Problem{{Text: fmt.Sprintf("the plan has %d steps, the most is %d", len(p.Entries), maxEntries)}}
	}
	var problems []step.Problem
	for _, check := range checks {
		problems = append(problems, check(p)...)
	}
	return problems
}

// problemAt places a problem where the entry was asked for.
func problemAt(e Entry, format string, args ...any) step.Problem {
	pr := step.Problem{Text: e.Owner + ": " + fmt.Sprintf(format, args...)}
	if file, line, ok := cutLine(e.At); ok {
		pr.File, pr.Line = file, line
	} else if e.At != "" {
		pr.File = e.At
	}
	return pr
}

func cutLine(at string) (file string, line int, ok bool) {
	i := strings.LastIndexByte(at, ':')
	if i < 0 {
		return "", 0, false
	}
	line, err := strconv.Atoi(at[i+1:])
	return at[:i], line, err == nil
}

// checkEntries: each step is sound in itself and belongs to an owner that may return it.
func checkEntries(p *Plan) []step.Problem {
	var out []step.Problem
	for _, e := range p.Entries {
		if row := step.RowOf(e.Step); !mayOwn(e, row) {
			out = append(out, problemAt(e, "%s is not its to return, it is for %s", row.Kind, row.Owner))
		}
		if err := e.Step.Check(); err != nil {
			out = append(out, problemAt(e, "%s: %v", e.Step.Kind(), err))
		}
	}
	return out
}

// runMay are the core's kinds that options of the command line set.
var runMay = []string{"limit", "cwd"}

func mayOwn(e Entry, row step.Row) bool {
	switch row.Owner {
	case step.Open:
		return true
	case step.Core:
		return e.Owner == step.Core || e.Owner == OwnerRun && slices.Contains(runMay, row.Kind)
	}
	return e.Owner == row.Owner
}

// checkRequired: what the core adds is all there, once and unchanged.
func checkRequired(p *Plan) []step.Problem {
	count := map[string]int{}
	for _, e := range p.Entries {
		count[e.Step.Kind()]++
	}
	once := slices.Clone(step.RequiredOnce)
	for _, s := range step.Required {
		once = append(once, s.Kind())
	}
	var out []step.Problem
	for _, kind := range once {
		if n := count[kind]; n != 1 {
			out = append(out, step.Problem{
				Text: fmt.Sprintf("the plan has %d %s steps, every plan has one", n, kind),
				Hint: ownerHint(kind),
			})
		}
	}
	return out
}

func ownerHint(kind string) string {
	if row, ok := step.Lookup(kind); ok && row.Owner != step.Core {
		return "the planner " + row.Owner + " returns it"
	}
	return ""
}

// checkNamespaces: every namespace is there, but the network's where a step gives it up in words.
func checkNamespaces(p *Plan) []step.Problem {
	shared := slices.ContainsFunc(p.Entries, func(e Entry) bool { return e.Step.Kind() == "host-network" })
	var out []step.Problem
	for _, ns := range Namespaces {
		has := slices.Contains(p.Namespaces, ns)
		switch {
		case ns == "net" && shared && has:
			out = append(out, step.Problem{Text: "the plan has both a network namespace and the host's network"})
		case ns == "net" && shared:
		case !has:
			out = append(out, step.Problem{Text: "the plan has no " + ns + " namespace: no planner asked for it"})
		}
	}
	if want := slices.DeleteFunc(slices.Clone(Namespaces), func(ns string) bool { return !slices.Contains(p.Namespaces, ns) }); !slices.Equal(want, p.Namespaces) {
		out = append(out, step.Problem{Text: fmt.Sprintf("namespaces are %q, not from %q in that order", p.Namespaces, Namespaces)})
	}
	return out
}

// checkUnique: one owner for each thing.
func checkUnique(p *Plan) []step.Problem {
	var out []step.Problem
	seen := map[string]Entry{}
	work := Entry{}
	for _, e := range p.Entries {
		id := identity(e.Step)
		if first, ok := seen[id]; ok && !slices.Contains(step.RequiredOnce, e.Step.Kind()) && !isRequired(e.Step) {
			out = append(out, problemAt(e, "%s is already taken by %s", step.Quote(id), first))
		}
		seen[id] = e
		if e.Step.Kind() == "work" {
			if work.Step != nil {
				out = append(out, problemAt(e, "a second work directory, the first is from %s", work))
			}
			work = e
		}
	}
	return out
}

func isRequired(s step.Step) bool {
	return slices.ContainsFunc(step.Required, func(r step.Step) bool { return reflect.TypeOf(r) == reflect.TypeOf(s) })
}

// checkNesting: nothing is made below something that has no room for it.
func checkNesting(p *Plan) []step.Problem {
	var out []step.Problem
	for _, e := range p.Entries {
		placed, ok := e.Step.(step.Placed)
		if !ok {
			continue
		}
		parent, ok := p.Above(placed.Path())
		if !ok {
			continue
		}
		switch above := parent.Step.(type) {
		case step.Tmpfs, step.Work:
		case step.Bind:
			if !IsMount(placed) {
				out = append(out, problemAt(e, "%s cannot be made inside %s of %s: a bind is the host's own files",
					step.Quote(placed.Path()), above, parent))
			}
		default:
			out = append(out, problemAt(e, "%s cannot be below %s of %s", step.Quote(placed.Path()), above, parent))
		}
	}
	return out
}

// IsMount says whether a step mounts something on a mount point; files and links are made in what is there.
func IsMount(s step.Placed) bool {
	switch s.(type) {
	case step.File, step.Link:
		return false
	}
	return true
}

// Above is the entry that what is at path stands in: the nearest one at a parent of path. Without one it is the root.
func (p *Plan) Above(path string) (Entry, bool) {
	var best Entry
	found, length := false, 0
	for _, e := range p.Entries {
		placed, ok := e.Step.(step.Placed)
		if ok && strings.HasPrefix(path, placed.Path()+"/") && len(placed.Path()) > length {
			best, found, length = e, true, len(placed.Path())
		}
	}
	return best, found
}

// checkOrder: a plan that was read is in the order in which it would have been made.
func checkOrder(p *Plan) []step.Problem {
	if slices.IsSortedFunc(p.Entries, compare) {
		return nil
	}
	return []step.Problem{{Text: "the plan's steps are not in the fixed order"}}
}

// checkWarnings: who gives something up hears of it every time, from a plan file too.
func checkWarnings(p *Plan) []step.Problem {
	if len(p.Warnings) > 0 {
		return nil
	}
	for _, e := range p.Entries {
		switch s := e.Step.(type) {
		case step.HostNetwork:
			return []step.Problem{problemAt(e, "%s without a warning", s)}
		case step.Filter:
			if s.Default == "log" || slices.ContainsFunc(s.Rules, func(r step.Rule) bool { return r.Action == "log" }) {
				return []step.Problem{problemAt(e, "a filter that only logs, without a warning")}
			}
		}
	}
	return nil
}
