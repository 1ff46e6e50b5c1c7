package compile

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/launch"
	"github.com/jail-sandbox/jail/core/step"
)

const maxUint = ^uint64(0)

// closeFrom closes all descriptors from a number on.
func (c *compiler) closeFrom(fd int) { c.op(unix.SYS_CLOSE_RANGE, fd, uint64(^uint32(0)), 0) }

// prelude puts the launcher's descriptors where the tables expect them and closes everything else that the reaper
// inherited. They go by number, since the launcher's Go runtime has some of its own: launch-facts.
func (c *compiler) prelude() {
	c.entry = c.entryOf("descriptors")
	last := launch.RegReport
	if c.subIDs() {
		last = launch.RegGo
	}
	for r := launch.RegStdin; r <= last; r++ {
		// The register follows: a failure is reported wherever the pipe is by then.
		c.op(unix.SYS_DUP3, reg(r), launch.FdStdin+r, unix.O_CLOEXEC).Save = uint16(r) + 1
	}
	c.closeFrom(launch.FdStdin + last + 1)
	if c.req.Stdin != "" {
		c.stdinFile()
	}
}

// stdinFile opens the file for standard input through a read-only mount of its own: its owner inside could otherwise
// open /proc/self/fd/0 for writing.
func (c *compiler) stdinFile() {
	p := c.view.stdin
	tree := c.clone(c.source(p, "source"), 0, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	c.op(unix.SYS_DUP3, tree, launch.FdStdin, unix.O_CLOEXEC)
	file := c.save(c.op(unix.SYS_OPENAT, unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", launch.FdStdin),
		unix.O_RDONLY|unix.O_CLOEXEC, 0), "input")
	c.op(unix.SYS_DUP3, file, launch.FdStdin, unix.O_CLOEXEC)
}

// entryOf is the index of the entry of a kind that every plan has once.
func (c *compiler) entryOf(kind string) uint16 {
	for i, e := range c.plan.Entries {
		if e.Step.Kind() == kind {
			return uint16(i)
		}
	}
	panic("compile: a checked plan without " + kind)
}

func (c *compiler) subIDs() bool {
	return c.plan.Entries[c.entryOf("idmap")].Step.(step.IDMap).Map == step.MapSubIDs
}

// idmap gives the namespace its ids: user_namespaces(7).
func (c *compiler) idmap(s step.IDMap) error {
	if s.Map == step.MapSubIDs {
		return c.subIDMap(s)
	}
	c.write("/proc/self/setgroups", "deny") // before gid_map: user_namespaces(7), "setgroups"; CVE-2014-8989
	c.write("/proc/self/uid_map", fmt.Sprintf("%d %d 1", s.UID, c.req.Host.UID))
	c.write("/proc/self/gid_map", fmt.Sprintf("%d %d 1", s.GID, c.req.Host.GID))
	return nil
}

// subIDMap waits for newuidmap and newgidmap and becomes the subordinate ids. Sources are opened first, as the caller:
// the ids to come have no way into the caller's directories.
func (c *compiler) subIDMap(s step.IDMap) error {
	h := c.req.Host
	user := userName(h.UID)
	uid, err := subID("/etc/subuid", user, h.UID)
	if err != nil {
		return err
	}
	gid, err := subID("/etc/subgid", user, h.UID)
	if err != nil {
		return err
	}
	c.prog.IDs = &launch.IDs{UIDInside: s.UID, UIDOutside: uid, GIDInside: s.GID, GIDOutside: gid,
		NewUIDMap: "/usr/bin/newuidmap", NewGIDMap: "/usr/bin/newgidmap"}
	for _, p := range c.view.placed {
		if p.present && p.host != "" {
			c.sources[p.entry] = c.source(p, "source of "+p.path)
		}
	}
	check(c.op(unix.SYS_READ, launch.FdGo, c.bytes(make([]byte, 8)), 1), 1, unix.ECANCELED)
	c.op(unix.SYS_SETGROUPS, 0, 0)
	c.op(unix.SYS_SETRESGID, s.GID, s.GID, s.GID)
	c.op(unix.SYS_SETRESUID, s.UID, s.UID, s.UID)
	c.op(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1) // the change cleared it, and closed /proc/self to us until the reaper step
	return nil
}

// loopback brings lo up: netdevice(7).
func (c *compiler) loopback() {
	sock := c.save(c.op(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0), "socket")
	ifreq := make([]byte, 40) // struct ifreq
	copy(ifreq, "lo")
	binary.NativeEndian.PutUint16(ifreq[unix.IFNAMSIZ:], unix.IFF_UP)
	c.op(unix.SYS_IOCTL, sock, unix.SIOCSIFFLAGS, c.bytes(ifreq))
}

// reaper prepares PID 1 for its only job.
func (c *compiler) reaper() {
	c.op(unix.SYS_RT_SIGACTION, int(unix.SIGCHLD), c.bytes(make([]byte, sigactionSize)), 0, 8) // ignored, it would lose the status
	c.op(unix.SYS_SETSID)
	c.op(unix.SYS_PRCTL, unix.PR_SET_NAME, "jail-init")
	c.op(launch.OpWipe) // /proc/1/cmdline is readable by all
	// After the id maps (their files are closed to a process that is not dumpable), before the program's clone. The
	// program's exec resets it for the program alone: CVE-2016-8659, H-04.
	c.op(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
	c.op(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL)) // after the last change of credentials, which clears it
	// The launcher may be dead already, and getppid tells nothing in a new pid namespace: its end of the pipe does.
	pollfd := make([]byte, 8)
	binary.NativeEndian.PutUint32(pollfd, launch.FdReport)
	check(c.op(unix.SYS_PPOLL, c.bytes(pollfd), 1, c.words(0, 0), 0, 8), 0, unix.EPIPE)
	c.op(unix.SYS_CLOSE_RANGE, 0, 2, 0)
	c.closeFrom(launch.FdReport + 1)
}

const sigactionSize = 32 // struct kernel_sigaction; all zero is SIG_DFL

// task appends what the program's own process does.
func (c *compiler) task(s step.Step) error {
	switch s := s.(type) {
	case step.Session:
		c.op(unix.SYS_SETSID) // CVE-2017-5226: no controlling terminal
	case step.Signals:
		c.signals()
	case step.Umask:
		c.op(unix.SYS_UMASK, int(s.Mask))
	case step.Nice:
		c.scheduling()
	case step.Rlimits:
		c.defaultLimits()
	case step.Rlimit:
		return c.rlimit(s)
	case step.Limit:
		return c.limit(s)
	case step.Descriptors:
		c.descriptors()
	case step.Cwd:
		c.chdir(s)
	case step.Securebits:
		c.op(unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, securebits)
	case step.Capabilities:
		c.capabilities()
	case step.NoNewPrivs:
		c.op(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	case step.StateCheck:
		c.stateCheck()
	case step.Filter:
		return c.filter(s)
	case step.Program:
		return c.execve()
	default:
		return fmt.Errorf("no operations for a step of kind %s", s.Kind())
	}
	return nil
}

// signals: an exec keeps what is ignored, and clone3's CLONE_CLEAR_SIGHAND keeps it too.
func (c *compiler) signals() {
	dfl := c.bytes(make([]byte, sigactionSize))
	repeat(fine(c.op(unix.SYS_RT_SIGACTION, 1, dfl, 0, 8), unix.EINVAL), 64, 0) // EINVAL: SIGKILL and SIGSTOP
	c.op(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, c.words(0), 0, 8)
}

// scheduling makes the program no more important than an ordinary one; a nice or idle caller keeps it as it is.
func (c *compiler) scheduling() {
	if c.req.Host.RealTime {
		c.op(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_NORMAL, c.words(0))
	}
	c.op(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, max(0, c.req.Host.Nice))
}

// defaultRlimits is the state of every resource that a profile does not name; a lower hard limit of the caller holds.
// Soft and hard are the same. getrlimit(2).
var defaultRlimits = [numRlimits]uint64{
	unix.RLIMIT_CPU: maxUint, unix.RLIMIT_FSIZE: maxUint, unix.RLIMIT_DATA: maxUint, unix.RLIMIT_STACK: 8 << 20,
	unix.RLIMIT_CORE: 1, // 0 does not stop a core_pattern that is a pipe, 1 does: core(5)
	unix.RLIMIT_RSS:  maxUint, unix.RLIMIT_NPROC: maxUint, unix.RLIMIT_NOFILE: 1024, unix.RLIMIT_MEMLOCK: 64 << 10,
	unix.RLIMIT_AS: maxUint, unix.RLIMIT_LOCKS: maxUint, rlimitSigpending: maxUint, rlimitMsgqueue: 819200,
	rlimitNice: 0, rlimitRtprio: 0, rlimitRttime: maxUint,
}

// Resources that x/sys has no names for: bits/resource.h, the same on all architectures that we know.
const (
	rlimitSigpending = 11 + iota
	rlimitMsgqueue
	rlimitNice
	rlimitRtprio
	rlimitRttime
)

var rlimitOf = map[string]int{
	"address_space": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"file_size": unix.RLIMIT_FSIZE, "locked_memory": unix.RLIMIT_MEMLOCK, "message_queues": rlimitMsgqueue,
	"open_files": unix.RLIMIT_NOFILE, "pending_signals": rlimitSigpending, "processes": unix.RLIMIT_NPROC, "stack": unix.RLIMIT_STACK,
}

// limit is a limit of the jail. Most are enforced from outside: Program.WallNs, the copying of output.
func (c *compiler) limit(s step.Limit) error {
	if s.Name != "file_size" {
		return nil
	}
	for _, e := range c.plan.Entries {
		if r, ok := e.Step.(step.Rlimit); ok && r.Name == "file_size" && r.Value >= 0 && r.Value < s.Value {
			return nil // of the two the lower holds
		}
	}
	return c.rlimit(step.Rlimit{Name: "file_size", Value: s.Value})
}

// rlimit is one limit that the profile asks for. What the hard limit forbids is an error, never less than asked.
func (c *compiler) rlimit(s step.Rlimit) error {
	res, value := rlimitOf[s.Name], uint64(s.Value) // -1 is RLIM_INFINITY
	if hard := c.req.Host.Hard[res]; value > hard && res != unix.RLIMIT_CORE {
		return fmt.Errorf("%s is over the hard limit here, which is %d", s, hard)
	}
	c.prlimit(res, value)
	return nil
}

func (c *compiler) prlimit(res int, value uint64) {
	c.op(unix.SYS_PRLIMIT64, 0, res, c.words(value, value), 0)
}

// defaultLimits gives every other resource its known state.
func (c *compiler) defaultLimits() {
	asked := map[int]bool{}
	for _, e := range c.plan.Entries {
		if s, ok := e.Step.(step.Rlimit); ok {
			asked[rlimitOf[s.Name]] = true
		}
	}
	if _, ok := c.plan.Limit("file_size"); ok {
		asked[unix.RLIMIT_FSIZE] = true
	}
	for res, value := range defaultRlimits {
		if !asked[res] {
			c.prlimit(res, min(value, c.req.Host.Hard[res]))
		}
	}
	if c.req.Host.Hard[unix.RLIMIT_CORE] == 0 {
		c.out.Notes = append(c.out.Notes, "core: the hard limit is 0 and cannot be 1: a core_pattern that is a pipe is not stopped")
	}
}

func (c *compiler) descriptors() {
	for r := range 3 {
		c.op(unix.SYS_DUP3, launch.FdStdin+r, r, 0)
	}
	c.closeFrom(3) // CVE-2024-21626
}

func (c *compiler) chdir(s step.Cwd) {
	c.out.dir = c.view.workingDir(s, c.req.Host.Cwd)
	c.op(unix.SYS_CHDIR, c.out.dir)
}

// securebits: uid 0 has no meaning for capabilities, nothing is raised or kept, and all of it is locked: capabilities(7).
const securebits = 1<<0 | 1<<1 | // SECBIT_NOROOT, locked
	1<<2 | 1<<3 | // SECBIT_NO_SETUID_FIXUP, locked
	1<<5 | // SECBIT_KEEP_CAPS off, locked
	1<<6 | 1<<7 // SECBIT_NO_CAP_AMBIENT_RAISE, locked

// Capability numbers run to 40 today; those that a kernel does not have are EINVAL.
const capabilityNumbers = 64

// capabilities empties the five sets, the bounding set first: dropping from it needs CAP_SETPCAP.
func (c *compiler) capabilities() {
	repeat(fine(c.op(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, 0, 0, 0, 0), unix.EINVAL), capabilityNumbers, 1)
	c.op(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	c.op(unix.SYS_CAPSET, c.capHeader(), c.words(0, 0, 0))
}

func (c *compiler) capHeader() ptr { return c.words(unix.LINUX_CAPABILITY_VERSION_3) }

// stateCheck reads back what decides about privileges, after the last of it and before the filter.
func (c *compiler) stateCheck() {
	sets := c.words(maxUint, maxUint, maxUint)
	c.op(unix.SYS_CAPGET, c.capHeader(), sets)
	c.same(sets, c.words(0, 0, 0), 24, unix.EPERM)
	check(repeat(fine(c.op(unix.SYS_PRCTL, unix.PR_CAPBSET_READ, 0, 0, 0, 0), unix.EINVAL), capabilityNumbers, 1), 0, unix.EPERM)
	check(c.op(unix.SYS_PRCTL, unix.PR_GET_SECUREBITS), securebits, unix.EPERM)
	check(c.op(unix.SYS_PRCTL, unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1, unix.EPERM)
	ids := c.plan.Entries[c.entryOf("idmap")].Step.(step.IDMap)
	check(c.op(unix.SYS_GETUID), uint64(ids.UID), unix.EPERM)
	check(c.op(unix.SYS_GETGID), uint64(ids.GID), unix.EPERM)
	// A directory outside the root shows as "(unreachable)": CVE-2024-21626.
	cwd := c.bytes(make([]byte, 4096))
	c.op(unix.SYS_GETCWD, cwd, 4096)
	c.same(cwd, c.cstring("/"), 1, unix.EPERM)
}

// filter installs the seccomp program: seccomp(2). The launcher's part after it is execve and exit_group.
func (c *compiler) filter(s step.Filter) error {
	code, err := bpf(s)
	if err != nil {
		return err
	}
	at := c.bytes(code)
	fprog := c.words(uint64(len(code)/8), uint64(at)) // struct sock_fprog
	c.prog.Relocs = append(c.prog.Relocs, uint32(fprog)+8)
	c.op(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, fprog)
	return nil
}

// setenv puts a variable into the environment; without a value it is the caller's, if the caller has it.
func (c *compiler) setenv(s step.Env) {
	if s.Value != nil {
		c.env = append(c.env, s.Name+"="+*s.Value)
		return
	}
	for _, kv := range c.req.Host.Env {
		if name, _, _ := strings.Cut(kv, "="); name == s.Name {
			c.env = append(c.env, kv)
			return
		}
	}
}

// execve tries each place that the program can be at, inside: execvp(3).
func (c *compiler) execve() error {
	argv := c.req.Argv
	for _, arg := range append(argv, c.env...) {
		if strings.IndexByte(arg, 0) >= 0 {
			return fmt.Errorf(`argument "%s" has a NUL byte`, step.Quote(arg))
		}
	}
	words, env := c.pointers(argv), c.pointers(c.env)
	c.out.exec = candidates(argv[0], c.env)
	for _, file := range c.out.exec {
		fine(c.op(unix.SYS_EXECVE, file, words, env), unix.ENOENT, unix.ENOTDIR, unix.EACCES)
	}
	(*c.ops)[len(*c.ops)-1].Fine = [3]uint16{} // after the last there is nothing more to try
	return nil
}

// defaultPath serves programs named without a slash where the environment has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// candidates are the paths inside to try for a program's name. Entries of PATH that are not absolute are passed over:
// a file in the work directory must not stand for a command.
func candidates(name string, env []string) []string {
	if name == "" || strings.Contains(name, "/") {
		return []string{name}
	}
	dirs := defaultPath
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			dirs = v
		}
	}
	var out []string
	for dir := range strings.SplitSeq(dirs, ":") {
		if path.IsAbs(dir) {
			out = append(out, path.Join(dir, name))
		}
	}
	if out == nil {
		out = []string{path.Join("/", name)}
	}
	return out
}
