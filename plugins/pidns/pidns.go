// Package pidns plans the PID namespace: the jail's own processes, and what it sees of them in /proc.
//
//	[pidns]
//	proc = "masked"
package pidns

import (
	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/step"
)

// Section is [pidns].
type Section struct {
	Proc string `json:"proc" doc:"what is in /proc: pid (the default: processes only), masked (all of it, with what tells of the host covered) or none (no /proc)"`
}

// Planner plans [pidns].
type Planner struct{}

// Describe names the planner and its keys.
func (Planner) Describe() plugin.Info {
	return plugin.Info{Name: "pidns", Version: "1", Doc: "PID namespace: own processes, own /proc", Schema: plugin.Schema(Section{})}
}

// Plan makes the namespace in every case; the profile chooses only how much of procfs is seen.
func (Planner) Plan(r plugin.Request) plugin.Contribution {
	s := Section{Proc: step.ProcPID}
	if ps := plugin.Decode(r.Section, &s); ps != nil {
		return plugin.Contribution{Problems: ps}
	}
	c := plugin.Contribution{Namespaces: []string{"pid"}}
	switch s.Proc {
	case "none":
	case step.ProcPID, step.ProcMasked:
		c.Steps = []plugin.Item{plugin.At(step.Proc{Target: "/proc", Mode: s.Proc}, "proc")}
	default:
		return plugin.Contribution{Problems: []step.Problem{
			{Key: []string{"proc"}, Text: `is "` + step.Quote(s.Proc) + `"`, Hint: "pid, masked or none"}}}
	}
	return c
}
