package seccomp

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Policy is what the profiles say.
type Policy struct {
	Default string // what a call gets that nothing decides: Kill, Log or an errno's name; empty means ENOSYS
	Refuse  string // what a denied call gets: Kill, Log or an errno's name; empty means EPERM
	Allow   []Item
	Deny    []Item
	When    []WhenItem
	Errno   []ErrnoItem
}

// Item is a call or a group in allow or deny.
type Item struct {
	Name  string
	Depth int // larger is nearer to the profile that was asked for, and wins
	Key   any // where it stands: comes back in an Issue
}

// WhenItem allows a call when one of the expressions holds; otherwise it gets what a denied call gets.
type WhenItem struct {
	Item
	Exprs []string
}

// ErrnoItem is what one call gets in place of Refuse or Default where it is not allowed.
type ErrnoItem struct {
	Item
	Errno string // its name
}

// Issue is one mistake in a policy.
type Issue struct {
	Key  any    // that of the item; "default" or "refuse" for these two
	Text string // no capital, no full stop
	Hint string // what would help, or empty
}

// Resolved is a policy in which every call has its action.
type Resolved struct {
	Default string
	Rules   []Rule // by call; of the rules of one call the first that holds decides
}

// Rule is what one call gets.
type Rule struct {
	Call   string
	Action string   // Allow, Kill, Log or an errno's name
	When   []string // it holds when any of these does; empty: always
	From   string   // what says so: a group, "allow", "deny", "when", "errno" or "core"
}

// Resolve decides every call that the policy, or @refused, speaks of. With an issue there is no result.
func Resolve(p Policy) (*Resolved, []Issue) {
	p.Default, p.Refuse = cmp.Or(p.Default, "ENOSYS"), cmp.Or(p.Refuse, "EPERM")
	if issues := p.check(); len(issues) > 0 {
		return nil, issues
	}
	out := &Resolved{Default: p.Default}
	var issues []Issue
	for _, call := range p.calls() {
		rules := p.decide(call)
		out.Rules = append(out.Rules, rules...)
		issues = append(issues, p.checkUseful(call, rules)...)
	}
	if len(issues) > 0 {
		return nil, issues
	}
	return out, nil
}

// calls are the names that something speaks of, in order.
func (p Policy) calls() []string {
	all := map[string]bool{}
	for _, name := range always {
		all[name] = true
	}
	for _, item := range p.items() {
		for call := range item.calls() {
			all[call] = true
		}
	}
	for call := range groupCalls()[refused] {
		all[call] = true
	}
	for call := range refusedErrnos() {
		all[call] = true
	}
	return keys(all)
}

func (p Policy) items() []Item {
	items := slices.Concat(p.Allow, p.Deny)
	for _, w := range p.When {
		items = append(items, w.Item)
	}
	for _, e := range p.Errno {
		items = append(items, e.Item)
	}
	return items
}

func (i Item) isGroup() bool { return strings.HasPrefix(i.Name, "@") }

// calls are those of the group, or the one that the item names.
func (i Item) calls() calls {
	if i.isGroup() {
		return groupCalls()[i.Name]
	}
	return calls{i.Name: nil}
}

func (i Item) has(call string) bool { _, ok := i.calls()[call]; return ok }

// decide asks each voice in turn: this list is the precedence.
func (p Policy) decide(call string) []Rule {
	for _, voice := range []func(string) []Rule{p.byCore, p.byWhen, p.byName, p.byGroup, p.byErrno, p.byRefused} {
		if rules := voice(call); rules != nil {
			return rules
		}
	}
	return nil
}

func (p Policy) byCore(call string) []Rule {
	if slices.Contains(always, call) {
		return p.allow(call, nil, "core")
	}
	return nil
}

func (p Policy) byWhen(call string) []Rule {
	var near *WhenItem
	for i, w := range p.When {
		if w.Name == call && (near == nil || w.Depth >= near.Depth) {
			near = &p.When[i]
		}
	}
	if near == nil {
		return nil
	}
	return p.allow(call, near.Exprs, "when")
}

func (p Policy) byName(call string) []Rule {
	isCall := func(i Item) bool { return i.Name == call }
	allow, deny := nearestItem(p.Allow, isCall), nearestItem(p.Deny, isCall)
	switch {
	case deny != nil && (allow == nil || deny.Depth >= allow.Depth):
		return p.refuse(call, "deny")
	case allow != nil:
		return p.allow(call, nil, "allow")
	}
	return nil
}

// byGroup goes from the farthest profile to the nearest: each adds what its groups allow, then takes away what they deny.
func (p Policy) byGroup(call string) []Rule {
	isGroup := func(i Item) bool { return i.isGroup() && i.has(call) }
	allow, deny := nearestItem(p.Allow, isGroup), nearestItem(p.Deny, isGroup)
	if allow == nil && deny == nil {
		return nil
	}
	left := calls{}
	for _, depth := range p.depths() {
		for _, i := range p.Allow {
			if i.Depth == depth && isGroup(i) {
				left.add(call, i.calls()[call])
			}
		}
		for _, i := range p.Deny {
			if i.Depth == depth && isGroup(i) {
				left.remove(call, i.calls()[call])
			}
		}
	}
	switch exprs, ok := left[call]; {
	case ok && !known(call): // only a newer libseccomp could allow it
		return nil
	case ok:
		return p.allow(call, exprs, allow.Name)
	}
	return p.refuse(call, deny.Name)
}

func (p Policy) byErrno(call string) []Rule {
	if p.errno(call) == nil {
		return nil
	}
	return p.refuse(call, "errno")
}

func (p Policy) byRefused(call string) []Rule {
	if errno, ok := refusedErrnos()[call]; ok {
		return []Rule{{Call: call, Action: errno, From: refused}}
	}
	if _, ok := groupCalls()[refused][call]; ok {
		return p.refuse(call, refused)
	}
	return nil
}

// depths are those of allow and deny, farthest first.
func (p Policy) depths() []int {
	set := map[int]bool{}
	for _, i := range slices.Concat(p.Allow, p.Deny) {
		set[i.Depth] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// nearestItem gives the item of the nearest profile; of several the first.
func nearestItem(items []Item, match func(Item) bool) *Item {
	var near *Item
	for i, item := range items {
		if match(item) && (near == nil || item.Depth > near.Depth) {
			near = &items[i]
		}
	}
	return near
}

// allow gives the rules of an allowed call: with conditions, what they do not cover is refused.
func (p Policy) allow(call string, exprs []string, from string) []Rule {
	rules := []Rule{{Call: call, Action: Allow, When: slices.Clone(exprs), From: from}}
	if len(exprs) > 0 {
		rules = append(rules, p.refuse(call, from)...)
	}
	return rules
}

// refuse gives the rule of a call that is not allowed.
func (p Policy) refuse(call, from string) []Rule {
	if e := p.errno(call); e != nil {
		return []Rule{{Call: call, Action: e.Errno, From: "errno"}}
	}
	return []Rule{{Call: call, Action: p.Refuse, From: from}}
}

// errno is the nearest profile's for this call.
func (p Policy) errno(call string) *ErrnoItem {
	var near *ErrnoItem
	for i, e := range p.Errno {
		if e.Name == call && (near == nil || e.Depth > near.Depth) {
			near = &p.Errno[i]
		}
	}
	return near
}

func (p Policy) check() []Issue {
	issues := slices.Concat(checkAction("default", p.Default), checkAction("refuse", p.Refuse))
	for _, i := range p.Allow {
		issues = append(issues, i.checkName(true)...)
	}
	for _, i := range p.Deny {
		issues = append(issues, i.checkName(false)...)
		issues = append(issues, i.checkNeeded("denied")...)
	}
	for _, w := range p.When {
		issues = append(issues, w.check()...)
	}
	for _, e := range p.Errno {
		issues = append(issues, e.check()...)
	}
	return issues
}

func checkAction(key, action string) []Issue {
	if _, ok := errnos()[action]; ok || action == Kill || action == Log {
		return nil
	}
	hint := cmp.Or(nearest(action, append(keys(errnos()), Kill, Log)), `"kill", "log" or the name of an errno`)
	return []Issue{{key, fmt.Sprintf("%q is no action", action), hint}}
}

func (e ErrnoItem) check() []Issue {
	issues := slices.Concat(e.checkCall("gets no errno"), e.checkNeeded("given an errno"))
	if _, ok := errnos()[e.Errno]; !ok {
		hint := cmp.Or(nearest(e.Errno, keys(errnos())), `like "ENOSYS"`)
		if e.Errno == Kill || e.Errno == Log {
			hint = fmt.Sprintf("%q is for default and refuse", e.Errno)
		}
		issues = append(issues, Issue{e.Key, fmt.Sprintf("%q is no errno", e.Errno), hint})
	}
	return issues
}

// checkUseful: an errno says that the call fails, so one that is as near as what allows the call always is a contradiction.
func (p Policy) checkUseful(call string, rules []Rule) []Issue {
	e := p.errno(call)
	if e == nil || len(rules) != 1 || rules[0].Action != Allow {
		return nil
	}
	allows := func(i Item) bool { return i.Name == call }
	hint := "take it out of allow"
	if rules[0].From != "allow" {
		allows = func(i Item) bool { return i.isGroup() && i.has(call) && len(i.calls()[call]) == 0 }
		hint = "add " + call + " to deny"
	}
	near := nearestItem(p.Allow, allows)
	if near.Depth > e.Depth {
		return nil
	}
	by := "by " + near.Name
	if near.Name == call {
		by = "by name"
	}
	return []Issue{{e.Key, fmt.Sprintf("%s is allowed %s, so it never gets %s", call, by, e.Errno), hint}}
}

// checkName accepts in deny a call that only a newer libseccomp knows: what it does not know gets the default, never allow.
func (i Item) checkName(allowed bool) []Issue {
	if i.isGroup() {
		if _, ok := groupCalls()[i.Name]; !ok {
			return []Issue{{i.Key, fmt.Sprintf("unknown group %q", i.Name), nearest(i.Name, keys(groupCalls()))}}
		}
		return nil
	}
	if !allowed || known(i.Name) {
		return nil
	}
	return []Issue{{i.Key, fmt.Sprintf("unknown system call %q", i.Name), nearest(i.Name, callNames())}}
}

func (i Item) checkNeeded(what string) []Issue {
	for _, call := range always {
		if i.has(call) {
			return []Issue{{i.Key, fmt.Sprintf("%s cannot be %s: the launcher needs it to start the program", call, what), ""}}
		}
	}
	return nil
}

func (w WhenItem) check() []Issue {
	if issues := slices.Concat(w.checkCall("takes no conditions"), w.checkNeeded("conditional")); len(issues) > 0 {
		return issues
	}
	if len(w.Exprs) == 0 {
		return []Issue{{w.Key, "no condition", fmt.Sprintf("add %s to deny, or to allow", w.Name)}}
	}
	var issues []Issue
	for _, expr := range w.Exprs {
		if _, err := parseRule(w.Name, expr); err != nil {
			issue := Issue{Key: w.Key, Text: err.Error()}
			if p := (problem{}); errors.As(err, &p) {
				issue.Text, issue.Hint = p.text, p.hint
			}
			issues = append(issues, issue)
		}
	}
	return issues
}

// checkCall is for what only a single call can have.
func (i Item) checkCall(otherwise string) []Issue {
	if i.isGroup() {
		return []Issue{{i.Key, "a group " + otherwise, "name the call"}}
	}
	return i.checkName(true)
}
