// Package launch runs a program: it makes the processes of a jail and obeys a table of system calls, nothing else.
//
//	j, err := launch.Start(program, launch.Stdio{0, 1, 2})
//	outcome := j.Wait()
//
// Start makes one process with all the namespaces, the reaper. The reaper, PID 1 of the jail, goes through Program.Setup,
// then makes the program's process, which goes through Program.Task; its last operation is the execve. The reaper then
// reaps, reports the program's status on a pipe of its own, and goes. Nothing here decides: what may fail, and what then,
// is a field of the operation.
//
// Everything between the clone and the execve (child.go) runs in a copy of a multithreaded Go process with only one of
// its threads: no allocation, no stack growth, no locks, no runtime.
package launch

// An Op is one system call of the table. Zero values mean: no such thing.
type Op struct {
	Args   [6]uint64
	Want   uint64    // the result that Check demands
	Nr     uint32    // the call's number, or one of the launcher's own operations
	Wrong  uint16    // the errno that stands for a result other than Want
	Fine   [3]uint16 // errnos that are no failure
	Skip   uint16    // how many operations are passed over after one of them
	Repeat uint16    // run so many times more, with Args[Vary] one larger each time
	Save   uint16    // 1 + the register that takes the result
	Entry  uint16    // the plan's entry that this belongs to, for messages
	Vary   uint8
	Ptr    uint8 // bit i: Args[i] is an offset in Data
	Reg    uint8 // bit i: Args[i] is the number of a register
	Check  bool  // the result must be Want
}

// The launcher's own operations: comparisons of memory, so that what a call read can decide without code.
const (
	OpSame   = 1<<16 + iota // Args[2] bytes at Args[0] and Args[1] are equal, else the errno Args[3]
	OpDiffer                // they differ, else the errno Args[3]
	OpWipe                  // overwrite the launcher's argument and environment bytes with zeros
)

// Registers of the reaper's table. Start fills the first ones, operations save results in the others.
const (
	RegStdin = iota // the descriptors that Start was given, and its own
	RegStdout
	RegStderr
	RegReport
	RegGo // read end of a pipe: one byte when the id maps are written from outside
	RegUser
	NumRegs = 512
)

// Descriptors inside: where the table must put the launcher's before it closes the others.
const (
	FdStdin  = 3 + RegStdin
	FdStdout = 3 + RegStdout
	FdStderr = 3 + RegStderr
	FdReport = 3 + RegReport // the reaper reports here
	FdGo     = 3 + RegGo
	FdFree   = 3 + RegUser // the table's own begin here
)

// A Program is a plan compiled for this host and this run. It is never stored.
type Program struct {
	CloneFlags uint64   // the namespaces of the first clone
	Data       []byte   // strings and structs that operations point to
	Relocs     []uint32 // offsets in Data of 8-byte words that hold offsets in Data: made pointers at the start
	Setup      []Op     // the reaper's
	Task       []Op     // the program's; an execve is the last
	IDs        *IDs     // the maps to be written from outside, by newuidmap and newgidmap; nil: the table writes them
	WallNs     int64    // the wall limit, 0 for none
	Kills      bool     // the filter has rules that kill
}

// IDs is a one-line map for newuidmap(1) and newgidmap(1).
type IDs struct {
	UIDInside, UIDOutside, GIDInside, GIDOutside int
	NewUIDMap, NewGIDMap                         string // absolute paths
}

// Op finds an operation by its number in a failure.
func (p *Program) Op(i int) Op {
	if i < len(p.Setup) {
		return p.Setup[i]
	}
	return p.Task[min(i-len(p.Setup), len(p.Task)-1)]
}
