package compile

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/report"
	"github.com/jail-sandbox/jail/core/step"
)

var update = flag.Bool("update", false, "rewrite golden files")

// host is a caller without surprises.
func host() Host {
	h := Host{UID: 1234, GID: 1234, Cwd: "/", Home: "/nowhere", Hard: map[int]uint64{}, Namespaces: map[string]uint64{}}
	for res := range numRlimits {
		h.Hard[res] = maxUint
	}
	return h
}

func testPlan(t *testing.T, more ...step.Step) *plan.Plan {
	t.Helper()
	owned := map[string][]step.Step{
		"userns": {step.IDMap{Map: step.MapCaller}}, "ipcuts": {step.Hostname{Name: "jail"}},
		"mountns": {step.RootFS{Size: 1 << 20, Inodes: 64}}, step.Core: {step.Umask{Mask: 0o22}, step.Cwd{},
			step.Filter{Default: "ENOSYS", BPF: map[string][]byte{"amd64": make([]byte, 16), "arm64": make([]byte, 16)}}},
	}
	for _, s := range more {
		owner := step.RowOf(s).Owner
		if owner == step.Open {
			owner = "mountns"
		}
		owned[owner] = append(owned[owner], s)
	}
	var cs []plan.Contribution
	for owner, steps := range owned {
		c := plan.Contribution{Owner: owner}
		for _, s := range steps {
			c.Entries = append(c.Entries, plan.Entry{At: "a.toml:1", Step: s})
		}
		cs = append(cs, c)
	}
	cs = append(cs, plan.Contribution{Owner: "x", Namespaces: []string{"user", "ipc", "uts", "net", "mnt", "pid"}})
	p, problems := plan.Make("test", cs)
	if problems != nil {
		t.Fatal(step.Problems(problems))
	}
	return p
}

func compiled(t *testing.T, req Request, steps ...step.Step) *Compiled {
	t.Helper()
	if req.Argv == nil {
		req.Argv = []string{"true"}
	}
	c, err := Compile(testPlan(t, steps...), req)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// everything is one step of each kind that leaves a trace in the program.
func everything() []step.Step {
	value := "C.UTF-8"
	return []step.Step{
		step.Domainname{Name: "localdomain"}, step.Loopback{}, step.Tmpfs{Target: "/tmp", Size: 1 << 20, Inodes: 16, Mode: 0o1777},
		step.Tmpfs{Target: "/dev", Size: 1 << 20, Inodes: 16, Mode: 0o755, Sealed: true}, step.Device{Target: "/dev/null", Device: "null"},
		step.Bind{Source: "/usr", Target: "/usr"}, step.Bind{Source: "/does/not/exist", Target: "/opt", Optional: true},
		step.File{Target: "/etc/passwd", Content: "root:x:0:0\n", Mode: 0o644}, step.Link{Target: "/bin", To: "usr/bin"},
		step.Work{Target: "/work", Size: 1 << 20, Inodes: 16}, step.Proc{Target: "/proc", Mode: step.ProcMasked},
		step.Rlimit{Name: "stack", Value: step.Unlimited}, step.Limit{Name: "wall", Value: 1e9}, step.Env{Name: "LANG", Value: &value},
	}
}

// hostNumbers are what differs from machine to machine: inodes and devices.
var hostNumbers = regexp.MustCompile(`(?m)^(same|differ)\(…, 0x[0-9a-f]+, `)

func TestOpsGolden(t *testing.T) {
	got := hostNumbers.ReplaceAllString(compiled(t, Request{Host: host()}, everything()...).Ops(), "$1(…, HOST, ")
	const name = "testdata/ops.txt"
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
		t.Errorf("%s differs; go test ./core/compile -update shows how:\n%s", name, got)
	}
}

func TestEveryCallHasAName(t *testing.T) {
	c := compiled(t, Request{Host: host(), Stdin: "/etc/passwd"}, everything()...)
	if ops := c.Ops(); strings.Contains(ops, "syscall_") {
		t.Error(ops)
	}
}

// TestSkipsStayInTheTable: an operation that is passed over with others must not pass over the next step's.
func TestSkipsStayInTheTable(t *testing.T) {
	c := compiled(t, Request{Host: host()}, everything()...)
	for i, op := range c.Program.Setup {
		if op.Skip == 0 {
			continue
		}
		end := i + int(op.Skip)
		if c.Program.Setup[end].Entry != op.Entry || c.Program.Setup[end].Nr != unix.SYS_MOVE_MOUNT {
			t.Errorf("operation %d skips to %s", i, c.describe(c.Program.Setup[end]))
		}
	}
}

func TestTheProgramIsForThePlan(t *testing.T) {
	c := compiled(t, Request{Host: host()}, everything()...)
	const all = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if c.Program.CloneFlags != all || c.Program.WallNs != 1e9 || c.Program.Kills {
		t.Errorf("%#x, wall %d, kills %v", c.Program.CloneFlags, c.Program.WallNs, c.Program.Kills)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "loop")
	if err := os.Symlink(fifo, fifo); err != nil {
		t.Fatal(err)
	}
	low := host()
	low.Hard[unix.RLIMIT_NOFILE] = 100
	noHome := host()
	noHome.Home = ""
	for name, row := range map[string]struct {
		req  Request
		step step.Step
		want string
	}{
		"missing source":      {Request{}, step.Bind{Source: "/does/not/exist", Target: "/x"}, "mountns: bind /does/not/exist -> /x ro: no such file or directory at a.toml:1 (a bind with optional"},
		"a loop":              {Request{}, step.Bind{Source: fifo, Target: "/x", Optional: true}, "too many levels"},
		"a device":            {Request{}, step.Bind{Source: "/dev/null", Target: "/x"}, "is a device"},
		"no home":             {Request{Host: noHome}, step.Bind{Source: "$HOME/x", Target: "/x"}, `$HOME is not known: it is ""`},
		"over the hard limit": {Request{Host: low}, step.Rlimit{Name: "open_files", Value: 101}, "rlimit open_files 101 is over the hard limit here, which is 100"},
		"unlimited over it":   {Request{Host: low}, step.Rlimit{Name: "open_files", Value: step.Unlimited}, "over the hard limit"},
		"NUL in an argument":  {Request{Argv: []string{"a", "b\x00"}}, step.Loopback{}, "NUL"},
		"stdin is not there":  {Request{Stdin: "/does/not/exist"}, step.Loopback{}, "stdin /does/not/exist: no such file"},
		"protected":           {Request{Protected: []string{dir}}, step.Bind{Source: dir, Target: "/x", RW: true}, "may not reach what jail itself trusts: " + dir},
	} {
		if row.req.Argv == nil {
			row.req.Argv = []string{"true"}
		}
		if row.req.Host.Hard == nil {
			row.req.Host = host()
		}
		_, err := Compile(testPlan(t, row.step), row.req)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
}

func TestProtected(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"own/sub", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "own"), filepath.Join(dir, "alias")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "own/file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		source, protected string
		refused           bool
	}{
		{"own", "own", true}, {"own/sub", "own", true}, {".", "own", true}, {"alias", "own", true}, {"own", "alias", true},
		{"own/file", "own", true}, {"own/sub", "own/file", false}, {"own", "own/file", true},
		{"other", "own", false}, {"own", "own/not/yet", true}, {"other", "own/not/yet", false}, {"own/sub", "own/not/yet", false},
	} {
		err := checkProtected(filepath.Join(dir, row.source), []string{filepath.Join(dir, row.protected)})
		if (err != nil) != row.refused {
			t.Errorf("a writable bind of %s with %s protected: %v", row.source, row.protected, err)
		}
	}
}

func TestCandidates(t *testing.T) {
	for _, row := range []struct{ name, path, want string }{
		{"sh", "PATH=/usr/bin:/bin", "/usr/bin/sh /bin/sh"},
		{"sh", "PATH=.::bin:/bin", "/bin/sh"},
		{"sh", "HOME=/", "/usr/local/bin/sh /usr/bin/sh /bin/sh"},
		{"sh", "PATH=", "/sh"},
		{"./sh", "PATH=/bin", "./sh"},
		{"", "PATH=/bin", ""},
		{"/x/sh", "PATH=/bin", "/x/sh"},
	} {
		if got := strings.Join(candidates(row.name, []string{row.path}), " "); got != row.want {
			t.Errorf("%s with %s: %s, want %s", row.name, row.path, got, row.want)
		}
	}
}

func TestHostPath(t *testing.T) {
	dir := t.TempDir()
	for link, to := range map[string]string{"abs": "/etc/x", "rel": "sub/file", "up": "../data/sub", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	c := compiled(t, Request{Host: host()}, step.Bind{Source: dir, Target: "/data"}, step.Link{Target: "/d", To: "data"},
		step.Tmpfs{Target: "/etc", Size: 4096, Inodes: 2})
	for name, want := range map[string]string{
		"/data/sub": dir + "/sub", "/d/sub": dir + "/sub", "/data/rel": dir + "/sub/file", "/d/up/x": dir + "/sub/x",
		"/data/abs": "", "/data/loop": "", "/etc/x": "", "/none": "", "/data": dir,
	} {
		if got, _ := c.view.hostPath(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestWorkingDir(t *testing.T) {
	dir := t.TempDir()
	bind, work := step.Bind{Source: dir, Target: dir}, step.Work{Target: "/w", Size: 4096, Inodes: 2}
	for name, row := range map[string]struct {
		steps       []step.Step
		asked, from string
		want        string
	}{
		"asked for":               {[]step.Step{bind, work}, "/x", dir, "/x"},
		"visible":                 {[]step.Step{bind, work}, "", dir, dir},
		"not visible":             {[]step.Step{work}, "", dir, "/w"},
		"another one of the name": {[]step.Step{step.Bind{Source: "/usr", Target: dir}, work}, "", dir, "/w"},
		"neither":                 {nil, "", dir, "/"},
		"the caller's is gone":    {[]step.Step{bind, work}, "", "", "/w"},
		"a bound /work":           {[]step.Step{step.Bind{Source: "/usr", Target: "/work"}}, "", dir, "/work"},
	} {
		c := compiled(t, Request{Host: host()}, row.steps...)
		if got := c.view.workingDir(step.Cwd{Dir: row.asked}, row.from); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
}

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"script": "#!/no/such/interpreter -x\n", "plain": "text"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "plain"), 0o644); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "only-outside"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	caller := host()
	caller.Cwd = outside
	steps := []step.Step{step.Bind{Source: dir, Target: "/work"}, step.Bind{Source: dir, Target: "/d"}, step.Bind{Source: "/usr", Target: "/usr"}}
	for name, row := range map[string]struct {
		argv  string
		kind  string // of the step whose last operation fails
		errno unix.Errno
		want  string
	}{
		"a missing interpreter":  {"/d/script", "exec", unix.ENOENT, "core: /d/script: its interpreter /no/such/interpreter is not there inside"},
		"not executable":         {"/d/plain", "exec", unix.ENOENT, "/d/plain: permission denied"},
		"not found by name":      {"no-such-command", "exec", unix.ENOENT, "no-such-command: not found in PATH inside: /usr/local/bin:/usr/bin:/bin"},
		"relative, inside":       {"./script", "exec", unix.ENOENT, "./script: its interpreter /no/such/interpreter"},
		"relative, outside":      {"./only-outside", "exec", unix.ENOENT, "the host has " + outside + "/only-outside; --bind " + outside},
		"not found by path":      {filepath.Join(dir, "script"), "exec", unix.ENOENT, "--bind " + dir + " would show it inside"},
		"proc in a container":    {"true", "no-userns", unix.EROFS, "read-only, as in containers"},
		"a step with its number": {"true", "hostname", unix.EPERM, "ipcuts: hostname jail: operation not permitted (step 2 of "},
		"where it was asked for": {"true", "hostname", unix.EPERM, " at a.toml:1"},
		"a namespace is shared":  {"true", "state-check", unix.EPERM, "the state before the filter is not what the plan says: getcwd"},
	} {
		c := compiled(t, Request{Host: caller, Argv: []string{row.argv}}, steps...)
		last := -1
		for i := range len(c.Program.Setup) + len(c.Program.Task) {
			op := c.Program.Op(i)
			if c.plan.Entries[op.Entry].Step.Kind() == row.kind && op.Nr < 1<<16 {
				last = i
			}
		}
		err := c.NotStarted(report.Outcome{Failure: &report.Failure{Op: last, Errno: row.errno}})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
}

func TestHintsAreForStepsThatExist(t *testing.T) {
	for _, h := range hints {
		if _, ok := step.Lookup(h.step); !ok && h.step != "clone" {
			t.Errorf("a hint for %s", h.step)
		}
	}
}

func TestSubIDs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	if err := os.WriteFile(file, []byte("bad\nalice:100000:65536\n1234:200000:65536\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		user string
		uid  int
		want int
	}{{"alice", 1, 100000}, {"", 1234, 200000}, {"bob", 7, 0}} {
		if got, err := subID(file, row.user, row.uid); got != row.want || (err == nil) != (row.want != 0) {
			t.Errorf("%s %d: %d, %v", row.user, row.uid, got, err)
		}
	}
}
