package profile

import (
	"maps"
	"slices"

	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// seccomp is one file's part of the policy.
type seccomp struct {
	Default action              `json:"default" doc:"what calls get that nothing names: kill, log or an errno's name"`
	Refuse  action              `json:"refuse" doc:"what deny and the group @refused get: kill, log or an errno's name"`
	Allow   []string            `json:"allow" doc:"calls and @groups"`
	Deny    []string            `json:"deny" doc:"calls and @groups"`
	When    map[string][]string `json:"when" doc:"calls that are allowed only so; any line that matches allows"`
	Errno   map[string]string   `json:"errno" doc:"what single calls get where they are not allowed: an errno's name"`
}

// action is a name. It is never empty, since that means that a file has none.
type action string

func (a *action) UnmarshalJSON(raw []byte) error {
	if ps := section.Decode(raw, (*string)(a)); len(ps) > 0 {
		return step.Problems(ps)
	}
	if *a == "" {
		return step.Problem{Text: "is empty", Hint: `"kill", or an errno like "EPERM"`}
	}
	return nil
}

// add merges a nearer file's part.
func (s *Seccomp) add(near seccomp, f *file, depth int) {
	if near.Default != "" {
		s.Default = string(near.Default)
	}
	if near.Refuse != "" {
		s.Refuse = string(near.Refuse)
	}
	place := func(key ...string) Place {
		return Place{depth, f.Name, f.line(append([]string{"seccomp"}, key...))}
	}
	s.Allow = addNames(s.Allow, near.Allow, place("allow"))
	s.Deny = addNames(s.Deny, near.Deny, place("deny"))
	for _, call := range slices.Sorted(maps.Keys(near.When)) {
		if s.When == nil {
			s.When = map[string]When{}
		}
		s.When[call] = When{near.When[call], place("when", call)}
	}
	for call, errno := range near.Errno {
		if s.Errno == nil {
			s.Errno = map[string]Errno{}
		}
		s.Errno[call] = Errno{errno, place("errno", call)}
	}
}

// addNames appends names. One that a base has too stays where it is, and is the nearer file's from then on.
func addNames(list []Named, names []string, place Place) []Named {
	at := map[string]int{}
	for i, n := range list {
		at[n.Name] = i
	}
	for _, name := range names {
		if i, ok := at[name]; ok {
			list[i].Place = place
			continue
		}
		at[name] = len(list)
		list = append(list, Named{name, place})
	}
	return list
}
