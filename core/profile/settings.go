package profile

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// Settings are the sections that the core itself reads.
type Settings struct {
	Env     []EnvVar      // by name
	Cwd     string        // inside; empty: the caller's if it is visible, else /work
	Limits  []step.Limit  // in the order of step.LimitNames; the key is limits.NAME
	Rlimits []step.Rlimit // in the order of step.RlimitNames; the key is limits.process.NAME
	Seccomp Seccomp
}

// EnvVar is one variable of the program's environment.
type EnvVar struct {
	Name  string
	Value *string  // nil: the caller's, if it has one
	Key   []string // env.set.NAME or env.pass
}

// Seccomp is the policy as it was written. What the names mean is core/seccomp's to say.
type Seccomp struct {
	Default, Refuse string // empty: not given
	Allow, Deny     []Named
	When            map[string]When  // by call
	Errno           map[string]Errno // by call
}

// Named is a call or a @group in a list. In a list that several files wrote, the nearest file that names it counts.
type Named struct {
	Name string
	Place
}

// When is what a call's arguments must be.
type When struct {
	Rules []string // any of them
	Place
}

// Errno is what a call gets where it is not allowed.
type Errno struct {
	Name string // EPERM
	Place
}

// Place is who wrote something.
type Place struct {
	Depth int // 0: the profile itself; n: the n-th file before it in Sources. Less is nearer
	File  string
	Line  int // 0: unknown
}

// core is what one file has of the core's sections.
type core struct {
	Env     env     `json:"env"`
	Run     run     `json:"run"`
	Limits  limits  `json:"limits"`
	Seccomp seccomp `json:"seccomp"`
}

type run struct {
	Cwd inside `json:"cwd" doc:"the working directory, a path inside"`
}

// inside is a path inside the jail.
type inside string

func (i *inside) UnmarshalJSON(raw []byte) error {
	if ps := section.Decode(raw, (*string)(i)); len(ps) > 0 {
		return step.Problems(ps)
	}
	return step.CheckPath(string(*i))
}

// settingsOf decodes and merges the core's sections, base first.
func settingsOf(files []*file) (s Settings, problems []step.Problem) {
	vars, limits, rlimits := map[string]EnvVar{}, map[string]step.Limit{}, map[string]int64{}
	for i, f := range files {
		c, ps := f.core()
		problems = append(problems, ps...)
		maps.Copy(vars, c.Env.vars())
		if c.Run.Cwd != "" {
			s.Cwd = string(c.Run.Cwd)
		}
		maps.Copy(limits, c.Limits.jail)
		maps.Copy(rlimits, c.Limits.process)
		s.Seccomp.add(c.Seccomp, f, len(files)-1-i)
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		s.Env = append(s.Env, vars[name])
	}
	s.Limits, s.Rlimits = inOrder(limits, rlimits)
	return s, problems
}

// core decodes a file's part of the core's sections.
func (f *file) core() (c core, ps []step.Problem) {
	sections := map[string]json.RawMessage{}
	for _, name := range coreKeys[2:] {
		if value, ok := f.table[name]; ok {
			sections[name] = encode(value)
		}
	}
	ps = section.Decode(encode(sections), &c)
	return c, f.placeAll(ps)
}
