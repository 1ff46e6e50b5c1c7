// Package compile turns a plan, the host's facts and a command into a program for core/launch.
//
//	prog, err := compile.Compile(p, compile.Request{Argv: argv, Host: host})
//
// It is cheap, and runs on every launch: it fills the plan's slots, opens the sources of binds and decides what is a
// directory. A plan, cached or shipped, is therefore never stale about the host. Each operation says in a comment what
// manual page or trap is behind it; Ops shows them in words.
package compile

import (
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/launch"
	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/step"
)

// A Request is what a run adds to a plan.
type Request struct {
	Argv      []string // the program and its arguments, resolved inside
	Host      Host     // facts about the caller
	Stdin     string   // a file of the host to be read as standard input, through a read-only mount; empty: a descriptor
	Protected []string // directories of our own that no writable bind may reach
}

// A Compiled is a program with what is needed to talk about it.
type Compiled struct {
	Program *launch.Program
	Notes   []string // what the host could not give, for the result

	plan  *plan.Plan
	view  *view
	exec  []string // the candidates for the program, in order
	cwd   string   // the caller's directory
	dir   string   // the program's, inside
	names []string // of registers
}

// compiler is one compilation.
type compiler struct {
	*builder
	plan    *plan.Plan
	req     Request
	view    *view
	root    reg
	inside  map[string]reg // file systems of our own, by path: their files are made relative to them
	sources map[int]reg    // by entry: sources that are opened before the ids change
	env     []string
	out     *Compiled
}

// Compile makes the program. Nothing is started, and no descriptor stays open.
func Compile(p *plan.Plan, req Request) (*Compiled, error) {
	view, err := look(p, req)
	if err != nil {
		return nil, err
	}
	prog := &launch.Program{WallNs: p.Wall(), Kills: kills(p.Filter()), CloneFlags: cloneFlags(p)}
	c := &compiler{builder: newBuilder(prog), plan: p, req: req, view: view, inside: map[string]reg{},
		sources: map[int]reg{}, out: &Compiled{Program: prog, plan: p, view: view, cwd: req.Host.Cwd}}
	if err := checkRegisters(view); err != nil {
		return nil, err
	}
	c.prelude()
	for i, e := range p.Entries {
		c.entry = uint16(i)
		if e.Phase() == step.Process {
			c.ops = &prog.Task
		}
		if err := c.step(i, e); err != nil {
			return nil, &Error{Entry: e, Errno: errnoOf(err), Text: err.Error()}
		}
	}
	c.out.names = c.names
	return c.out, nil
}

// step appends one entry's operations.
func (c *compiler) step(i int, e plan.Entry) error {
	switch s := e.Step.(type) {
	case step.IDMap:
		return c.idmap(s)
	case step.Hostname:
		c.op(unix.SYS_SETHOSTNAME, s.Name, len(s.Name))
	case step.Domainname:
		c.op(unix.SYS_SETDOMAINNAME, s.Name, len(s.Name))
	case step.Cgroupns:
		c.op(unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP) // cgroup_namespaces(7): rooted where the process is now
	case step.Loopback:
		c.loopback()
	case step.HostNetwork:
	case step.Private:
		c.private()
	case step.RootFS:
		c.rootfs(s)
	case step.Tmpfs:
		c.tmpfs(s)
	case step.Work:
		c.tmpfs(step.Tmpfs{Target: s.Target, Size: s.Size, Inodes: s.Inodes, Mode: 0o755})
	case step.Bind:
		c.bind(i, s)
	case step.Device:
		c.device(i, s)
	case step.File:
		c.file(s)
	case step.Link:
		dir, rel := c.home(s.Target)
		c.op(unix.SYS_SYMLINKAT, s.To, dir, rel)
	case step.Proc:
		c.proc(s)
	case step.NoUserns:
		c.write("/proc/sys/user/max_user_namespaces", "0") // of the opener's namespace: user_namespaces(7)
	case step.Keyring:
		c.op(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
	case step.OOMScore:
		c.write("/proc/self/oom_score_adj", fmt.Sprint(max(0, c.req.Host.OOMScoreAdj)))
	case step.Sealed:
		c.seal()
	case step.PivotRoot:
		c.pivot()
	case step.ReaperProcess:
		c.reaper()
	case step.Env:
		c.setenv(s)
	default:
		return c.task(s)
	}
	return nil
}

// cloneFlags are the namespaces of the first clone. The cgroup namespace is unshared later, inside the group.
func cloneFlags(p *plan.Plan) uint64 {
	flags := map[string]uint64{"user": unix.CLONE_NEWUSER, "ipc": unix.CLONE_NEWIPC, "uts": unix.CLONE_NEWUTS,
		"net": unix.CLONE_NEWNET, "mnt": unix.CLONE_NEWNS, "pid": unix.CLONE_NEWPID}
	var all uint64
	for _, ns := range p.Namespaces {
		all |= flags[ns]
	}
	return all
}

func kills(f step.Filter) bool {
	for _, r := range f.Rules {
		if r.Action == "kill" {
			return true
		}
	}
	return f.Default == "kill"
}

// checkRegisters keeps a plan within the table's registers: at most one for each thing inside, and some in passing.
func checkRegisters(v *view) error {
	const others = 32
	if most := launch.NumRegs - others; len(v.placed) > most {
		return fmt.Errorf("the plan makes %d things inside, this version makes %d at most", len(v.placed), most)
	}
	return nil
}

// bpf is the filter's program for the machine we run on.
func bpf(f step.Filter) ([]byte, error) {
	code, ok := f.BPF[runtime.GOARCH]
	if !ok {
		return nil, fmt.Errorf("the plan has no filter for %s", runtime.GOARCH)
	}
	return code, nil
}

// relative is an absolute path without its slash, for the *at calls.
func relative(path string) string {
	return strings.TrimPrefix(path, "/")
}
