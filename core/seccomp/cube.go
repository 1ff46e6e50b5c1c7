package seccomp

import "slices"

// A cube fixes some bits of the arguments: it holds when arg & mask == val for each of the six. libseccomp orders and merges
// comparisons of different kinds in ways that are hard to foresee, and takes one condition for each argument; so every rule
// becomes cubes, which are plain masked equalities, and a conjunction is their intersection.
type cube [6]field

type field struct{ mask, val uint64 }

// maxCubes bounds what one expression may become: "arg0 != 0" of 64 bits is 64.
const maxCubes = 256

// cubes gives cubes that together hold when the conjunction does; none if it never does. It stops above maxCubes.
func cubes(conj []comparison) []cube {
	all := []cube{{}}
	for _, c := range conj {
		var next []cube
		for _, a := range all {
			for _, f := range c.fields() {
				if b, ok := a.with(c.arg, f); ok {
					next = append(next, b)
				}
			}
		}
		if all = next; len(all) > maxCubes {
			break
		}
	}
	return all
}

// with is the intersection; it does not exist when a bit would have to be 0 and 1.
func (c cube) with(arg int, f field) (cube, bool) {
	have := c[arg]
	if (have.val^f.val)&have.mask&f.mask != 0 {
		return cube{}, false
	}
	c[arg] = field{have.mask | f.mask, have.val | f.val}
	return c, true
}

// fields gives masked equalities of which one holds when the comparison does.
func (c comparison) fields() []field {
	switch c.op {
	case "==":
		return []field{{c.mask, c.val}}
	case "!=":
		return append(below(c.val), above(c.val)...)
	case "<":
		return below(c.val)
	case "<=":
		return append(below(c.val), field{^uint64(0), c.val})
	case ">":
		return above(c.val)
	default: // >=
		return append(above(c.val), field{^uint64(0), c.val})
	}
}

// below: x < v when at the highest bit where they differ v has a 1.
func below(v uint64) []field {
	var out []field
	for rest := v; rest != 0; rest &= rest - 1 {
		low := rest & -rest
		out = append(out, field{-low, v & -low &^ low})
	}
	return out
}

// above: x > v when it is below in the complement.
func above(v uint64) []field {
	out := below(^v)
	for i := range out {
		out[i].val = ^out[i].val & out[i].mask
	}
	return out
}

// parseRule reads an argument rule of a call.
func parseRule(call, expr string) ([]cube, error) {
	conj, err := parseExpr(call, expr)
	if err != nil {
		return nil, err
	}
	all := cubes(conj)
	switch {
	case len(all) == 0:
		return nil, problem{"it can never hold", ""}
	case len(all) > maxCubes:
		return nil, problem{"it is too much for a filter", "compare fewer arguments with anything but =="}
	case slices.Contains(all, cube{}):
		return nil, problem{"it always holds", "add the call to allow"}
	}
	return all, nil
}
