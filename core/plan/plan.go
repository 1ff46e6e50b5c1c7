// Package plan merges what planners contribute into one plan: all steps of a jail, ordered and checked.
//
//	p, problems := plan.Make("python.toml", contributions)
//
// A plan is data: it prints, compares, travels as JSON and is a pure function of its inputs. What only the host or the
// run knows (ids, argv, descriptors) is not in it. A plan that was read is checked by the same rules as one that was made.
package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/jail-sandbox/jail/core/step"
)

// Format names this version of the plan's JSON form.
const Format = "jail.plan/1"

// Planners are asked side by side, and their steps merged in this order; a third-party planner comes after them, by name.
var Planners = []string{"userns", "ipcuts", "netns", "mountns", "pidns"}

// Namespaces are the kernel's names of what a plan may have, in the order in which they are shown.
var Namespaces = []string{"user", "ipc", "uts", "net", "mnt", "pid", "cgroup"}

// OwnerRun owns the steps that the options of `jail run` add.
const OwnerRun = "run"

// A Plan is a jail, as data.
type Plan struct {
	Profile    string   // the profile's name or path, as asked for
	Namespaces []string // of Namespaces, in that order
	Entries    []Entry  // in the order in which they happen
	Warnings   []string // what the profile gives up in words, for people to hear every time

	fingerprint string // when it is known
}

// An Entry is a step with its origin.
type Entry struct {
	Owner string // the planner, step.Core or OwnerRun
	At    string // file:line of the key that asked for it, or the option; empty for the core's own
	Step  step.Step
}

// Phase is the entry's place in the fixed order.
func (e Entry) Phase() step.Phase { return step.RowOf(e.Step).Phase }

// String names an entry in a message: the step, its owner, and where it was asked for.
func (e Entry) String() string {
	if e.At == "" {
		return e.Owner
	}
	return e.Owner + " (" + step.Quote(e.At) + ")"
}

// A Contribution is what one owner wants in a plan.
type Contribution struct {
	Owner      string
	Namespaces []string
	Entries    []Entry // Owner is filled in by Make
	Warnings   []step.Problem
}

// Make merges contributions with the core's own steps, puts everything in the fixed order and checks it.
// A plan comes back only without problems.
func Make(profile string, contributions []Contribution) (*Plan, []step.Problem) {
	p := &Plan{Profile: profile}
	have := map[string]bool{"cgroup": true}
	for _, c := range contributions {
		for _, ns := range c.Namespaces {
			have[ns] = true
		}
		for _, w := range c.Warnings {
			p.Warnings = append(p.Warnings, w.String())
		}
		for _, e := range c.Entries {
			e.Owner = c.Owner
			p.Entries = append(p.Entries, e)
		}
	}
	for _, s := range step.Required {
		p.Entries = append(p.Entries, Entry{Owner: step.Core, Step: s})
	}
	for _, ns := range Namespaces {
		if have[ns] {
			p.Namespaces = append(p.Namespaces, ns)
			delete(have, ns)
		}
	}
	for ns := range have {
		return nil, []step.Problem{{Text: "unknown namespace " + ns}}
	}
	p.sort()
	if problems := p.Check(); problems != nil {
		return nil, problems
	}
	return p, nil
}

// With gives a plan that also has the steps of the command line. A variable or a limit of the command line takes the
// place of the profile's; everything else obeys the rules of every plan.
func (p *Plan) With(entries []Entry) (*Plan, []step.Problem) {
	replaced := map[string]bool{}
	for _, e := range entries {
		switch e.Step.(type) {
		case step.Env, step.Limit, step.Cwd:
			replaced[identity(e.Step)] = true
		}
	}
	q := &Plan{Profile: p.Profile, Namespaces: p.Namespaces, Warnings: p.Warnings}
	for _, e := range p.Entries {
		if !replaced[identity(e.Step)] {
			q.Entries = append(q.Entries, e)
		}
	}
	for _, e := range entries {
		e.Owner = OwnerRun
		q.Entries = append(q.Entries, e)
	}
	q.sort()
	if problems := q.Check(); problems != nil {
		return nil, problems
	}
	return q, nil
}

// Filter is the plan's seccomp filter. Preconditions: the plan was made, or checked.
func (p *Plan) Filter() step.Filter {
	for _, e := range p.Entries {
		if f, ok := e.Step.(step.Filter); ok {
			return f
		}
	}
	panic("plan: no filter in a checked plan")
}

// Limit is the plan's limit of a name. Without one its value is 0.
func (p *Plan) Limit(name string) (step.Limit, bool) {
	for _, e := range p.Entries {
		if l, ok := e.Step.(step.Limit); ok && l.Name == name {
			return l, true
		}
	}
	return step.Limit{}, false
}

// Wall is the plan's wall limit in ns, 0 when it has none.
func (p *Plan) Wall() int64 {
	l, _ := p.Limit("wall")
	return l.Value
}

// sort puts entries in the fixed order: phase; in the mounts phase the path, parents first; elsewhere the table's order
// of kinds, then the planner's, then the order in which they came.
func (p *Plan) sort() {
	slices.SortStableFunc(p.Entries, compare)
}

func compare(a, b Entry) int {
	if c := cmp.Compare(a.Phase(), b.Phase()); c != 0 {
		return c
	}
	if a.Phase() == step.Mounts {
		return comparePaths(a.Step.(step.Placed).Path(), b.Step.(step.Placed).Path())
	}
	return cmp.Or(
		cmp.Compare(kindRank(a.Step), kindRank(b.Step)),
		cmp.Compare(ownerRank(a.Owner), ownerRank(b.Owner)),
		strings.Compare(a.Owner, b.Owner))
}

// comparePaths orders by components, so that a directory stands right before what is below it.
func comparePaths(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

func kindRank(s step.Step) int {
	return slices.IndexFunc(step.Rows, func(r step.Row) bool { return r.Kind == s.Kind() })
}

// ownerRank is the planner order: the core first, the five, other planners, run.
func ownerRank(owner string) int {
	switch owner {
	case step.Core:
		return -1
	case OwnerRun:
		return len(Planners) + 1
	}
	if i := slices.Index(Planners, owner); i >= 0 {
		return i
	}
	return len(Planners)
}

// identity is what may exist only once in a plan; empty for steps of which there may be many alike.
func identity(s step.Step) string {
	switch s := s.(type) {
	case step.Placed:
		return s.Path()
	case step.Env:
		return "the variable " + step.Quote(s.Name)
	case step.Rlimit:
		return "the process limit " + s.Name
	case step.Limit:
		return "the limit " + s.Name
	}
	return "the step " + s.Kind()
}
