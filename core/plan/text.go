package plan

import (
	"fmt"
	"strings"

	"github.com/jail-sandbox/jail/core/step"
)

// Text is the plan for people: a line for each step under its phase, with its owner and where it was asked for; the
// filter's rules by action.
func (p *Plan) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan of %s\n%s\nnamespaces %s\n", step.Quote(p.Profile), p.Fingerprint(), strings.Join(p.Namespaces, " "))
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", step.Quote(w))
	}
	phase := ""
	for _, e := range p.Entries {
		if name := e.Phase().String(); name != phase {
			phase = name
			fmt.Fprintf(&b, "\n%s\n", phase)
		}
		line := fmt.Sprintf("  %-9s %s", step.Quote(e.Owner), e.Step)
		if e.At != "" {
			line = fmt.Sprintf("%-70s  %s", line, step.Quote(e.At))
		}
		b.WriteString(line + "\n")
		if f, ok := e.Step.(step.Filter); ok {
			b.WriteString(policy(f))
		}
	}
	return b.String()
}

// policy lists the filter's calls under their actions, those with conditions a line each.
func policy(f step.Filter) string {
	var b strings.Builder
	plain := map[string][]string{}
	var actions []string
	for _, r := range f.Rules {
		if _, seen := plain[r.Action]; !seen {
			actions = append(actions, r.Action)
			plain[r.Action] = nil
		}
		if len(r.When) == 0 {
			plain[r.Action] = append(plain[r.Action], r.Call)
		}
	}
	for _, action := range actions {
		for _, line := range wrap(plain[action], 96) {
			fmt.Fprintf(&b, "            %-6s %s\n", action, line)
		}
		for _, r := range f.Rules {
			if r.Action == action && len(r.When) > 0 {
				fmt.Fprintf(&b, "            %-6s %s when %s\n", action, r.Call, strings.Join(r.When, " or "))
			}
		}
	}
	return b.String()
}

func wrap(words []string, width int) []string {
	var lines []string
	line := ""
	for _, w := range words {
		if line != "" && len(line)+1+len(w) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + w)
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
