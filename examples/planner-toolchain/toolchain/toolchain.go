// Package toolchain is a planner of a third party: a compiler outside /usr, at the same path inside, as CC and CXX.
//
//	[toolchain]
//	path = "/opt/gcc-13"
package toolchain

import (
	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/step"
)

// Section is [toolchain].
type Section struct {
	Path string `json:"path" doc:"where the toolchain is, on the host and inside; its programs are in bin"`
}

// Planner plans [toolchain].
type Planner struct{}

// Describe names the planner and its keys.
func (Planner) Describe() plugin.Info {
	return plugin.Info{Name: "toolchain", Version: "1", Doc: "a C and C++ toolchain of the host, read-only, as CC and CXX", Schema: plugin.Schema(Section{})}
}

// Plan uses open kinds only: a bind and two variables. PATH is not among them: it has an owner already, the profile's
// [env]. A section without a path asks for nothing.
func (Planner) Plan(r plugin.Request) plugin.Contribution {
	var s Section
	if ps := plugin.Decode(r.Section, &s); ps != nil {
		return plugin.Contribution{Problems: ps}
	}
	if s.Path == "" {
		return plugin.Contribution{}
	}
	cc, cxx := s.Path+"/bin/gcc", s.Path+"/bin/g++"
	return plugin.Checked(plugin.Contribution{Steps: []plugin.Item{
		plugin.At(step.Bind{Source: s.Path, Target: s.Path}, "path"),
		plugin.At(step.Env{Name: "CC", Value: &cc}, "path"),
		plugin.At(step.Env{Name: "CXX", Value: &cxx}, "path"),
	}})
}
