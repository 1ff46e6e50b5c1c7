package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/jail-sandbox/jail/core/host"
	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/plan/cache"
	"github.com/jail-sandbox/jail/core/profile"
	"github.com/jail-sandbox/jail/core/seccomp"
	"github.com/jail-sandbox/jail/core/step"
)

// makePlan goes from a profile's name to its plan. It collects all problems: the profile's, the planners' and the policy's.
func makePlan(ctx context.Context, find *finder, name string) (*plan.Plan, []step.Problem) {
	prof, problems := profile.Load(name, find.find)
	if prof == nil {
		return nil, problems
	}
	contributions, more := ask(ctx, find, prof)
	problems = append(problems, more...)
	core, more := coreContribution(prof, find.arches)
	problems = append(problems, more...)
	if problems != nil {
		profile.Sort(problems)
		return nil, problems
	}
	p, problems := plan.Make(name, append(contributions, core))
	profile.Sort(problems)
	return p, problems
}

// ask asks the five planners and those whose sections the profile has.
func ask(ctx context.Context, find *finder, prof *profile.Profile) ([]plan.Contribution, []step.Problem) {
	names := slices.Clone(plan.Planners)
	for _, name := range slices.Sorted(maps.Keys(prof.Sections)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var requests []host.Request
	for _, name := range names {
		requests = append(requests, host.Request{Name: name, Section: prof.Sections[name]})
	}
	answers, problems := host.New(find.hostConfig()).Plan(ctx, requests)
	for i, p := range problems {
		if len(p.Key) > 0 && p.File == "" {
			problems[i].File, problems[i].Line = prof.Position(p.Key)
		}
	}
	var out []plan.Contribution
	for _, a := range answers {
		find.planner(a.Found)
		problems = append(problems, prof.Locate(a.Name, a.Contribution.Problems)...)
		c := plan.Contribution{Owner: a.Name, Namespaces: a.Contribution.Namespaces,
			Warnings: prof.Locate(a.Name, a.Contribution.Warnings)}
		for _, item := range a.Contribution.Steps {
			c.Entries = append(c.Entries, plan.Entry{At: at(prof, append([]string{a.Name}, item.Key...)), Step: item.Step})
		}
		out = append(out, c)
	}
	return out, problems
}

// planner notes a planner among the inputs, and that no other directory has one of its name: that would be an error.
func (f *finder) planner(found host.Found) {
	f.inputs = append(f.inputs, cache.File(found.Path, found.Stat))
	for _, dir := range f.hostConfig().Dirs {
		path := filepath.Join(dir, filepath.Base(found.Path))
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			f.inputs = append(f.inputs, cache.Missing(path))
		}
	}
}

// at is the place of a key, or empty where nobody wrote it.
func at(prof *profile.Profile, key []string) string {
	file, line := prof.Position(key)
	if line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// defaultUmask is what files made inside get.
const defaultUmask = 0o022

// coreContribution is what the core itself reads from the profile, as steps.
func coreContribution(prof *profile.Profile, arches []string) (plan.Contribution, []step.Problem) {
	s := prof.Settings
	c := plan.Contribution{Owner: step.Core}
	add := func(st step.Step, key ...string) {
		e := plan.Entry{Step: st}
		if key != nil {
			e.At = at(prof, key)
		}
		c.Entries = append(c.Entries, e)
	}
	add(step.Umask{Mask: defaultUmask})
	add(step.Cwd{Dir: s.Cwd}, "run", "cwd")
	for _, v := range s.Env {
		add(step.Env{Name: v.Name, Value: v.Value}, v.Key...)
	}
	for _, l := range s.Limits {
		add(l, "limits", l.Name)
	}
	for _, r := range s.Rlimits {
		add(r, "limits", "process", r.Name)
	}
	f, problems := filter(prof, arches)
	add(f, "seccomp")
	c.Warnings = warnings(prof)
	return c, problems
}

// warnings are those of a policy that lets calls through to find out what a program needs.
func warnings(prof *profile.Profile) []step.Problem {
	var out []step.Problem
	for _, key := range []struct{ name, value, which string }{
		{"default", prof.Settings.Seccomp.Default, "no rule names"},
		{"refuse", prof.Settings.Seccomp.Refuse, "is refused"},
	} {
		if key.value != seccomp.Log {
			continue
		}
		w := step.Problem{Key: []string{"seccomp", key.name}, Text: `"log" lets every call through that ` + key.which + ", and logs it: not for untrusted code"}
		w.File, w.Line = prof.Position(w.Key)
		out = append(out, w)
	}
	return out
}

// filter resolves the policy and compiles it for the architectures asked for.
func filter(prof *profile.Profile, arches []string) (step.Filter, []step.Problem) {
	resolved, issues := seccomp.Resolve(policy(prof.Settings.Seccomp))
	if issues != nil {
		return step.Filter{}, locate(prof, issues)
	}
	f := step.Filter{Default: resolved.Default}
	for _, r := range resolved.Rules {
		f.Rules = append(f.Rules, step.Rule(r))
	}
	f.BPF = map[string][]byte{}
	for _, arch := range arches {
		bpf, err := resolved.Compile(arch)
		if err != nil {
			return f, []step.Problem{{Text: "--arch " + step.Quote(arch) + ": " + err.Error()}}
		}
		f.BPF[arch] = bpf
	}
	return f, nil
}

// policy says in core/seccomp's words what the profile says in its own. The nearer file has the larger depth there.
func policy(s profile.Seccomp) seccomp.Policy {
	items := func(names []profile.Named, key string) []seccomp.Item {
		var out []seccomp.Item
		for _, n := range names {
			out = append(out, seccomp.Item{Name: n.Name, Depth: -n.Depth, Key: place{n.Place, []string{"seccomp", key}}})
		}
		return out
	}
	p := seccomp.Policy{Default: s.Default, Refuse: s.Refuse, Allow: items(s.Allow, "allow"), Deny: items(s.Deny, "deny")}
	for _, call := range slices.Sorted(maps.Keys(s.When)) {
		w := s.When[call]
		item := seccomp.Item{Name: call, Depth: -w.Depth, Key: place{w.Place, []string{"seccomp", "when", call}}}
		p.When = append(p.When, seccomp.WhenItem{Item: item, Exprs: w.Rules})
	}
	for _, call := range slices.Sorted(maps.Keys(s.Errno)) {
		e := s.Errno[call]
		item := seccomp.Item{Name: call, Depth: -e.Depth, Key: place{e.Place, []string{"seccomp", "errno", call}}}
		p.Errno = append(p.Errno, seccomp.ErrnoItem{Item: item, Errno: e.Name})
	}
	return p
}

// place is where an item of the policy stands.
type place struct {
	profile.Place
	key []string
}

// locate makes problems of the policy's issues.
func locate(prof *profile.Profile, issues []seccomp.Issue) []step.Problem {
	var out []step.Problem
	for _, issue := range issues {
		p := step.Problem{Text: issue.Text, Hint: issue.Hint}
		switch k := issue.Key.(type) {
		case place:
			p.File, p.Line, p.Key = k.File, k.Line, k.key
		case string:
			p.Key = []string{"seccomp", k}
			p.File, p.Line = prof.Position(p.Key)
		}
		out = append(out, p)
	}
	return out
}
