package seccomp

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// An argument rule is a conjunction of comparisons:
//
//	arg1 == TCGETS
//	arg0 == AF_UNIX && arg1 & 0xf == SOCK_STREAM
//	arg0 & CLONE_NEWUSER|CLONE_NEWNS == 0
//
// Numbers are written as in Go, constants are those of constants.list. The lower half of a 32-bit argument (args.list) is
// compared, with == only; 64-bit arguments take !=, <, <=, > and >= too, unsigned.

// comparison is one condition on one argument.
type comparison struct {
	arg  int
	mask uint64 // the bits that are compared
	op   string
	val  uint64
}

var comparisonForm = regexp.MustCompile(`^\s*arg([0-5])\s*(?:&([^=!<>&]+))?(==|!=|<=|>=|<|>)([^=!<>&]+)$`)

// problem is a mistake in what a person wrote, with what would help.
type problem struct{ text, hint string }

func (p problem) Error() string {
	if p.hint == "" {
		return p.text
	}
	return p.text + " (" + p.hint + ")"
}

// parseExpr reads an argument rule of a call.
func parseExpr(call, text string) ([]comparison, error) {
	args, ok := widths()[call]
	if !ok {
		return nil, problem{"the arguments of " + call + " are not known: it takes no argument rules", ""}
	}
	var conj []comparison
	for part := range strings.SplitSeq(text, "&&") {
		c, err := parseComparison(part, args)
		if err != nil {
			return nil, err
		}
		conj = append(conj, c)
	}
	return conj, nil
}

func parseComparison(text string, args []string) (comparison, error) {
	m := comparisonForm.FindStringSubmatch(text)
	if m == nil {
		return comparison{}, problem{fmt.Sprintf("%q is no condition", strings.TrimSpace(text)), `like "arg1 == TCGETS" or "arg0 & CLONE_NEWUSER == 0"`}
	}
	c := comparison{arg: int(m[1][0] - '0'), op: m[3]}
	if c.arg >= len(args) {
		return comparison{}, problem{fmt.Sprintf("there is no arg%d", c.arg), fmt.Sprintf("the call has %d, from arg0", len(args))}
	}
	narrow := args[c.arg] == "i"
	var err error
	if c.mask, err = parseMask(m[2], narrow); err != nil {
		return comparison{}, err
	}
	if c.val, err = parseValue(m[4]); err != nil {
		return comparison{}, err
	}
	return c, c.check(narrow, m[2] != "")
}

// parseMask reads what follows the &, if anything does, and keeps the half of it that the kernel reads.
func parseMask(text string, narrow bool) (uint64, error) {
	full := ^uint64(0)
	if narrow {
		full = 1<<32 - 1
	}
	if text == "" {
		return full, nil
	}
	mask, err := parseValue(text)
	if err == nil && mask&^full != 0 {
		err = problem{"the mask is wider than the argument's 32 bits", ""}
	}
	return mask, err
}

// parseValue reads numbers and constants with | between them.
func parseValue(text string) (uint64, error) {
	var val uint64
	for word := range strings.SplitSeq(text, "|") {
		word = strings.TrimSpace(word)
		n, err := strconv.ParseUint(word, 0, 64)
		if c, ok := constants()[word]; ok {
			n, err = c, nil
		}
		if err != nil {
			return 0, problem{fmt.Sprintf("unknown constant %q", word), nearest(word, keys(constants()))}
		}
		val |= n
	}
	return val, nil
}

func (c comparison) check(narrow, masked bool) error {
	switch {
	case c.op != "==" && narrow:
		return problem{fmt.Sprintf("arg%d has 32 bits and takes == only", c.arg), "a program could pass " + c.op + " by setting bit 32; list what is allowed"}
	case c.op != "==" && masked:
		return problem{"a masked argument takes == only", ""}
	case c.op == "==" && c.val&^c.mask != 0:
		return problem{"it can never hold: the value has bits outside the mask", ""}
	}
	return nil
}
