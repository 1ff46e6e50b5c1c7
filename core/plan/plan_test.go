package plan_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/step"
)

var update = flag.Bool("update", false, "rewrite golden files")

var filter = step.Filter{Default: "ENOSYS", BPF: map[string][]byte{"amd64": make([]byte, 8)}, Rules: []step.Rule{
	{Call: "clone", Action: "allow", When: []string{"arg0 & CLONE_NEWUSER == 0"}, From: "@judge"},
	{Call: "mount", Action: "kill", From: "@refused"}, {Call: "read", Action: "allow", From: "@judge"}}}

func entries(at string, steps ...step.Step) []plan.Entry {
	var out []plan.Entry
	for i, s := range steps {
		out = append(out, plan.Entry{At: fmt.Sprintf("%s:%d", at, i+1), Step: s})
	}
	return out
}

// contributions are those of a small profile.
func contributions() []plan.Contribution {
	return []plan.Contribution{
		{Owner: "userns", Namespaces: []string{"user"}, Entries: entries("a.toml", step.IDMap{Map: step.MapCaller})},
		{Owner: "ipcuts", Namespaces: []string{"ipc", "uts"}, Entries: entries("b.toml", step.Hostname{Name: "jail"})},
		{Owner: "netns", Namespaces: []string{"net"}},
		{Owner: "mountns", Namespaces: []string{"mnt"}, Entries: entries("c.toml", step.RootFS{Size: 1 << 20, Inodes: 64},
			step.Bind{Source: "/usr", Target: "/usr"}, step.Link{Target: "/bin", To: "usr/bin"},
			step.Tmpfs{Target: "/usr/local/x", Size: 1 << 20, Inodes: 8}, step.Work{Target: "/work", Size: 1 << 20, Inodes: 8})},
		{Owner: "pidns", Namespaces: []string{"pid"}, Entries: entries("d.toml", step.Proc{Target: "/proc", Mode: step.ProcPID})},
		{Owner: step.Core, Entries: entries("e.toml", step.Umask{Mask: 0o22}, step.Cwd{}, filter, step.Limit{Name: "wall", Value: 1e9})},
	}
}

// with adds one owner's contribution.
func with(c plan.Contribution) []plan.Contribution { return append(contributions(), c) }

func mustMake(t *testing.T, cs []plan.Contribution) *plan.Plan {
	t.Helper()
	p, problems := plan.Make("test", cs)
	if problems != nil {
		t.Fatal(step.Problems(problems))
	}
	return p
}

func TestGolden(t *testing.T) {
	p := mustMake(t, contributions())
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"testdata/plan.txt": p.Text(), "testdata/plan.json": string(data)} {
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs; go test ./core/plan -update shows how:\n%s", name, got)
		}
	}
}

func TestOrderDoesNotDependOnWhoAnswersFirst(t *testing.T) {
	want := mustMake(t, contributions()).Fingerprint()
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		cs := contributions()
		r.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
		if got := mustMake(t, cs).Fingerprint(); got != want {
			t.Fatalf("another fingerprint in another order: %s, %s", got, want)
		}
	}
}

func TestMountsAreByPathParentsFirst(t *testing.T) {
	p := mustMake(t, with(plan.Contribution{Owner: "aaa", Entries: entries("x", step.Tmpfs{Target: "/b-x", Size: 4096, Inodes: 2},
		step.Tmpfs{Target: "/b/c", Size: 4096, Inodes: 2}, step.Tmpfs{Target: "/b", Size: 4096, Inodes: 2})}))
	var got []string
	for _, e := range p.Entries {
		if s, ok := e.Step.(step.Placed); ok {
			got = append(got, s.Path())
		}
	}
	if want := "/b /b/c /b-x /bin /proc /usr /usr/local/x /work"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestProblems(t *testing.T) {
	third := func(steps ...step.Step) []plan.Contribution {
		return with(plan.Contribution{Owner: "third", Entries: entries("z.toml", steps...)})
	}
	without := func(owner string) []plan.Contribution {
		return slices.DeleteFunc(contributions(), func(c plan.Contribution) bool { return c.Owner == owner })
	}
	for name, row := range map[string]struct {
		cs   []plan.Contribution
		want string
	}{
		"one target, two owners": {third(step.Bind{Source: "/opt", Target: "/usr"}),
			`z.toml:1: third: /usr is already taken by mountns (c.toml:2)`},
		"one variable twice": {third(step.Env{Name: "A"}, step.Env{Name: "A"}), "z.toml:2: third: the variable A is already taken by third (z.toml:1)"},
		"a foreign kind":     {third(step.Loopback{}), "loopback is not its to return, it is for netns"},
		"the core's kind":    {third(step.Umask{}), "umask is not its to return, it is for core"},
		"a bad step":         {third(step.Tmpfs{Target: "tmp", Size: 4096, Inodes: 2}), "path is relative"},
		"below a link":       {third(step.Tmpfs{Target: "/bin/x", Size: 4096, Inodes: 2}), "cannot be below link /bin -> usr/bin of mountns (c.toml:3)"},
		"below proc":         {third(step.Bind{Source: "/x", Target: "/proc/x"}), "cannot be below proc /proc pid"},
		"a file in a bind":   {third(step.File{Target: "/usr/f"}), "cannot be made inside bind /usr -> /usr ro of mountns"},
		"a second work": {with(plan.Contribution{Owner: "mountns", Entries: entries("y", step.Work{Target: "/work2", Size: 4096, Inodes: 2})}),
			"a second work directory"},
		"no userns":         {without("userns"), "the plan has no user namespace"},
		"no idmap":          {without("userns"), "0 idmap steps, every plan has one (the planner userns returns it)"},
		"no pidns":          {without("pidns"), "the plan has no pid namespace"},
		"no netns":          {without("netns"), "the plan has no net namespace"},
		"no filter":         {without(step.Core), "0 filter steps"},
		"host network":      {with(plan.Contribution{Owner: "netns", Entries: entries("y", step.HostNetwork{})}), "both a network namespace and the host's"},
		"unknown namespace": {with(plan.Contribution{Owner: "third", Namespaces: []string{"time"}}), "unknown namespace time"},
	} {
		p, problems := plan.Make("test", row.cs)
		if p != nil || !strings.Contains(step.Problems(problems).Error(), row.want) {
			t.Errorf("%s: got\n%v\nwant %q", name, step.Problems(problems), row.want)
		}
	}
}

func TestSharedNetworkIsAStep(t *testing.T) {
	cs := contributions()
	cs[2] = plan.Contribution{Owner: "netns", Entries: entries("n", step.HostNetwork{}), Warnings: []step.Problem{{Text: "shared"}}}
	p := mustMake(t, cs)
	if slices.Contains(p.Namespaces, "net") || len(p.Warnings) != 1 {
		t.Errorf("namespaces %v, warnings %q", p.Namespaces, p.Warnings)
	}
}

func TestWith(t *testing.T) {
	value := "1"
	p := mustMake(t, with(plan.Contribution{Owner: step.Core, Entries: entries("p", step.Env{Name: "A"})}))
	q, problems := p.With(entries("--x", step.Limit{Name: "wall", Value: 5}, step.Env{Name: "A", Value: &value}, step.Cwd{Dir: "/"},
		step.Tmpfs{Target: "/opt", Size: 4096, Inodes: 2}))
	if problems != nil {
		t.Fatal(step.Problems(problems))
	}
	if q.Wall() != 5 || p.Wall() != 1e9 || len(q.Entries) != len(p.Entries)+1 {
		t.Errorf("wall %d, %d of %d entries", q.Wall(), len(q.Entries), len(p.Entries))
	}
	if _, problems = p.With(entries("--bind", step.Bind{Source: "/x", Target: "/work"})); problems == nil ||
		!strings.Contains(problems[0].String(), "/work is already taken by mountns") {
		t.Errorf("a bind over the profile's: %v", problems)
	}
	if _, problems = p.With(entries("--x", step.Sealed{})); problems == nil {
		t.Error("the command line may return the core's kinds")
	}
}

func TestRoundTrip(t *testing.T) {
	p := mustMake(t, contributions())
	once, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	q, err := plan.Decode(once)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := q.Encode()
	if err != nil || !bytes.Equal(once, twice) || p.Text() != q.Text() {
		t.Errorf("a plan that was read prints otherwise (%v):\n%s\n%s", err, once, twice)
	}
}

// TestNoStepCanBeLeftOutOrChanged removes each entry of a plan file, and moves each to another place.
func TestNoStepCanBeLeftOutOrChanged(t *testing.T) {
	p := mustMake(t, contributions())
	good, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(good, &file); err != nil {
		t.Fatal(err)
	}
	var steps []json.RawMessage
	if err := json.Unmarshal(file["steps"], &steps); err != nil {
		t.Fatal(err)
	}
	variants := 0
	try := func(what string, steps []json.RawMessage) {
		variants++
		file["steps"], err = json.Marshal(steps)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plan.Decode(data); err == nil {
			t.Errorf("%s: the plan is still taken", what)
		}
	}
	for i := range steps {
		try("without "+string(steps[i]), slices.Delete(slices.Clone(steps), i, i+1))
		try("twice "+string(steps[i]), slices.Insert(slices.Clone(steps), i, steps[i]))
		for j := range i {
			swapped := slices.Clone(steps)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			try("moved "+string(steps[i]), swapped)
		}
	}
	if variants < 400 {
		t.Errorf("only %d variants", variants)
	}
}

func FuzzPlan(f *testing.F) {
	p, problems := plan.Make("test", contributions())
	if problems != nil {
		f.Fatal(step.Problems(problems))
	}
	data, err := p.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := plan.Decode(data)
		if err != nil {
			return
		}
		once, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		q, err := plan.Decode(once)
		if err != nil {
			t.Fatalf("%v: what it printed is not taken:\n%s", err, once)
		}
		if p.Text() != q.Text() || p.Fingerprint() != q.Fingerprint() {
			t.Fatal("not the same plan after printing and reading")
		}
	})
}
