package compile

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/launch"
	"github.com/jail-sandbox/jail/core/step"
)

// Ops is the program in words, as strace(1) would show it: a line for each call, under the plan's step that it is for.
// A descriptor has the name of the register that holds it.
func (c *Compiled) Ops() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# the reaper\n%s\n", c.cloneLine())
	c.table(&b, c.Program.Setup)
	fmt.Fprintf(&b, "\n# the program\nclone3({flags=CLONE_VM|CLONE_VFORK|CLONE_CLEAR_SIGHAND, exit_signal=SIGCHLD}, 88)\n")
	c.table(&b, c.Program.Task)
	return b.String()
}

func (c *Compiled) cloneLine() string {
	flags := flagNames(c.Program.CloneFlags|unix.CLONE_PIDFD|unix.CLONE_CLEAR_SIGHAND, cloneFlagNames)
	return "clone3({flags=" + flags + ", exit_signal=SIGCHLD}, 88)"
}

func (c *Compiled) table(b *strings.Builder, ops []launch.Op) {
	entry := -1
	for _, op := range ops {
		if int(op.Entry) != entry {
			entry = int(op.Entry)
			e := c.plan.Entries[entry]
			fmt.Fprintf(b, "\n# %s: %s\n", step.Quote(e.Owner), e.Step)
		}
		b.WriteString(c.describe(op) + "\n")
	}
}

// describe is one operation.
func (c *Compiled) describe(op launch.Op) string {
	line := c.call(op)
	if op.Repeat > 0 {
		line += fmt.Sprintf(" … %d times, argument %d counting up", op.Repeat+1, op.Vary)
	}
	if op.Save != 0 {
		line += " = " + c.register(uint64(op.Save-1))
	}
	if op.Check {
		line += fmt.Sprintf(" = %d, or %s", int64(op.Want), unix.ErrnoName(unix.Errno(op.Wrong)))
	}
	for _, e := range op.Fine {
		if e != 0 {
			line += ", " + unix.ErrnoName(unix.Errno(e)) + " is fine"
		}
	}
	return line
}

// call is the system call with its arguments; each letter of the table says how to show one.
func (c *Compiled) call(op launch.Op) string {
	t, ok := callTable[op.Nr]
	if !ok {
		return fmt.Sprintf("syscall_%d(%x)", op.Nr, op.Args)
	}
	args := make([]string, len(t.args))
	for i := range t.args {
		args[i] = c.argument(op, i, t.args[i])
	}
	return t.name + "(" + strings.Join(args, ", ") + ")"
}

func (c *Compiled) argument(op launch.Op, i int, kind byte) string {
	v := op.Args[i]
	if op.Reg>>i&1 != 0 {
		return c.register(v)
	}
	if names, ok := flagTables[kind]; ok {
		return flagNames(v, names)
	}
	if names, ok := valueTables[kind]; ok {
		return valueName(v, names)
	}
	if kind == 's' || kind == 'S' && op.Ptr>>i&1 != 0 {
		return strconv.Quote(c.text(v))
	}
	if kind == 'v' {
		return c.vector(v)
	}
	if show, ok := structs[kind]; ok {
		return show(c.Program.Data[v:], op)
	}
	switch {
	case kind == 'f' && int64(v) == unix.AT_FDCWD:
		return "AT_FDCWD"
	case kind == 'o':
		return fmt.Sprintf("%#o", v)
	case kind == 'N':
		return unix.ErrnoName(unix.Errno(v))
	case kind == 'l' && v == uint64(^uint32(0)):
		return "~0U"
	case kind == 'p' || op.Ptr>>i&1 != 0:
		if v == 0 && op.Ptr>>i&1 == 0 {
			return "NULL"
		}
		return "…"
	}
	return strconv.FormatInt(int64(v), 10)
}

// text is the string at an offset of the data.
func (c *Compiled) text(at uint64) string {
	data := c.Program.Data[at:]
	for i, b := range data {
		if b == 0 {
			return string(data[:i])
		}
	}
	return string(data)
}

// vector is an argv or an environment. Preconditions: the program was not started, which makes its offsets pointers.
func (c *Compiled) vector(at uint64) string {
	var out []string
	for d := c.Program.Data[at:]; word(d, 0) != 0; d = d[8:] {
		out = append(out, strconv.Quote(c.text(word(d, 0))))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (c *Compiled) register(n uint64) string { return "<" + step.Quote(c.names[n]) + ">" }

// callTable is every call that a program can have. Letters: f descriptor, l last descriptor, N errno, s string, S string or number, o octal, d decimal,
// p pointer, v strings; those of flagTables, valueTables and structs.
var callTable = map[uint32]struct{ name, args string }{
	launch.OpSame: {"same", "pXdN"}, launch.OpDiffer: {"differ", "pXdN"}, launch.OpWipe: {"wipe", ""},
	unix.SYS_OPENAT: {"openat", "fsOo"}, unix.SYS_OPENAT2: {"openat2", "fsHd"}, unix.SYS_WRITE: {"write", "fWd"},
	unix.SYS_READ: {"read", "fpd"}, unix.SYS_CLOSE: {"close", "f"}, unix.SYS_DUP3: {"dup3", "fdO"}, unix.SYS_CLOSE_RANGE: {"close_range", "dld"},
	unix.SYS_SETHOSTNAME: {"sethostname", "sd"}, unix.SYS_SETDOMAINNAME: {"setdomainname", "sd"},
	unix.SYS_UNSHARE: {"unshare", "C"}, unix.SYS_SOCKET: {"socket", "yzd"}, unix.SYS_IOCTL: {"ioctl", "fip"},
	unix.SYS_MOUNT_SETATTR: {"mount_setattr", "fsTRd"}, unix.SYS_UMASK: {"umask", "o"}, unix.SYS_FSOPEN: {"fsopen", "sc"},
	unix.SYS_FSCONFIG: {"fsconfig", "fGSSd"}, unix.SYS_FSMOUNT: {"fsmount", "fcA"}, unix.SYS_OPEN_TREE: {"open_tree", "fsT"},
	unix.SYS_MOVE_MOUNT: {"move_mount", "fsfsV"}, unix.SYS_MKNODAT: {"mknodat", "fsod"}, unix.SYS_MKDIRAT: {"mkdirat", "fso"},
	unix.SYS_SYMLINKAT: {"symlinkat", "sfs"}, unix.SYS_STATX: {"statx", "fsTxp"}, unix.SYS_FCHDIR: {"fchdir", "f"},
	unix.SYS_PIVOT_ROOT: {"pivot_root", "ss"}, unix.SYS_UMOUNT2: {"umount2", "sD"}, unix.SYS_CHDIR: {"chdir", "s"},
	unix.SYS_KEYCTL: {"keyctl", "kd"}, unix.SYS_RT_SIGACTION: {"rt_sigaction", "gppd"},
	unix.SYS_RT_SIGPROCMASK: {"rt_sigprocmask", "mppd"}, unix.SYS_SETSID: {"setsid", ""}, unix.SYS_PRCTL: {"prctl", "PS"},
	unix.SYS_PPOLL: {"ppoll", "pdpdd"}, unix.SYS_SETGROUPS: {"setgroups", "dd"}, unix.SYS_SETRESGID: {"setresgid", "ddd"},
	unix.SYS_SETRESUID: {"setresuid", "ddd"}, unix.SYS_SETPRIORITY: {"setpriority", "rdd"},
	unix.SYS_SCHED_SETSCHEDULER: {"sched_setscheduler", "ddp"}, unix.SYS_PRLIMIT64: {"prlimit64", "dLBp"},
	unix.SYS_CAPSET: {"capset", "pp"}, unix.SYS_CAPGET: {"capget", "pp"}, unix.SYS_GETUID: {"getuid", ""},
	unix.SYS_GETGID: {"getgid", ""}, unix.SYS_GETCWD: {"getcwd", "pd"}, unix.SYS_SECCOMP: {"seccomp", "edF"},
	unix.SYS_EXECVE: {"execve", "svv"},
}

// structs shows what an argument points to.
var structs = map[byte]func(data []byte, op launch.Op) string{
	'H': func(d []byte, _ launch.Op) string { // struct open_how
		return "{flags=" + flagNames(word(d, 0), openFlagNames) + ", resolve=" + flagNames(word(d, 2), resolveNames) + "}"
	},
	'R': func(d []byte, _ launch.Op) string { // struct mount_attr
		return "{attr_set=" + flagNames(word(d, 0), mountAttrNames) + ", propagation=" + flagNames(word(d, 2), propagationNames) + "}"
	},
	'W': func(d []byte, op launch.Op) string {
		const shown = 64
		if n := op.Args[2]; n > shown {
			return strconv.Quote(string(d[:shown])) + "…"
		}
		return strconv.Quote(string(d[:op.Args[2]]))
	},
	'B': func(d []byte, _ launch.Op) string { // struct rlimit64
		return fmt.Sprintf("{rlim_cur=%s, rlim_max=%s}", rlimText(word(d, 0)), rlimText(word(d, 1)))
	},
	'F': func(d []byte, _ launch.Op) string { return fmt.Sprintf("{len=%d}", binary.NativeEndian.Uint16(d)) },
	'X': func(d []byte, op launch.Op) string { return fmt.Sprintf("%#x", d[:op.Args[2]]) },
}

func word(d []byte, i int) uint64 { return binary.NativeEndian.Uint64(d[8*i:]) }

func rlimText(v uint64) string {
	if v == maxUint {
		return "RLIM64_INFINITY"
	}
	return strconv.FormatUint(v, 10)
}

func valueName(v uint64, names []named) string {
	for _, f := range names {
		if f.value == v {
			return f.name
		}
	}
	return strconv.FormatUint(v, 10)
}

// flagNames writes a number as names joined by |, and what is left of it in hex.
func flagNames(v uint64, names []named) string {
	var out []string
	for _, f := range names {
		if f.value == v && f.value == 0 || f.value != 0 && v&f.value == f.value {
			out = append(out, f.name)
			v &^= f.value
			if v == 0 {
				break
			}
		}
	}
	if v != 0 || out == nil {
		out = append(out, fmt.Sprintf("%#x", v))
	}
	return strings.Join(out, "|")
}
