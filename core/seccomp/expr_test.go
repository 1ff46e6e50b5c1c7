package seccomp

import (
	"strings"
	"testing"
)

func TestExpressions(t *testing.T) {
	for _, tt := range []struct{ call, expr, want string }{ // want: the mistake, or empty
		{"ioctl", "arg1 == TCGETS", ""},
		{"ioctl", "  arg1==0x5401  ", ""},
		{"clone", "arg0 & CLONE_NEWUSER|CLONE_NEWNS == 0", ""},
		{"clone", "arg0 & CLONE_NEWUSER | 0x20000 == CLONE_NEWUSER", ""},
		{"socket", "arg0 == AF_UNIX && arg1 == SOCK_STREAM && arg2 == 0", ""},
		{"mmap", "arg1 <= 0x100000", ""},
		{"mmap", "arg1 >= 4096 && arg1 < 8192", ""},
		{"mmap", "arg1 != 0", ""},
		{"mmap", "arg3 & 0x20 == 0x20", ""},
		{"", "arg0 == 0", "the arguments of  are not known: it takes no argument rules"},
		{"futex_waitv", "arg0 == 0", "the arguments of futex_waitv are not known: it takes no argument rules"},
		{"ioctl", "", `"" is no condition (like "arg1 == TCGETS" or "arg0 & CLONE_NEWUSER == 0")`},
		{"ioctl", "arg1 == TCGETS &&", `"" is no condition (like "arg1 == TCGETS" or "arg0 & CLONE_NEWUSER == 0")`},
		{"ioctl", "arg1 == TCGETS || arg1 == FIONREAD", `"arg1 == TCGETS || arg1 == FIONREAD" is no condition (like "arg1 == TCGETS" or "arg0 & CLONE_NEWUSER == 0")`},
		{"ioctl", "arg1 = TCGETS", `"arg1 = TCGETS" is no condition (like "arg1 == TCGETS" or "arg0 & CLONE_NEWUSER == 0")`},
		{"ioctl", "TCGETS == arg1", `"TCGETS == arg1" is no condition (like "arg1 == TCGETS" or "arg0 & CLONE_NEWUSER == 0")`},
		{"ioctl", "arg3 == 0", "there is no arg3 (the call has 3, from arg0)"},
		{"ioctl", "arg6 == 0", `"arg6 == 0" is no condition (like "arg1 == TCGETS" or "arg0 & CLONE_NEWUSER == 0")`},
		{"ioctl", "arg1 == TCGETZ", `unknown constant "TCGETZ" (did you mean TCGETA?)`},
		{"ioctl", "arg1 == -1", `unknown constant "-1"`},
		{"ioctl", "arg1 == 0x10000000000000000", `unknown constant "0x10000000000000000"`},
		{"ioctl", "arg1 == 0x100000000", "it can never hold: the value has bits outside the mask"},
		{"ioctl", "arg1 & 0x1ffffffff == 0", "the mask is wider than the argument's 32 bits"},
		{"ioctl", "arg1 & 0xf == 0x10", "it can never hold: the value has bits outside the mask"},
		{"ioctl", "arg1 & 0 == 0", "it always holds (add the call to allow)"},
		{"ioctl", "arg1 != TIOCSTI", "arg1 has 32 bits and takes == only (a program could pass != by setting bit 32; list what is allowed)"},
		{"prlimit64", "arg0 < 1", "arg0 has 32 bits and takes == only (a program could pass < by setting bit 32; list what is allowed)"},
		{"mmap", "arg1 & 0xfff != 0", "a masked argument takes == only"},
		{"mmap", "arg1 < 0", "it can never hold"},
		{"mmap", "arg1 == 1 && arg1 == 2", "it can never hold"},
		{"mmap", "arg0 != 1 && arg1 != 1", "it is too much for a filter (compare fewer arguments with anything but ==)"},
	} {
		_, err := parseRule(tt.call, tt.expr)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s %q:\n got %s\nwant %s", tt.call, tt.expr, got, tt.want)
		}
	}
}

// S-08: several conditions on one argument of one line must all hold; several lines are alternatives.
func TestRangeOfOneArgument(t *testing.T) {
	r := resolve(t, Policy{When: []WhenItem{whenAt(0, "mmap", "arg1 > 10 && arg1 <= 20 && arg1 != 15", "arg1 == 3")}})
	p := compile(t, r, "amd64")
	for v := range uint64(64) {
		want := "EPERM"
		if v > 10 && v <= 20 && v != 15 || v == 3 {
			want = Allow
		}
		for _, high := range []uint64{0, 1 << 32} {
			got := class(p.run(data{nr: 9, arch: auditArch["amd64"], args: [6]uint64{0, high | v}}))
			if high != 0 {
				want = "EPERM"
			}
			if got != want {
				t.Errorf("%#x: got %s, want %s", high|v, got, want)
			}
		}
	}
}

// What parses has cubes that hold exactly when the comparisons do.
func FuzzExpr(f *testing.F) {
	for _, seed := range []string{"arg0 == 1", "arg0 & 0xf == 3 && arg1 < 77", "arg2 >= 0xffffffff00000000", "arg1 != 5", "arg3 & PROT_READ|PROT_EXEC == PROT_EXEC", "&&", "arg0 == 0_1"} {
		f.Add(seed, uint64(5), uint64(1)<<32)
	}
	f.Fuzz(func(t *testing.T, expr string, x, y uint64) {
		conj, err := parseExpr("mmap", expr)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without words")
			}
			return
		}
		all := cubes(conj)
		if len(all) > maxCubes {
			return
		}
		args := [6]uint64{x, y, x ^ y, x + 1, y - 1, 0}
		want := true
		for _, c := range conj {
			want = want && c.holds(args)
		}
		got := false
		for _, c := range all {
			got = got || c.holds(args)
		}
		if got != want {
			t.Errorf("%q with %#x: cubes %v, comparisons %v", expr, args, got, want)
		}
	})
}

func (c cube) holds(args [6]uint64) bool {
	for i, f := range c {
		if args[i]&f.mask != f.val {
			return false
		}
	}
	return true
}
