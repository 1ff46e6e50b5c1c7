package seccomp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	lib "github.com/seccomp/libseccomp-golang"
)

func resolve(t testing.TB, p Policy) *Resolved {
	t.Helper()
	r, issues := Resolve(p)
	if len(issues) > 0 {
		t.Fatalf("issues: %v", issues)
	}
	return r
}

func compile(t testing.TB, r *Resolved, goarch string) *program {
	t.Helper()
	bpf, err := r.Compile(goarch)
	if err != nil {
		t.Fatal(err)
	}
	return newProgram(bpf)
}

func items(names ...string) []Item {
	var out []Item
	for _, n := range names {
		out = append(out, Item{Name: n})
	}
	return out
}

// policies are run whole by the tests below.
var policies = map[string]Policy{
	"judge":      {Allow: items("@judge")},
	"judge-kill": {Allow: items("@judge"), Refuse: Kill},
	"script":     {Allow: items("@script")},
	"local":      {Allow: items("@script", "@sockets-local")},
	"strict":     {Allow: items("@judge"), Default: Kill, Refuse: Kill},
	"eperm":      {Allow: items("@script"), Default: "EPERM"},
	"nothing":    {},
	"log":        {Allow: items("@judge"), Default: Log, Refuse: Log},
	"errno": {Allow: items("@script"), Deny: items("fork"), Refuse: Kill,
		Errno: []ErrnoItem{errnoAt(0, "fork", "EAGAIN"), errnoAt(0, "clone", "EAGAIN"), errnoAt(0, "mount", "ENOSYS"), errnoAt(0, "openat2", "EPERM")}},
}

// values are what a tested argument is given: each single bit, and what rules compare with, its neighbours and its twins
// that differ in the bits that no rule looks at.
func (m model) values(call string, arg int) []uint64 {
	vals := []uint64{0, 3, 1<<32 - 1, ^uint64(0)}
	for bit := range 64 {
		vals = append(vals, 1<<bit)
	}
	for _, c := range m.comparisons(call) {
		if c.arg == arg {
			vals = append(vals, c.val, c.val-1, c.val+1, c.val|1<<32, c.val|1<<63, c.val^1<<31, c.mask, c.val|^c.mask)
		}
	}
	slices.Sort(vals)
	return slices.Compact(vals)
}

func (m model) comparisons(call string) []comparison {
	var all []comparison
	for _, rule := range m.rules(call) {
		for _, expr := range rule.When {
			all = append(all, m.parsed[call+": "+expr]...)
		}
	}
	return all
}

// rows gives all combinations of values for the arguments that rules look at; the others are noise.
func (m model) rows(call string) [][6]uint64 {
	noise := [6]uint64{0xdead << 32, 7, ^uint64(0), 1 << 40, 3, 9}
	rows := [][6]uint64{{}, noise}
	for arg := range 6 {
		looksAt := func(c comparison) bool { return c.arg == arg }
		if !slices.ContainsFunc(m.comparisons(call), looksAt) {
			continue
		}
		var next [][6]uint64
		for _, row := range rows {
			for _, v := range m.values(call, arg) {
				row[arg] = v
				next = append(next, row)
			}
		}
		rows = next
	}
	return rows
}

// S-02, S-03, S-04, S-05: every call number, with every value that a rule looks at, on both architectures.
func TestFilterIsWhatThePolicySays(t *testing.T) {
	for name, policy := range policies {
		for goarch := range arches {
			t.Run(name+"/"+goarch, func(t *testing.T) { checkFilter(t, resolve(t, policy), goarch) })
		}
	}
}

func checkFilter(t *testing.T, r *Resolved, goarch string) {
	t.Helper()
	m, p := newModel(r), compile(t, r, goarch)
	for nr := range uint32(1024) {
		call, err := lib.ScmpSyscall(nr).GetNameByArch(arches[goarch])
		if err != nil {
			call = "" // no rule has this name
		}
		for _, args := range m.rows(call) {
			got := class(p.run(data{nr, auditArch[goarch], args}))
			if want := m.decides(call, args); got != want {
				t.Fatalf("%s (%d) %#x: the filter says %s, the policy %s", call, nr, args, got, want)
			}
		}
	}
	checkOutside(t, p, r, goarch)
	if i := p.unreached(); i >= 0 {
		t.Errorf("instruction %d of %d is never reached", i, len(p.reached))
	}
	t.Logf("%d instructions", len(p.reached))
}

// checkOutside: what is no call of this architecture.
func checkOutside(t *testing.T, p *program, r *Resolved, goarch string) {
	t.Helper()
	for nr := range uint32(1024) {
		want := r.Default
		if goarch == "amd64" {
			want = Kill // x32
		}
		if got := class(p.run(data{nr: 0x40000000 | nr, arch: auditArch[goarch]})); got != want {
			t.Fatalf("call %#x: got %s, want %s", 0x40000000|nr, got, want)
		}
	}
	if got := class(p.run(data{nr: 0xffffffff, arch: auditArch[goarch]})); got != r.Default {
		t.Errorf("call -1: got %s, want %s", got, r.Default)
	}
	for _, arch := range []uint32{0, 0x40000003, 0x40000028, 0xc000003e, 0xc00000b7, 0x8000003e} {
		if arch == auditArch[goarch] {
			continue
		}
		for _, nr := range []uint32{0, 1, 11, 59, 60, 221, 231} {
			if got := class(p.run(data{nr: nr, arch: arch})); got != Kill {
				t.Errorf("call %d of architecture %#x: got %s, want kill", nr, arch, got)
			}
		}
	}
}

// The rows of threats.md, with numbers: they must hold whatever the groups' text and the parser say.
func TestWhatMustNotPass(t *testing.T) {
	const high = 1 << 32
	const both, judge, script = "judge script", "judge", "script"
	rows := []struct {
		where, call string
		args        [6]uint64
		want        string
	}{
		{both, "ioctl", [6]uint64{0, 0x5412}, "EPERM"}, // TIOCSTI
		{both, "ioctl", [6]uint64{0, 0x5412 | high}, "EPERM"},
		{both, "ioctl", [6]uint64{0, 0x541c}, "EPERM"}, // TIOCLINUX
		{both, "ioctl", [6]uint64{0, 0x541c | high}, "EPERM"},
		{both, "ioctl", [6]uint64{0, 0x5401}, Allow},        // TCGETS
		{both, "ioctl", [6]uint64{0, 0x5401 | high}, Allow}, // the kernel sees TCGETS
		{both, "ioctl", [6]uint64{0, 0x40049409}, "EPERM"},  // FICLONE
		{both, "prlimit64", [6]uint64{0, 7}, Allow},
		{both, "prlimit64", [6]uint64{high, 7}, Allow},
		{both, "prlimit64", [6]uint64{1, 7}, "EPERM"},
		{both, "prlimit64", [6]uint64{1 | high, 7}, "EPERM"},
		{both, "clone", [6]uint64{0x3d0f00}, Allow}, // what glibc's pthread_create passes
		{judge, "clone", [6]uint64{17}, "EPERM"},    // SIGCHLD: a process
		{script, "clone", [6]uint64{17}, Allow},
		{script, "clone", [6]uint64{0x4111}, Allow}, // posix_spawn
		{both, "clone3", [6]uint64{}, "ENOSYS"},
		{both, "personality", [6]uint64{0xffffffff}, Allow},
		{both, "personality", [6]uint64{^uint64(0)}, Allow},
		{both, "personality", [6]uint64{0}, Allow},
		{both, "personality", [6]uint64{0x0040000}, "EPERM"}, // ADDR_NO_RANDOMIZE
		{both, "prctl", [6]uint64{15}, Allow},                // PR_SET_NAME
		{both, "prctl", [6]uint64{35}, "EPERM"},              // PR_SET_MM
		{both, "prctl", [6]uint64{35 | high}, "EPERM"},
		{both, "prctl", [6]uint64{22}, "EPERM"},         // PR_SET_SECCOMP
		{both, "prctl", [6]uint64{36}, "EPERM"},         // PR_SET_CHILD_SUBREAPER
		{both, "prctl", [6]uint64{0x59616d61}, "EPERM"}, // PR_SET_PTRACER
		{both, "prctl", [6]uint64{62}, "EPERM"},         // PR_SCHED_CORE
		{judge, "prctl", [6]uint64{4}, "EPERM"},         // PR_SET_DUMPABLE
		{both, "fcntl", [6]uint64{1, 3}, Allow},
		{both, "fcntl", [6]uint64{1, 8}, "EPERM"},    // F_SETOWN
		{both, "fcntl", [6]uint64{1, 10}, "EPERM"},   // F_SETSIG
		{both, "fcntl", [6]uint64{1, 1024}, "EPERM"}, // F_SETLEASE
		{both, "fcntl", [6]uint64{1, 1026}, "EPERM"}, // F_NOTIFY
		{judge, "fcntl", [6]uint64{1, 6}, "EPERM"},   // F_SETLK
		{script, "fcntl", [6]uint64{1, 6}, Allow},
		{judge, "kill", [6]uint64{1, 9}, "EPERM"},
		{judge, "memfd_create", [6]uint64{}, "EPERM"},
		{script, "memfd_create", [6]uint64{0, 1}, Allow},
		{script, "memfd_create", [6]uint64{0, 16}, "EPERM"}, // MFD_EXEC
		{script, "sendmsg", [6]uint64{0, 0, 1}, "EPERM"},    // MSG_OOB
		{both, "connect", [6]uint64{}, "EPERM"},
		{both, "ptrace", [6]uint64{}, "EPERM"},
		{both, "io_uring_setup", [6]uint64{}, "ENOSYS"},
	}
	for _, name := range []string{judge, script} {
		r := resolve(t, policies[name])
		for goarch, arch := range arches {
			p := compile(t, r, goarch)
			for _, row := range rows {
				if !strings.Contains(row.where, name) {
					continue
				}
				nr, err := lib.GetSyscallFromNameByArch(row.call, arch)
				if err != nil {
					t.Fatal(row.call, err)
				}
				if got := class(p.run(data{uint32(nr), auditArch[goarch], row.args})); got != row.want {
					t.Errorf("%s %s: %s %#x: got %s, want %s", name, goarch, row.call, row.args, got, row.want)
				}
			}
		}
	}
}

// Whatever `default` and `refuse` are, and whichever group a profile allows: a filter cannot see the flags of clone3.
func TestClone3IsAlwaysENOSYS(t *testing.T) {
	for _, g := range Groups() {
		for _, action := range []string{"EPERM", Kill, Log} {
			r := resolve(t, Policy{Allow: items(g.Name), Default: action, Refuse: action})
			for goarch := range arches {
				if got := class(compile(t, r, goarch).run(data{nr: 435, arch: auditArch[goarch]})); got != "ENOSYS" {
					t.Errorf("%s, %s, %s: clone3 gets %s", g.Name, action, goarch, got)
				}
			}
		}
	}
}

// Every namespace flag, every socket family, type and flag.
func TestRanges(t *testing.T) {
	judge, script := compile(t, resolve(t, policies["judge"]), "amd64"), compile(t, resolve(t, policies["script"]), "amd64")
	check := func(p *program, want string, nr uint32, args ...uint64) {
		t.Helper()
		d := data{nr: nr, arch: auditArch["amd64"]}
		copy(d.args[:], args)
		if got := class(p.run(d)); got != want {
			t.Errorf("call %d %#x: got %s, want %s", nr, args, got, want)
		}
	}
	const clone, socket, socketpair, thread = 56, 41, 53, 0x3d0f00
	for bit := range 32 {
		want := Allow
		if 0x7e020080>>bit&1 == 1 {
			want = "EPERM"
		}
		check(judge, want, clone, thread|1<<bit)
		check(judge, want, clone, 1<<32|thread|1<<bit)
		check(script, want, clone, 1<<bit)
	}
	for family := range uint64(65) {
		for typ := range uint64(16) {
			for _, flags := range []uint64{0, 0x800, 0x80000, 0x80800, 0x10, 1 << 32} {
				want := "EPERM"
				if family == 1 && (typ == 1 || typ == 2 || typ == 5) && flags != 0x10 {
					want = Allow
				}
				for _, nr := range []uint32{socket, socketpair} {
					check(judge, "EPERM", nr, family, typ|flags)
					check(script, want, nr, family, typ|flags)
					check(script, want, nr, 1<<32|family, typ|flags)
				}
			}
		}
	}
}

// libseccomp merges the conditions of a call into one tree: whatever rules it gets, what comes out must be their union.
func TestRandomRules(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var exprs []string
		for range 1 + rng.IntN(4) {
			exprs = append(exprs, randomExpr(rng))
		}
		r, issues := Resolve(Policy{When: []WhenItem{{Item{Name: "mremap"}, exprs}}})
		if len(issues) > 0 {
			continue // it never holds, or is too long
		}
		m, p := newModel(r), compile(t, r, "amd64")
		for range 1000 {
			d := data{nr: 25, arch: auditArch["amd64"]}
			for i := range d.args {
				d.args[i] = randomValue(rng)
			}
			if got, want := class(p.run(d)), m.decides("mremap", d.args); got != want {
				t.Fatalf("%q with %#x: the filter says %s, the rules %s", exprs, d.args, got, want)
			}
		}
	}
}

func randomValue(rng *rand.Rand) uint64 {
	small := []uint64{0, 1, 2, 3, 5, 8, 1 << 32, 1<<32 | 1, 1<<32 | 5, 1<<33 | 3, ^uint64(0), ^uint64(0) - 1, 1 << 63}
	return small[rng.IntN(len(small))]
}

func randomExpr(rng *rand.Rand) string {
	ops := []string{"==", "==", "==", "!=", "<", "<=", ">", ">="}
	var parts []string
	for range 1 + rng.IntN(3) {
		arg, v := rng.IntN(3), randomValue(rng)
		if rng.IntN(3) == 0 {
			mask := randomValue(rng) | v
			parts = append(parts, fmt.Sprintf("arg%d & %#x == %#x", arg, mask, v))
		} else {
			parts = append(parts, fmt.Sprintf("arg%d %s %d", arg, ops[rng.IntN(len(ops))], v))
		}
	}
	return strings.Join(parts, " && ")
}

func TestCompileIsAFunction(t *testing.T) {
	r := resolve(t, policies["script"])
	first, err := r.Compile("arm64")
	second, err2 := r.Compile("arm64")
	if err != nil || err2 != nil || !bytes.Equal(first, second) {
		t.Errorf("two compilations differ: %v %v", err, err2)
	}
}

// A resolved policy may come from a plan file.
func TestCompileRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, goarch string
		r            Resolved
		want         string
	}{
		{"architecture", "386", Resolved{Default: "ENOSYS"}, `no filters for the architecture "386"`},
		{"default", "amd64", Resolved{Default: "allow"}, "filter: the default cannot be allow"},
		{"no default", "amd64", Resolved{}, `filter: unknown action ""`},
		{"action", "amd64", Resolved{Default: "ENOSYS", Rules: []Rule{{Call: "read", Action: "trap"}}}, `filter: read: unknown action "trap"`},
		{"call", "amd64", Resolved{Default: "ENOSYS", Rules: []Rule{{Call: "raed", Action: Allow}}}, "filter: raed: libseccomp does not know this call"},
		{"twice", "amd64", Resolved{Default: "ENOSYS", Rules: []Rule{{Call: "read", Action: Allow}, {Call: "read", Action: Kill}}},
			"filter: read: a rule after one that always holds"},
		{"conditional kill", "amd64", Resolved{Default: "ENOSYS", Rules: []Rule{{Call: "ioctl", Action: Kill, When: []string{"arg1 == TIOCSTI"}}}},
			"filter: ioctl: only allow takes conditions"},
		{"expression", "arm64", Resolved{Default: "ENOSYS", Rules: []Rule{{Call: "ioctl", Action: Allow, When: []string{"arg9 == 1"}}}},
			`filter: ioctl: "arg9 == 1" is no condition (like "arg1 == TCGETS" or "arg0 & CLONE_NEWUSER == 0")`},
	} {
		if _, err := tt.r.Compile(tt.goarch); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}
