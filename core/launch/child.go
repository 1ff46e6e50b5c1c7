package launch

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

//lint:file-ignore U1000 reaperMain and taskMain are called by the assembly

// Rules for this file: what runs in the children is nosplit, norace and nocheckptr, allocates nothing, writes no pointers,
// calls no function of the runtime, and reads only what Start prepared. The test TestChildrenAllocateNothing checks the
// compiler's report.

// block is all that the children know. Start fills it in; the children write only its numbers.
type block struct {
	setup, task   *Op // the reaper's operations and the program's
	setups, tasks uintptr
	data          unsafe.Pointer // where offsets start
	words         unsafe.Pointer // the launcher's argument and environment bytes
	wordBytes     uintptr
	regs          [NumRegs]uintptr

	spawn        [4]uintptr // how the program's process is made: clone3 or clone, with its arguments
	resetSignals bool       // CLONE_CLEAR_SIGHAND was not to be had

	failed uint32 // 1 + the operation of the program's process that failed, in memory that both share until the exec
	errno  uint32
	rec    record
	usage  unix.Rusage
	ts     unix.Timespec
	status int32

	pidfd                int32
	reaperArgs, taskArgs cloneArgs
	stack                [taskStack]byte // the program's process runs on it until its exec
}

const taskStack = 32 << 10

// cloneArgs is struct clone_args: clone(2).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// record is what the reaper writes to its pipe; each is one write, and shorter than PIPE_BUF.
type record struct {
	kind   uint32
	op     uint32 // recFailed
	errno  uint32 // recFailed
	status uint32 // recExited
	ns     int64  // recStarted, recExited: CLOCK_MONOTONIC
	user   int64  // recUsage: CPU time of all that ran inside, in ns
	system int64
}

const (
	recFailed  = 1 + iota // an operation failed, the program was not started
	recStarted            // the execve happened
	recExited             // the program is dead
	recUsage              // everything is dead and reaped
)

// opSpawn stands for the second clone in a record: it is no operation of a table.
const opSpawn = 1<<32 - 1

const recordSize = unsafe.Sizeof(record{})

//go:noescape
func spawnReaper(nr, a0, a1, a2 uintptr, b *block) (ret uintptr)

//go:noescape
func spawnTask(nr, a0, a1, a2 uintptr, b *block) (ret uintptr)

// reaperMain is PID 1 of the jail.
//
//go:nosplit
//go:norace
//go:nocheckptr
func reaperMain(b *block) {
	if b.resetSignals {
		defaultSignals()
	}
	if failed := run(b, b.setup, b.setups); failed != 0 {
		fail(b, uint32(failed-1))
	}
	pid := spawnTask(b.spawn[0], b.spawn[1], b.spawn[2], b.spawn[3], b)
	if int(pid) < 0 {
		b.errno = uint32(-int(pid))
		fail(b, opSpawn)
	}
	if b.failed != 0 {
		fail(b, uint32(b.setups)+b.failed-1)
	}
	send(b, recStarted)
	sys(unix.SYS_CLOSE_RANGE, FdStdin, FdStderr, 0, 0)
	reap(b, pid)
	send(b, recExited)
	sys(unix.SYS_KILL, ^uintptr(0), uintptr(unix.SIGKILL), 0, 0)
	reap(b, 0)
	sys(unix.SYS_GETRUSAGE, ^uintptr(0), uintptr(unsafe.Pointer(&b.usage)), 0, 0) // RUSAGE_CHILDREN
	send(b, recUsage)
	exit(0)
}

// taskMain is the program's process. It shares the reaper's memory and has a stack of its own.
//
//go:nosplit
//go:norace
//go:nocheckptr
func taskMain(b *block) {
	if failed := run(b, b.task, b.tasks); failed != 0 {
		b.failed = uint32(failed)
	}
	exit(1)
}

// run obeys a table. It returns 0, or 1 + the operation that failed, with its errno in b.
//
//go:nosplit
//go:norace
//go:nocheckptr
func run(b *block, ops *Op, n uintptr) uintptr {
	for i := uintptr(0); i < n; i++ {
		op := (*Op)(unsafe.Add(unsafe.Pointer(ops), i*unsafe.Sizeof(Op{})))
		skip := uintptr(0)
		for k := uintptr(0); k <= uintptr(op.Repeat); k++ {
			errno := do(b, op, k)
			if errno == 0 {
				continue
			}
			if errno != uint32(op.Fine[0]) && errno != uint32(op.Fine[1]) && errno != uint32(op.Fine[2]) {
				b.errno = errno
				return i + 1
			}
			skip = uintptr(op.Skip)
		}
		i += skip
	}
	return 0
}

// do makes one system call of the table, the k-th of its repetitions, and gives its errno.
//
//go:nosplit
//go:norace
//go:nocheckptr
func do(b *block, op *Op, k uintptr) uint32 {
	switch op.Nr {
	case OpSame, OpDiffer:
		if same(unsafe.Add(b.data, op.Args[0]), unsafe.Add(b.data, op.Args[1]), uintptr(op.Args[2])) != (op.Nr == OpSame) {
			return uint32(op.Args[3])
		}
		return 0
	case OpWipe:
		wipe(b.words, b.wordBytes)
		return 0
	}
	r, _, e := syscall.RawSyscall6(uintptr(op.Nr), arg(b, op, 0, k), arg(b, op, 1, k), arg(b, op, 2, k), arg(b, op, 3, k),
		arg(b, op, 4, k), arg(b, op, 5, k))
	if e != 0 {
		return uint32(e)
	}
	if op.Check && r != uintptr(op.Want) {
		return uint32(op.Wrong)
	}
	if op.Save != 0 {
		b.regs[(op.Save-1)%NumRegs] = r
	}
	return 0
}

//go:nosplit
//go:norace
//go:nocheckptr
func arg(b *block, op *Op, i uint8, k uintptr) uintptr {
	v := uintptr(op.Args[i%6])
	if op.Reg>>i&1 != 0 {
		v = b.regs[v%NumRegs]
	}
	if op.Ptr>>i&1 != 0 {
		v += uintptr(b.data)
	}
	if op.Repeat != 0 && op.Vary == i {
		v += k
	}
	return v
}

//go:nosplit
//go:norace
//go:nocheckptr
func same(x, y unsafe.Pointer, n uintptr) bool {
	for i := uintptr(0); i < n; i++ {
		if *(*byte)(unsafe.Add(x, i)) != *(*byte)(unsafe.Add(y, i)) {
			return false
		}
	}
	return true
}

//go:nosplit
//go:norace
//go:nocheckptr
func wipe(p unsafe.Pointer, n uintptr) {
	for i := uintptr(0); i < n; i++ {
		*(*byte)(unsafe.Add(p, i)) = 0
	}
}

// reap waits for children until the given one is dead, whose status it keeps, or, for 0, until there are none.
//
//go:nosplit
//go:norace
//go:nocheckptr
func reap(b *block, pid uintptr) {
	for {
		got, e := sys(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&b.status)), unix.WALL, 0)
		if e == uintptr(unix.ECHILD) || got == pid && pid != 0 {
			return
		}
	}
}

// send writes a record of the kind to the launcher, with the time and what the block holds.
//
//go:nosplit
//go:norace
//go:nocheckptr
func send(b *block, kind uint32) {
	sys(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&b.ts)), 0, 0)
	b.rec.kind = kind
	b.rec.errno = b.errno
	b.rec.status = uint32(b.status)
	b.rec.ns = b.ts.Sec*1e9 + b.ts.Nsec
	b.rec.user = b.usage.Utime.Sec*1e9 + b.usage.Utime.Usec*1e3
	b.rec.system = b.usage.Stime.Sec*1e9 + b.usage.Stime.Usec*1e3
	sys(unix.SYS_WRITE, b.regs[RegReport], uintptr(unsafe.Pointer(&b.rec)), recordSize, 0)
}

// fail reports an operation and ends the reaper, and with it the jail.
//
//go:nosplit
//go:norace
//go:nocheckptr
func fail(b *block, op uint32) {
	b.rec.op = op
	send(b, recFailed)
	exit(1)
}

// defaultSignals resets every disposition, where clone3 could not do it: Go's handlers must not run here.
//
//go:nosplit
//go:norace
//go:nocheckptr
func defaultSignals() {
	var dfl [4]uintptr // struct kernel_sigaction, all zero: SIG_DFL
	for sig := uintptr(1); sig <= 64; sig++ {
		sys(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&dfl)), 0, 8)
	}
}

//go:nosplit
//go:norace
//go:nocheckptr
func exit(code uintptr) {
	for {
		sys(unix.SYS_EXIT_GROUP, code, 0, 0, 0)
	}
}

//go:nosplit
//go:norace
//go:nocheckptr
func sys(nr, a, b, c, d uintptr) (r, errno uintptr) {
	r, _, e := syscall.RawSyscall6(nr, a, b, c, d, 0, 0)
	return r, uintptr(e)
}
