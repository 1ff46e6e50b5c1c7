// Package userns plans the user namespace: which ids the program sees, and whose they are outside.
//
//	[userns]
//	uid = 1000
package userns

import (
	"slices"

	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/step"
)

// Section is [userns].
type Section struct {
	Map string `json:"map" doc:"whose ids the jail has outside: caller (the default: one's own; for root, one of an unprivileged range) or subids (the caller's first subordinate ids: the caller's private files stay closed)"`
	UID int    `json:"uid" doc:"the user id inside; default 0, which has no rights"`
	GID int    `json:"gid" doc:"the group id inside; default 0"`
}

// Planner plans [userns].
type Planner struct{}

// Describe names the planner and its keys.
func (Planner) Describe() plugin.Info {
	return plugin.Info{Name: "userns", Version: "1", Doc: "user namespace: ids inside and outside", Schema: plugin.Schema(Section{})}
}

// Plan maps one user id and one group id. More would need help from outside at each start, for no more protection.
func (Planner) Plan(r plugin.Request) plugin.Contribution {
	s := Section{Map: step.MapCaller}
	if ps := plugin.Decode(r.Section, &s); ps != nil {
		return plugin.Contribution{Problems: ps}
	}
	if ps := s.problems(); ps != nil {
		return plugin.Contribution{Problems: ps}
	}
	return plugin.Checked(plugin.Contribution{
		Namespaces: []string{"user"},
		Steps:      []plugin.Item{plugin.At(step.IDMap{UID: s.UID, GID: s.GID, Map: s.Map})},
	})
}

// problems checks the three keys of the one step each by itself, so that a message names its key.
func (s Section) problems() []step.Problem {
	return slices.Concat(
		plugin.Check(step.IDMap{Map: s.Map}, "map"),
		plugin.Check(step.IDMap{Map: step.MapCaller, UID: s.UID}, "uid"),
		plugin.Check(step.IDMap{Map: step.MapCaller, GID: s.GID}, "gid"),
	)
}
