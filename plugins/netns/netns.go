// Package netns plans the network namespace: none of the host's interfaces, addresses or abstract sockets.
//
//	[netns]
//	mode = "loopback"
package netns

import (
	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/step"
)

// Section is [netns].
type Section struct {
	Mode  string `json:"mode" doc:"none (the default: an interface lo that is down), loopback (lo is up, IPv4 and IPv6) or host (no network namespace: also needs share_host_network)"`
	Share bool   `json:"share_host_network" doc:"true confirms mode = \"host\": the program reaches all that the host reaches, its local services and abstract sockets included"`
}

// What a program can reach.
const (
	None     = "none"
	Loopback = "loopback"
	Host     = "host"
)

// Planner plans [netns].
type Planner struct{}

// Describe names the planner and its keys.
func (Planner) Describe() plugin.Info {
	return plugin.Info{Name: "netns", Version: "1", Doc: "network namespace: what the program can reach", Schema: plugin.Schema(Section{})}
}

// Plan gives up the namespace only when the profile says so twice, and in the plan it is a step then, never a gap.
func (Planner) Plan(r plugin.Request) plugin.Contribution {
	s := Section{Mode: None}
	if ps := plugin.Decode(r.Section, &s); ps != nil {
		return plugin.Contribution{Problems: ps}
	}
	switch {
	case s.Share && s.Mode != Host:
		return problem("share_host_network", `is true, but mode is not "host"`, `leave it out, or say mode = "host"`)
	case s.Mode == Host && !s.Share:
		return problem("mode", `"host" gives the program all that the host can reach`, "if that is meant, say share_host_network = true as well")
	case s.Mode == Host:
		return plugin.Contribution{
			Steps:    []plugin.Item{plugin.At(step.HostNetwork{}, "mode")},
			Warnings: []step.Problem{{Key: []string{"mode"}, Text: "the program shares the host's network: local services and abstract sockets are within its reach"}},
		}
	case s.Mode == Loopback:
		return plugin.Contribution{Namespaces: []string{"net"}, Steps: []plugin.Item{plugin.At(step.Loopback{}, "mode")}}
	case s.Mode == None:
		return plugin.Contribution{Namespaces: []string{"net"}}
	}
	return problem("mode", `is "`+step.Quote(s.Mode)+`"`, "none, loopback or host")
}

func problem(key, text, hint string) plugin.Contribution {
	return plugin.Contribution{Problems: []step.Problem{{Key: []string{key}, Text: text, Hint: hint}}}
}
