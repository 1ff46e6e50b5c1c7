// Package ipcuts plans the IPC and UTS namespaces: System V and POSIX message queues, semaphores and shared memory of
// the jail's own, and its names.
//
//	[ipcuts]
//	hostname = "judge"
package ipcuts

import (
	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/step"
)

// Section is [ipcuts].
type Section struct {
	Hostname   string `json:"hostname" doc:"the host name inside; default jail"`
	Domainname string `json:"domainname" doc:"the NIS domain name inside; default localdomain"`
}

// Planner plans [ipcuts].
type Planner struct{}

// Describe names the planner and its keys.
func (Planner) Describe() plugin.Info {
	return plugin.Info{Name: "ipcuts", Version: "1", Doc: "IPC and UTS namespaces: queues, host name", Schema: plugin.Schema(Section{})}
}

// Plan sets both names in every case: without that, a new UTS namespace keeps the host's.
func (Planner) Plan(r plugin.Request) plugin.Contribution {
	s := Section{Hostname: "jail", Domainname: "localdomain"}
	if ps := plugin.Decode(r.Section, &s); ps != nil {
		return plugin.Contribution{Problems: ps}
	}
	return plugin.Checked(plugin.Contribution{
		Namespaces: []string{"ipc", "uts"},
		Steps: []plugin.Item{
			plugin.At(step.Hostname{Name: s.Hostname}, "hostname"),
			plugin.At(step.Domainname{Name: s.Domainname}, "domainname"),
		},
	})
}
