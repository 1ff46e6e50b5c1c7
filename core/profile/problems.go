package profile

import (
	"cmp"
	"slices"

	"github.com/jail-sandbox/jail/core/step"
)

// maxProblems is how many problems are told: to place one costs a pass over its file.
const maxProblems = 100

// capped are the first problems.
func capped(ps []step.Problem) []step.Problem {
	if len(ps) <= maxProblems {
		return ps
	}
	return append(ps[:maxProblems:maxProblems], step.Problem{Text: "there are more problems, these are the first"})
}

// Sort puts problems in the order in which a person reads the files: one file after the other, each by line. What has
// no line comes first in its file, what has no file last.
func Sort(ps []step.Problem) {
	order := map[string]int{}
	for _, p := range ps {
		if _, ok := order[p.File]; !ok {
			order[p.File] = len(order)
		}
	}
	order[""] = len(ps)
	slices.SortStableFunc(ps, func(a, b step.Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
}
