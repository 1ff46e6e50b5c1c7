// Package plugin is what a planner is written against: a pure function from a profile's section to typed steps.
//
//	func (Planner) Plan(r plugin.Request) plugin.Contribution {
//		s := Section{Hostname: "jail"}
//		if ps := plugin.Decode(r.Section, &s); ps != nil {
//			return plugin.Contribution{Problems: ps}
//		}
//		return plugin.Checked(plugin.Contribution{
//			Namespaces: []string{"uts"},
//			Steps:      []plugin.Item{plugin.At(step.Hostname{Name: s.Hostname}, "hostname")},
//		})
//	}
//
// A planner runs as a process of its own at plan time only (see package serve) and is gone before the untrusted
// program starts. So it looks at nothing but the section: no file, no environment, no clock. What it returns is checked
// by the core, and nothing that it returns can take away what the core adds.
package plugin

import (
	"encoding/json"
	"fmt"

	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// A Planner says what its section means.
type Planner interface {
	// Describe is who the planner is and what its section takes.
	Describe() Info
	// Plan is a pure function: equal requests have equal contributions.
	Plan(Request) Contribution
}

// Info is who a planner is.
type Info struct {
	Name    string          `json:"name"`    // of the section, and of the file: jail-plugin-NAME
	Version string          `json:"version"` // for people
	Doc     string          `json:"doc"`     // one line: what the section decides
	Schema  json.RawMessage `json:"schema"`  // JSON Schema of the section, from plugin.Schema
}

// Request is what a planner is asked.
type Request struct {
	Section json.RawMessage // the merged section as JSON; an empty object when the profile has none
}

// Contribution is what one planner adds to a plan. With any Problems, no program is started.
type Contribution struct {
	Namespaces []string       `json:"namespaces,omitempty"` // to be made: user, ipc, uts, net, mnt, pid; each its planner's alone
	Steps      []Item         `json:"steps,omitempty"`
	Problems   []step.Problem `json:"problems,omitempty"` // keys relative to the section
	Warnings   []step.Problem `json:"warnings,omitempty"` // what is allowed, and what a person should know about it
}

// Item is a step and the key that it comes from.
type Item struct {
	Key  []string  // path in the section, for file:line in messages; empty: the section as a whole
	Step step.Step // from package step, by value
}

// At is the item of a step that comes from a key.
func At(s step.Step, key ...string) Item { return Item{Key: key, Step: s} }

// Decode fills the struct that v points to from a section, strictly: see section.Decode.
func Decode(raw json.RawMessage, v any) []step.Problem { return section.Decode(raw, v) }

// Schema is the JSON Schema of a section's struct: see section.Schema.
func Schema(v any) json.RawMessage { return section.Schema(v) }

// Check is the problem with a step's fields, if there is one, at a key.
func Check(s step.Step, key ...string) []step.Problem {
	if err := s.Check(); err != nil {
		return []step.Problem{{Key: key, Text: err.Error()}}
	}
	return nil
}

// Checked is c, or the problems of c when it has any: its own and those of the fields of its steps. So a planner that
// ends with it returns no step that the core would refuse.
func Checked(c Contribution) Contribution {
	problems := c.Problems
	for _, it := range c.Steps {
		problems = append(problems, Check(it.Step, it.Key...)...)
	}
	if problems != nil {
		return Contribution{Problems: problems}
	}
	return c
}

// namespaces says which planner makes each namespace. The cgroup namespace is the core's.
var namespaces = map[string]string{
	"user": "userns", "ipc": "ipcuts", "uts": "ipcuts", "net": "netns", "mnt": "mountns", "pid": "pidns",
}

// Vet says what a planner of this name may not return: another's namespace or kind of step, the core's kinds, and
// steps with bad fields. Such a planner is wrong, not the person who wrote the profile.
func (c Contribution) Vet(name string) (errs []error) {
	if err := CheckName(name); err != nil {
		return []error{err} // a planner called "core" would own the core's kinds
	}
	for _, ns := range c.Namespaces {
		if owner := namespaces[ns]; owner != name {
			errs = append(errs, fmt.Errorf("the namespace %q is not its own%s", ns, whose(owner)))
		}
	}
	for _, it := range c.Steps {
		if owner := step.RowOf(it.Step).Owner; owner != name && owner != step.Open {
			errs = append(errs, fmt.Errorf("a step of kind %q is not its own%s", it.Step.Kind(), whose(owner)))
		} else if err := it.Step.Check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", it.Step.Kind(), err))
		}
	}
	return errs
}

func whose(owner string) string {
	if owner == "" {
		return ""
	}
	return " but " + owner + "'s"
}
