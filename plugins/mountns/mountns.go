// Package mountns plans the mount namespace: a root of the jail's own, and what is in it.
//
//	[mountns.at]
//	"/usr"  = { bind = "/usr" }
//	"/tmp"  = { tmpfs = "16MiB", inodes = 256 }
//	"/work" = { work = "64MiB" }
//	"/dev"  = { dev = true }
package mountns

import (
	"maps"
	"path"
	"slices"

	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// Section is [mountns].
type Section struct {
	At         map[string]Entry `json:"at" doc:"path inside = what is there; false removes what a base profile put there"`
	Root       section.Size     `json:"root" doc:"of the root, which holds mount points, links and files and is read-only for the program; default 1MiB"`
	RootInodes int64            `json:"root_inodes" doc:"files and directories of the root; default 1024"`
}

// Planner plans [mountns].
type Planner struct{}

// Describe names the planner and its keys.
func (Planner) Describe() plugin.Info {
	return plugin.Info{Name: "mountns", Version: "1", Doc: "mount namespace: what the program finds at which path", Schema: plugin.Schema(Section{})}
}

// Plan returns the root and the steps of each entry, by path. The core orders them once more among those of others.
func (Planner) Plan(r plugin.Request) plugin.Contribution {
	s := Section{Root: 1 << 20, RootInodes: 1024}
	if ps := plugin.Decode(r.Section, &s); ps != nil {
		return plugin.Contribution{Problems: ps}
	}
	c := plugin.Contribution{
		Namespaces: []string{"mnt"},
		Steps:      []plugin.Item{plugin.At(step.RootFS{Size: int64(s.Root), Inodes: s.RootInodes}, "root")},
	}
	for _, target := range slices.Sorted(maps.Keys(s.At)) {
		if ps := checkTarget(target); ps != nil {
			c.Problems = append(c.Problems, ps...)
			continue
		}
		c.Steps = append(c.Steps, s.At[target].items(target)...)
	}
	c.Problems = append(c.Problems, conflicts(c.Steps)...)
	return plugin.Checked(c)
}

// checkTarget says what is wrong with a path of [mountns.at], and what was probably meant.
func checkTarget(target string) []step.Problem {
	ps := check(target)
	if clean := path.Clean("/" + target); ps != nil && clean != target && check(clean) == nil {
		ps[0].Hint = `write "` + clean + `"`
	}
	return ps
}

// check takes a link for the check of its target alone: it is the simplest step that has one.
func check(target string) []step.Problem {
	return plugin.Check(step.Link{Target: target, To: "/"}, "at", target)
}

// conflicts are paths that two entries make (dev makes more than its own), and a second work directory.
func conflicts(items []plugin.Item) (ps []step.Problem) {
	problem := func(it plugin.Item, text, hint string) {
		ps = append(ps, step.Problem{Key: it.Key[:2], Text: text, Hint: hint})
	}
	owner, work := map[string]plugin.Item{}, ""
	for _, it := range items {
		s, ok := it.Step.(step.Placed)
		if !ok {
			continue
		}
		if first, ok := owner[s.Path()]; ok {
			problem(it, step.KeyString(first.Key)+" makes "+step.Quote(s.Path())+" already", "one path holds one thing")
		}
		owner[s.Path()] = it
		if s.Kind() != (step.Work{}).Kind() {
			continue
		}
		if work != "" {
			problem(it, "is a second work directory, the first is "+step.Quote(work), "a run has one; take tmpfs for others")
		}
		work = s.Path()
	}
	return ps
}
