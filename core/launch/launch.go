package launch

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/report"
)

// Stdio are the descriptors that become 0, 1 and 2 of the program. They stay the caller's to close.
type Stdio [3]int

// setupLimit bounds the time until the exec: a source on a dead network file system would hang for ever.
const setupLimit = 30 * time.Second

// A Jail is a reaper and all that lives in its namespaces.
type Jail struct {
	program *Program
	block   *block // on the heap: its address is in it
	reports int    // the pipe's read end, non-blocking
	pid     int
	began   time.Time

	mu     sync.Mutex // guards the rest: Kill may come from anywhere
	pidfd  int        // -1 when the reaper has been waited for
	killed string
}

// Start makes the jail and lets it go. It returns when the reaper exists; whether the program does is Wait's to tell.
//
// Preconditions: the calling goroutine is locked to its thread, and that thread lives until Wait returns: the jail dies
// with the thread that made it (PR_SET_PDEATHSIG).
func Start(p *Program, stdio Stdio) (*Jail, error) {
	pipes, err := openPipes(p.IDs != nil)
	if err != nil {
		return nil, err
	}
	defer pipes.closeChildEnds()
	b := newBlock(p)
	j := &Jail{program: p, block: b}
	for reg, fd := range []int{stdio[0], stdio[1], stdio[2], pipes.reportW, pipes.goR} {
		if fd < 0 {
			continue
		}
		// Above the numbers that the table will use: its dup3s must not overwrite one another.
		high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, FdFree)
		if err != nil {
			pipes.closeParentEnds()
			return nil, fmt.Errorf("descriptor %d: %w", fd, err)
		}
		defer unix.Close(high)
		b.regs[reg] = uintptr(high)
	}
	pid, pidfd, err := spawn(p, b)
	if err != nil {
		pipes.closeParentEnds()
		return nil, fmt.Errorf("clone: %w", err)
	}
	j.pid, j.pidfd, j.began, j.reports = pid, pidfd, time.Now(), pipes.reportR
	if p.IDs != nil {
		if err := j.mapIDs(pipes.goW); err != nil {
			j.Kill(report.CauseSetup)
			j.Wait()
			return nil, err
		}
	}
	return j, nil
}

type pipes struct{ reportR, reportW, goR, goW int }

func openPipes(wantGo bool) (pipes, error) {
	p := pipes{-1, -1, -1, -1}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return p, fmt.Errorf("pipe: %w", err)
	}
	p.reportR, p.reportW = fds[0], fds[1]
	if err := unix.SetNonblock(p.reportR, true); err != nil {
		return p, fmt.Errorf("pipe: %w", err)
	}
	if !wantGo {
		return p, nil
	}
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		p.closeChildEnds()
		p.closeParentEnds()
		return p, fmt.Errorf("pipe: %w", err)
	}
	p.goR, p.goW = fds[0], fds[1]
	return p, nil
}

func (p pipes) closeChildEnds()  { closeAll(p.reportW, p.goR) }
func (p pipes) closeParentEnds() { closeAll(p.reportR, p.goW) }

func closeAll(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// newBlock lays out what the children need, with the addresses of this process: theirs are the same.
func newBlock(p *Program) *block {
	b := &block{data: unsafe.Pointer(unsafe.SliceData(p.Data))}
	for _, off := range p.Relocs {
		word := (*uint64)(unsafe.Pointer(&p.Data[off]))
		*word += uint64(uintptr(b.data))
	}
	p.Relocs = nil // made pointers once; a Program is for one run
	b.setup, b.setups = unsafe.SliceData(p.Setup), uintptr(len(p.Setup))
	b.task, b.tasks = unsafe.SliceData(p.Task), uintptr(len(p.Task))
	b.words, b.wordBytes = ownWords()
	return b
}

// ownWords is where the kernel put this process's arguments and environment: /proc/1/cmdline inside would show the
// launcher's words. The strings of os.Args and of the environment lie there, one after the other.
func ownWords() (start unsafe.Pointer, size uintptr) {
	if len(os.Args) == 0 {
		return nil, 0
	}
	start = unsafe.Pointer(unsafe.StringData(os.Args[0]))
	for _, word := range slices.Concat(os.Args, syscall.Environ()) {
		at := unsafe.Pointer(unsafe.StringData(word))
		if at == unsafe.Add(start, size) { // still in one row: Setenv and tests put others elsewhere
			size += uintptr(len(word)) + 1
		}
	}
	return start, size
}

// spawn makes the reaper, by clone3, or by clone where clone3 is not to be had: container runtimes answer ENOSYS to it.
func spawn(p *Program, b *block) (pid, pidfd int, err error) {
	const shared = unix.CLONE_VM | unix.CLONE_VFORK
	b.pidfd = -1
	base := (uintptr(unsafe.Pointer(&b.stack)) + 15) &^ 15 // arm64 wants its stack pointer aligned
	b.taskArgs = cloneArgs{flags: shared | unix.CLONE_CLEAR_SIGHAND, exitSignal: uint64(unix.SIGCHLD),
		stack: uint64(base), stackSize: taskStack - 16}
	b.reaperArgs = cloneArgs{flags: p.CloneFlags | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND,
		pidfd: uint64(uintptr(unsafe.Pointer(&b.pidfd))), exitSignal: uint64(unix.SIGCHLD)}
	b.spawn = [4]uintptr{unix.SYS_CLONE3, uintptr(unsafe.Pointer(&b.taskArgs)), unsafe.Sizeof(cloneArgs{})}

	ret := int(spawnReaper(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&b.reaperArgs)), unsafe.Sizeof(cloneArgs{}), 0, b))
	if ret == -int(unix.ENOSYS) {
		b.resetSignals = true
		b.spawn = [4]uintptr{unix.SYS_CLONE, shared | uintptr(unix.SIGCHLD), base + taskStack - 16}
		ret = spawnMasked(uintptr(p.CloneFlags)|unix.CLONE_PIDFD|uintptr(unix.SIGCHLD), b)
	}
	runtime.KeepAlive(p)
	if ret < 0 {
		return 0, -1, syscall.Errno(-ret)
	}
	return ret, int(b.pidfd), nil
}

// spawnMasked is the clone without CLONE_CLEAR_SIGHAND: no signal may arrive between it and the child's reset.
func spawnMasked(flags uintptr, b *block) int {
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return -int(unix.EINVAL)
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	return int(spawnReaper(unix.SYS_CLONE, flags, 0, uintptr(unsafe.Pointer(&b.pidfd)), b))
}

// mapIDs has newuidmap and newgidmap write the maps, then lets the reaper go on.
func (j *Jail) mapIDs(goW int) error {
	defer unix.Close(goW)
	ids := j.program.IDs
	maps := []struct {
		tool            string
		inside, outside int
	}{{ids.NewUIDMap, ids.UIDInside, ids.UIDOutside}, {ids.NewGIDMap, ids.GIDInside, ids.GIDOutside}}
	for _, m := range maps {
		argv := []string{m.tool, fmt.Sprint(j.pid), fmt.Sprint(m.inside), fmt.Sprint(m.outside), "1"}
		if err := runTool(argv); err != nil {
			return err
		}
	}
	_, err := unix.Write(goW, []byte{1})
	return err
}

// runTool runs a helper of the system by its absolute path, with an empty environment.
func runTool(argv []string) error {
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: []string{}, Files: []uintptr{0, 2, 2}})
	if err != nil {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	var ws unix.WaitStatus
	for {
		_, err = unix.Wait4(pid, &ws, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil || ws.ExitStatus() != 0 {
		return fmt.Errorf("%s: exit status %d", argv[0], ws.ExitStatus())
	}
	return nil
}

// Kill ends the jail and everything in it, from any goroutine, at any time; cause is what Wait reports. Only the first
// of several counts. After the end it does nothing.
func (j *Jail) Kill(cause string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.pidfd < 0 {
		return
	}
	if j.killed == "" {
		j.killed = cause
	}
	unix.PidfdSendSignal(j.pidfd, unix.SIGKILL, nil, 0)
}

// Wait sleeps until everything in the jail is dead, enforcing the wall limit meanwhile, and says what happened.
// Preconditions: called once, on the thread that called Start.
func (j *Jail) Wait() report.Outcome {
	var o report.Outcome
	defer unix.Close(j.reports)
	for dead, over := false, false; !dead; {
		fds := []unix.PollFd{{Fd: int32(j.pidfd), Events: unix.POLLIN}, {Fd: int32(j.reports), Events: unix.POLLIN}}
		if over { // its other end is closed: only the reaper's death is left to wait for
			fds = fds[:1]
		}
		if n, err := unix.Ppoll(fds, j.timeout(&o), nil); n == 0 && err == nil {
			j.Kill(j.overdue(&o))
			continue
		}
		over = j.read(&o) || over
		dead = fds[0].Revents != 0
	}
	j.read(&o)
	j.bury(&o)
	return o
}

// bury reaps the dead reaper. Its own usage tells nothing: the kernel, which ends what is left in the namespace, does not
// count it for anybody.
func (j *Jail) bury(o *report.Outcome) {
	for {
		if _, err := unix.Wait4(j.pid, nil, unix.WALL, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if !o.Reported {
		o.EndNs = monotonic()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	unix.Close(j.pidfd)
	j.pidfd = -1
	o.Killed = j.killed
}

// timeout is how long Wait may sleep: until the wall limit, or before the exec until the set-up's; nil is for ever.
func (j *Jail) timeout(o *report.Outcome) *unix.Timespec {
	j.mu.Lock()
	killed := j.killed != ""
	j.mu.Unlock()
	var left int64
	switch {
	case killed || o.StartNs != 0 && (j.program.WallNs == 0 || o.EndNs != 0):
		return nil
	case o.StartNs != 0:
		left = j.program.WallNs - (monotonic() - o.StartNs)
	default:
		left = int64(setupLimit - time.Since(j.began))
	}
	ts := unix.NsecToTimespec(max(left, 0))
	return &ts
}

func (j *Jail) overdue(o *report.Outcome) string {
	if o.StartNs != 0 {
		return report.CauseWall
	}
	return report.CauseSetup
}

func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("launch: no CLOCK_MONOTONIC: " + err.Error())
	}
	return ts.Nano()
}

// read takes the reaper's records, as many as there are, and says whether there can be more.
func (j *Jail) read(o *report.Outcome) (over bool) {
	for {
		var r record
		buf := unsafe.Slice((*byte)(unsafe.Pointer(&r)), recordSize)
		n, err := unix.Read(j.reports, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n != int(recordSize) {
			return n == 0 && err == nil
		}
		switch r.kind {
		case recFailed:
			o.Failure = &report.Failure{Op: int(int32(r.op)), Errno: syscall.Errno(r.errno)}
		case recStarted:
			o.StartNs = r.ns
		case recExited:
			o.Reported, o.EndNs, o.Status = true, r.ns, syscall.WaitStatus(r.status)
		case recUsage:
			o.Used, o.UserNs, o.SystemNs = true, r.user, r.system
		}
	}
}
