package seccomp

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A call as a filter sees it: struct seccomp_data without the instruction pointer.
type data struct {
	nr, arch uint32
	args     [6]uint64
}

func (d data) bytes() []byte {
	b := make([]byte, 64)
	binary.LittleEndian.PutUint32(b, d.nr)
	binary.LittleEndian.PutUint32(b[4:], d.arch)
	for i, a := range d.args {
		binary.LittleEndian.PutUint64(b[16+8*i:], a)
	}
	return b
}

// program runs a filter as the kernel would, for the instructions that libseccomp makes, and notes which were reached.
type program struct {
	bpf     []byte
	reached []bool
}

func newProgram(bpf []byte) *program { return &program{bpf, make([]bool, len(bpf)/8)} }

// run gives the filter's return value. Anything unforeseen is a panic: the program is our own.
func (p *program) run(d data) uint32 {
	mem := d.bytes()
	var a uint32
	for pc := 0; ; pc++ {
		p.reached[pc] = true
		ins := p.bpf[8*pc:]
		jt, jf, k := int(ins[2]), int(ins[3]), binary.LittleEndian.Uint32(ins[4:])
		jump := func(holds bool) {
			if holds {
				pc += jt
			} else {
				pc += jf
			}
		}
		switch code := binary.LittleEndian.Uint16(ins); code {
		case 0x20: // LD W ABS
			a = binary.LittleEndian.Uint32(mem[k:])
		case 0x54: // ALU AND K
			a &= k
		case 0x05: // JMP JA
			pc += int(k)
		case 0x15: // JMP JEQ K
			jump(a == k)
		case 0x25: // JMP JGT K
			jump(a > k)
		case 0x35: // JMP JGE K
			jump(a >= k)
		case 0x06: // RET K
			return k
		default:
			panic(fmt.Sprintf("instruction %d: code %#x", pc, code))
		}
	}
}

// unreached gives the first instruction that no run came to, or -1. The RETs at the end do not count: libseccomp
// leaves copies of them that nothing jumps to.
func (p *program) unreached() int {
	end := len(p.reached)
	for end > 0 && p.bpf[8*(end-1)] == 0x06 {
		end--
	}
	return slices.Index(p.reached[:end], false)
}

// class names a filter's return value as a Rule does.
func class(ret uint32) string {
	const killProcess, errno, log, allow = 0x80000000, 0x00050000, 0x7ffc0000, 0x7fff0000 // linux/seccomp.h
	switch ret & 0xffff0000 {
	case killProcess:
		return Kill
	case allow:
		return Allow
	case log:
		return Log
	case errno:
		return errnoNames()[uint64(ret&0xffff)]
	}
	return fmt.Sprintf("%#x", ret)
}

var errnoNames = sync.OnceValue(func() map[uint64]string {
	names := map[uint64]string{}
	for name, n := range errnos() {
		names[n] = name
	}
	return names
})

// auditArch is what the kernel puts into seccomp_data.arch.
var auditArch = map[string]uint32{"amd64": 0xc000003e, "arm64": 0xc00000b7}

// model is a resolved policy read straight from its text, without cubes: what the filter is compared with.
type model struct {
	*Resolved
	parsed map[string][]comparison // of "call: expr"
}

func newModel(r *Resolved) model {
	m := model{r, map[string][]comparison{}}
	for _, rule := range r.Rules {
		for _, expr := range rule.When {
			conj, err := parseExpr(rule.Call, expr)
			if err != nil {
				panic(err)
			}
			m.parsed[rule.Call+": "+expr] = conj
		}
	}
	return m
}

// rules are those of one call.
func (m model) rules(call string) []Rule {
	i, _ := slices.BinarySearchFunc(m.Rules, call, func(r Rule, call string) int { return strings.Compare(r.Call, call) })
	j := i
	for j < len(m.Rules) && m.Rules[j].Call == call {
		j++
	}
	return m.Rules[i:j]
}

func (m model) decides(call string, args [6]uint64) string {
	for _, rule := range m.rules(call) {
		if m.holds(rule, args) {
			return rule.Action
		}
	}
	return m.Default
}

func (m model) holds(r Rule, args [6]uint64) bool {
	for _, expr := range r.When {
		fails := func(c comparison) bool { return !c.holds(args) }
		if !slices.ContainsFunc(m.parsed[r.Call+": "+expr], fails) {
			return true
		}
	}
	return len(r.When) == 0
}

func (c comparison) holds(args [6]uint64) bool {
	x := args[c.arg] & c.mask
	switch c.op {
	case "==":
		return x == c.val
	case "!=":
		return x != c.val
	case "<":
		return x < c.val
	case "<=":
		return x <= c.val
	case ">":
		return x > c.val
	}
	return x >= c.val
}
