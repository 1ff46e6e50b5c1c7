package seccomp

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// Group is a set of calls with a name, from groups.list.
type Group struct {
	Name    string   // with its @
	Help    string   // one or two sentences
	Members []string // as written: "read", "@io", "prlimit64: arg0 == 0", in @refused also "clone3 = ENOSYS"
}

// Groups gives all groups in the order of groups.list. The result is the caller's.
func Groups() []Group { return parseGroups(groupsList) }

// refused is the group that is in force whether or not a profile names it.
const refused = "@refused"

//go:embed groups.list
var groupsList string

// parseGroups reads groups.list; a line that belongs to no group is a member of one without a name.
func parseGroups(text string) []Group {
	var groups []Group
	for _, line := range lines(text) {
		switch member := strings.TrimSpace(line); {
		case line[0] == '@':
			name, help, _ := strings.Cut(line, " ")
			groups = append(groups, Group{Name: name, Help: strings.TrimSpace(help)})
		case len(groups) == 0:
			panic("seccomp: groups.list: no group for " + member)
		default:
			last := &groups[len(groups)-1]
			last.Members = append(last.Members, members(member)...)
		}
	}
	return groups
}

func members(line string) []string {
	call, rules, ok := strings.Cut(line, ":")
	switch {
	case !ok && strings.Contains(line, " = "):
		return []string{line}
	case !ok:
		return strings.Fields(line)
	}
	var out []string
	for rule := range strings.SplitSeq(rules, ",") {
		out = append(out, call+": "+strings.TrimSpace(rule))
	}
	return out
}

// calls are the calls of a group: each with the expressions of which one must hold, or with none.
type calls map[string][]string

// groupCalls has the calls of every group.
var groupCalls = sync.OnceValue(func() map[string]calls {
	byName := map[string]Group{}
	for _, g := range Groups() {
		byName[g.Name] = g
	}
	all := map[string]calls{}
	for name := range byName {
		all[name] = calls{}
		all[name].addGroup(byName, name)
	}
	return all
})

// refusedErrnos are the calls that @refused gives an errno of their own, whatever `refuse` is.
var refusedErrnos = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for _, g := range Groups() {
		for _, m := range g.Members {
			if call, errno, ok := strings.Cut(m, " = "); ok && g.Name == refused {
				out[call] = errno
			}
		}
	}
	return out
})

func (c calls) addGroup(byName map[string]Group, name string) {
	group, ok := byName[name]
	if !ok {
		panic("seccomp: groups.list: no group " + name)
	}
	for _, m := range group.Members {
		if m[0] == '@' {
			c.addGroup(byName, m)
			continue
		}
		if strings.Contains(m, " = ") { // refusedErrnos
			continue
		}
		call, expr, conditional := strings.Cut(m, ": ")
		if conditional {
			c.add(call, []string{expr})
		} else {
			c.add(call, nil)
		}
	}
}

// add is the union: a call without conditions has none whatever else is added.
func (c calls) add(call string, exprs []string) {
	have, ok := c[call]
	switch {
	case !ok:
		c[call] = slices.Clone(exprs)
	case len(have) == 0 || len(exprs) == 0:
		c[call] = nil
	default:
		for _, e := range exprs {
			if !slices.Contains(c[call], e) {
				c[call] = append(c[call], e)
			}
		}
	}
}

// remove takes away what a denied group gives: its expressions, or the call when either side has no conditions.
func (c calls) remove(call string, exprs []string) {
	if len(c[call]) == 0 || len(exprs) == 0 {
		delete(c, call)
		return
	}
	c[call] = slices.DeleteFunc(c[call], func(e string) bool { return slices.Contains(exprs, e) })
	if len(c[call]) == 0 {
		delete(c, call)
	}
}
