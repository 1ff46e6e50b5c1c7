package launch_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/launch"
	"github.com/jail-sandbox/jail/core/report"
)

// program is the smallest that runs something: a user and a pid namespace, the table's own descriptors, an execve.
func program(argv ...string) *launch.Program {
	p := &launch.Program{CloneFlags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}
	for r := launch.RegStdin; r <= launch.RegReport; r++ {
		p.Setup = append(p.Setup, launch.Op{Nr: unix.SYS_DUP3, Reg: 1, Save: uint16(r) + 1,
			Args: [6]uint64{uint64(r), uint64(launch.FdStdin + r), unix.O_CLOEXEC}})
	}
	p.Setup = append(p.Setup, launch.Op{Nr: unix.SYS_CLOSE_RANGE, Args: [6]uint64{launch.FdReport + 1, 1<<32 - 1}})
	for fd := range 3 {
		p.Task = append(p.Task, launch.Op{Nr: unix.SYS_DUP3, Args: [6]uint64{uint64(launch.FdStdin + fd), uint64(fd)}})
	}
	var vector []byte
	for _, a := range argv {
		p.Relocs = append(p.Relocs, uint32(len(vector)))
		vector = append(vector, make([]byte, 8)...)
		_ = a
	}
	vector = append(vector, make([]byte, 8)...)
	p.Data = vector
	for i, a := range argv {
		*(*uint64)(unsafe.Pointer(&p.Data[8*i])) = uint64(len(p.Data))
		p.Data = append(append(p.Data, a...), 0)
	}
	file := *(*uint64)(unsafe.Pointer(&p.Data[0]))
	p.Task = append(p.Task, launch.Op{Nr: unix.SYS_EXECVE, Ptr: 3, Args: [6]uint64{file, 0, 0}})
	return p
}

// run starts a program on a thread of its own and waits for it.
func run(t *testing.T, p *launch.Program, meanwhile func(*launch.Jail)) report.Outcome {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := int(null.Fd())
	j, err := launch.Start(p, launch.Stdio{fd, fd, fd})
	if err != nil {
		t.Fatal(err)
	}
	if meanwhile != nil {
		go meanwhile(j)
	}
	return j.Wait()
}

func sh(script string) *launch.Program { return program("/bin/sh", "-c", script) }

func TestStatusIsTheProgramsOwn(t *testing.T) {
	for script, want := range map[string]syscall.WaitStatus{
		"exit 0": 0, "exit 1": 1 << 8, "exit 255": 255 << 8,
		"kill -ABRT $$": 6, "kill -TERM $$": 15, "kill -KILL $$": 9, "kill -SEGV $$": 11,
		"(sleep 100 &) ; exit 7": 7 << 8,
	} {
		o := run(t, sh(script), nil)
		if !o.Reported || o.Failure != nil || o.Status&^0x80 != want || o.EndNs <= o.StartNs || o.StartNs == 0 {
			t.Errorf("%s: %+v, want status %#x", script, o, want)
		}
	}
}

func TestCPUTimeOfUnwaitedChildrenCounts(t *testing.T) {
	// The spinner is its parent's grandchild and outlives nobody; only the reaper waits for it.
	o := run(t, sh(`i=0; (while [ $i -lt 200000 ]; do i=$((i+1)); done) & exec sleep 2`), nil)
	if !o.Used || time.Duration(o.UserNs+o.SystemNs) < 20*time.Millisecond {
		t.Errorf("%v of CPU time, used %v", time.Duration(o.UserNs+o.SystemNs), o.Used)
	}
}

func TestFailureNamesTheOperation(t *testing.T) {
	n := len(sh("true").Setup)
	for i := range n + len(sh("true").Task) {
		p := sh("exit 0")
		op := launch.Op{Nr: unix.SYS_CLOSE, Args: [6]uint64{1 << 20}}
		if i < n {
			p.Setup = append(p.Setup[:i:i], append([]launch.Op{op}, p.Setup[i:]...)...)
		} else {
			k := i - n
			p.Task = append(p.Task[:k:k], append([]launch.Op{op}, p.Task[k:]...)...)
		}
		o := run(t, p, nil)
		if o.Failure == nil || *o.Failure != (report.Failure{Op: i, Errno: unix.EBADF}) || o.StartNs != 0 {
			t.Errorf("operation %d: %+v", i, o.Failure)
		}
	}
}

func TestFields(t *testing.T) {
	const exited = 0
	for name, row := range map[string]struct {
		op   launch.Op
		want syscall.Errno // of the failure, or exited
	}{
		"a fine errno":         {launch.Op{Nr: unix.SYS_CLOSE, Args: [6]uint64{1 << 20}, Fine: [3]uint16{0, 0, uint16(unix.EBADF)}}, exited},
		"another errno":        {launch.Op{Nr: unix.SYS_CLOSE, Args: [6]uint64{1 << 20}, Fine: [3]uint16{uint16(unix.EPERM)}}, unix.EBADF},
		"the wanted result":    {launch.Op{Nr: unix.SYS_GETPID, Check: true, Want: 1, Wrong: uint16(unix.EPERM)}, exited},
		"another result":       {launch.Op{Nr: unix.SYS_GETPID, Check: true, Want: 2, Wrong: uint16(unix.EXDEV)}, unix.EXDEV},
		"repetition":           {launch.Op{Nr: unix.SYS_CLOSE, Repeat: 1, Args: [6]uint64{1<<20 - 1}}, unix.EBADF},
		"repetition to a name": {launch.Op{Nr: unix.SYS_PRCTL, Repeat: 3, Vary: 0, Args: [6]uint64{1 << 20}, Fine: [3]uint16{uint16(unix.EINVAL)}}, exited},
		"same":                 {launch.Op{Nr: launch.OpSame, Args: [6]uint64{0, 0, 8, uint64(unix.EPERM)}}, exited},
		"not the same":         {launch.Op{Nr: launch.OpSame, Args: [6]uint64{0, 8, 8, uint64(unix.ESTALE)}}, unix.ESTALE},
		"different":            {launch.Op{Nr: launch.OpDiffer, Args: [6]uint64{0, 8, 8, uint64(unix.ESTALE)}}, exited},
		"not different":        {launch.Op{Nr: launch.OpDiffer, Args: [6]uint64{0, 0, 8, uint64(unix.EPERM)}}, unix.EPERM},
		"wipe":                 {launch.Op{Nr: launch.OpWipe}, exited},
	} {
		p := program("/bin/true", "-x")
		p.Setup = append(p.Setup, row.op)
		o := run(t, p, nil)
		got := syscall.Errno(exited)
		if o.Failure != nil {
			got = o.Failure.Errno
		}
		if got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

func TestSkip(t *testing.T) {
	p := sh("exit 5")
	p.Setup = append(p.Setup,
		launch.Op{Nr: unix.SYS_CLOSE, Args: [6]uint64{1 << 20}, Fine: [3]uint16{uint16(unix.EBADF)}, Skip: 2},
		launch.Op{Nr: unix.SYS_EXIT_GROUP}, launch.Op{Nr: unix.SYS_EXIT_GROUP})
	if o := run(t, p, nil); o.Status.ExitStatus() != 5 {
		t.Errorf("%+v", o)
	}
}

func TestWall(t *testing.T) {
	p := sh("exec sleep 100")
	p.WallNs = int64(50 * time.Millisecond)
	o := run(t, p, nil)
	if o.Killed != report.CauseWall || o.Reported || o.EndNs-o.StartNs < p.WallNs {
		t.Errorf("%+v", o)
	}
}

func TestKillFromAnotherGoroutine(t *testing.T) {
	o := run(t, sh("exec sleep 100"), func(j *launch.Jail) {
		j.Kill(report.CauseCancelled)
		j.Kill(report.CauseWall) // too late
	})
	if o.Killed != report.CauseCancelled || o.Reported {
		t.Errorf("%+v", o)
	}
}

func TestKillAfterTheEndIsHarmless(t *testing.T) {
	var jail *launch.Jail
	got := make(chan *launch.Jail, 1)
	o := run(t, sh("exit 0"), func(j *launch.Jail) { got <- j })
	jail = <-got
	jail.Kill(report.CauseCancelled)
	if o.Killed != "" {
		t.Errorf("%+v", o)
	}
}

func TestNoDescriptorIsLeft(t *testing.T) {
	run(t, sh("exit 0"), nil)
	before := descriptors(t)
	for range 50 {
		run(t, sh("exit 0"), nil)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestChildrenAllocateNothing reads the compiler's report: what is allocated between clone and execve is a crash some day.
func TestChildrenAllocateNothing(t *testing.T) {
	out, err := exec.Command("go", "build", "-gcflags=-m", "-o", filepath.Join(t.TempDir(), "x.a"), ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	report := string(out)
	if !strings.Contains(report, "child.go") {
		t.Fatalf("the compiler says nothing about child.go:\n%s", report)
	}
	for line := range strings.Lines(report) {
		if strings.Contains(line, "child.go") && (strings.Contains(line, "escapes to heap") || strings.Contains(line, "moved to heap")) {
			t.Error(line)
		}
	}
}

// TestChildrenAreMarked: each function of child.go has the three marks that its first comment demands.
func TestChildrenAreMarked(t *testing.T) {
	src, err := os.ReadFile("child.go")
	if err != nil {
		t.Fatal(err)
	}
	funcs := regexp.MustCompile(`(?m)((?:^//.*\n)*)^func (\w+)\(.*\{$`).FindAllSubmatch(src, -1)
	if len(funcs) < 10 {
		t.Fatalf("only %d functions found", len(funcs))
	}
	for _, f := range funcs {
		for _, mark := range []string{"nosplit", "norace", "nocheckptr"} {
			if !strings.Contains(string(f[1]), "//go:"+mark) {
				t.Errorf("%s is not marked %s", f[2], mark)
			}
		}
	}
}
