package seccomp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// The test binary is its own victim: with this variable it puts itself under a policy ("none" for no filter) and makes the
// calls of probes, or the one named behind a colon.
const victim = "JAIL_SECCOMP_VICTIM"

func TestMain(m *testing.M) {
	if spec := os.Getenv(victim); spec != "" {
		if err := suffer(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const minusOne = ^uintptr(0)

// probes have arguments that do no harm when a call goes through: bad descriptors, addresses and process ids.
var probes = []struct {
	call         string
	args         [3]uintptr
	filter, none string // what comes back under @judge and without a filter
}{
	{"getppid", [3]uintptr{}, "ok", "ok"},
	{"ioctl", [3]uintptr{minusOne, 0x5401}, "EBADF", "EBADF"},         // TCGETS
	{"ioctl", [3]uintptr{minusOne, 0x5412}, "EPERM", "EBADF"},         // TIOCSTI
	{"ioctl", [3]uintptr{minusOne, 0x5412 | 1<<32}, "EPERM", "EBADF"}, // the kernel sees TIOCSTI
	{"prlimit64", [3]uintptr{1<<31 - 1, 7}, "EPERM", "ESRCH"},
	{"prlimit64", [3]uintptr{0, 7}, "ok", "ok"},
	{"ptrace", [3]uintptr{minusOne, 1<<31 - 1}, "EPERM", "ESRCH"},
	{"kill", [3]uintptr{1<<31 - 1, 0}, "EPERM", "ESRCH"},
	{"socket", [3]uintptr{1, 1}, "EPERM", "ok"},
	{"personality", [3]uintptr{0xffffffff}, "ok", "ok"},
	{"openat2", [3]uintptr{}, "ENOSYS", "EINVAL"},
	{"epoll_create1", [3]uintptr{minusOne}, "ENOSYS", "EINVAL"},
}

func TestLive(t *testing.T) {
	for _, under := range []string{"none", "judge", "log"} { // what is only logged goes through
		out, err := runVictim(under)
		if err != nil {
			t.Fatalf("%s: %v: %s", under, err, out)
		}
		got := strings.Fields(out)
		for i, p := range probes {
			want := p.filter
			if under != "judge" {
				want = p.none
			}
			if len(got) != len(probes) || got[i] != want {
				t.Errorf("%s: %s%v: want %s in %v", under, p.call, p.args, want, got)
			}
		}
	}
}

func TestLiveKill(t *testing.T) {
	calls := []string{"ptrace", "kill"}
	if runtime.GOARCH == "amd64" {
		calls = append(calls, "x32")
	}
	for _, call := range calls {
		if out, err := runVictim("none:" + call); err != nil {
			t.Errorf("%s without a filter: %v: %s", call, err, out)
		}
		_, err := runVictim("judge-kill:" + call)
		exit := &exec.ExitError{}
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSYS {
			t.Errorf("%s: got %v, want death by SIGSYS", call, err)
		}
	}
}

func runVictim(spec string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // a thread that is killed alone leaves the rest waiting
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = []string{victim + "=" + spec}
	out, err := cmd.Output()
	return string(out), err
}

// suffer runs in the victim. The thread that the filter is on is never let go.
func suffer(spec string) error {
	runtime.LockOSThread()
	policy, only, _ := strings.Cut(spec, ":")
	if err := errors.Join(dropRoot(), install(policy)); err != nil {
		return err
	}
	if only == "x32" {
		syscall.RawSyscall(0x40000000|39, 0, 0, 0) // getpid
		return nil
	}
	for _, p := range probes {
		if only != "" && only != p.call {
			continue
		}
		nr, _ := number(p.call)
		_, _, errno := syscall.RawSyscall(uintptr(nr), p.args[0], p.args[1], p.args[2])
		fmt.Println(word(errno))
	}
	return nil
}

func word(errno syscall.Errno) string {
	if errno == 0 {
		return "ok"
	}
	return errnoNames()[uint64(errno)]
}

func dropRoot() error {
	if os.Geteuid() != 0 {
		return nil
	}
	const nobody = 65534
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody))
}

func install(policy string) error {
	if policy == "none" {
		return nil
	}
	r, issues := Resolve(policies[policy])
	if len(issues) > 0 {
		return fmt.Errorf("%v", issues)
	}
	bpf, err := r.Compile(runtime.GOARCH)
	if err != nil {
		return err
	}
	const setNoNewPrivs, setModeFilter = 38, 1
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	fprog := struct {
		len    uint16
		filter *byte
	}{uint16(len(bpf) / 8), &bpf[0]}
	nr, _ := number("seccomp")
	if _, _, errno := syscall.RawSyscall(uintptr(nr), setModeFilter, 0, uintptr(unsafe.Pointer(&fprog))); errno != 0 {
		return errno
	}
	return nil
}
