//go:build guest

package inside

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const noCaps = "0000000000000000"

var wantStatus = map[string]string{
	"Uid": "0 0 0 0", "Gid": "0 0 0 0", "Groups": "", "Umask": "0022", "TracerPid": "0", "NoNewPrivs": "1", "Seccomp": "2",
	"CapInh": noCaps, "CapPrm": noCaps, "CapEff": noCaps, "CapBnd": noCaps, "CapAmb": noCaps,
}

func TestStatus(t *testing.T) {
	e := jailed(t, call{argv: []string{"cat", "/proc/self/status"}})
	e.wantExit(t, 0)
	got := status(e.out)
	for name, want := range wantStatus {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestIDMaps(t *testing.T) {
	e := jailed(t, call{argv: []string{"cat", "/proc/self/uid_map", "/proc/self/gid_map"}})
	e.wantExit(t, 0)
	want := fmt.Sprintf("0 %d 1 0 %d 1", user, user)
	if got := strings.Join(strings.Fields(e.out), " "); got != want {
		t.Errorf("the maps are %s, want %s", got, want)
	}
}

// Started as root, jail is one of the users that nobody else is.
func TestStartedAsRoot(t *testing.T) {
	e := jailed(t, call{root: true, argv: []string{"cat", "/proc/self/uid_map"}})
	e.wantExit(t, 0)
	var inside, outside, count int
	if _, err := fmt.Sscan(e.out, &inside, &outside, &count); err != nil || inside != 0 || outside < 70000 || outside >= 71000 || count != 1 {
		t.Errorf("the map is %s: %v", e.out, err)
	}
}

func TestNamespacesDiffer(t *testing.T) {
	links := []string{"link"}
	for _, ns := range []string{"user", "ipc", "uts", "net", "mnt", "pid", "cgroup"} {
		links = append(links, "/proc/self/ns/"+ns)
	}
	e := jailed(t, call{argv: links})
	e.wantExit(t, 0)
	inside, outside := strings.Fields(e.out), strings.Fields(free(t, links...))
	for i, name := range links[1:] {
		if len(inside) != 7 || inside[i] == outside[i] {
			t.Errorf("%s: inside %v, outside %v", name, inside, outside)
		}
	}
}

func TestRoot(t *testing.T) {
	e := jailed(t, call{argv: []string{"list", "/"}})
	e.wantExit(t, 0)
	want := "bin dev etc lib lib64 proc sbin tmp usr work"
	if got := strings.Join(strings.Fields(e.out), " "); got != want {
		t.Errorf("the root has %s, want %s", got, want)
	}
}

func TestMountFlags(t *testing.T) {
	for _, plan := range []string{"default", "masked", "cpp-run"} {
		t.Run(plan, func(t *testing.T) {
			e := jailed(t, inPlan(plan, "cat", "/proc/self/mountinfo"))
			e.wantExit(t, 0)
			for line := range strings.Lines(e.out) {
				f := strings.Fields(line)
				flags := strings.Split(f[5], ",")
				device := strings.HasPrefix(f[4], "/dev/") && f[4] != "/dev/shm"
				if !slices.Contains(flags, "nosuid") || !device && !slices.Contains(flags, "nodev") {
					t.Errorf("%s is %s", f[4], f[5])
				}
			}
		})
	}
}

// inPlan runs probe in a plan that need not show /usr/bin.
func inPlan(plan string, argv ...string) call {
	return call{plan: plan, argv: argv, opts: []string{"--bind", probe}}
}

// What of a masked /proc is covered is empty. Before Linux 6.15 open_tree(2) copies only what is attached: what covers must
// not be on a detached mount.
func TestBugMaskedProcBefore615(t *testing.T) {
	for _, covered := range [][]string{{"cat", "/proc/interrupts"}, {"cat", "/proc/softirqs"}, {"list", "/proc/sys/kernel"}} {
		e := jailed(t, inPlan("masked", covered...))
		e.wantExit(t, 0)
		if e.out != "" || free(t, covered...) == "" {
			t.Errorf("%s: inside there is %q", covered[1], e.out)
		}
	}
	e := jailed(t, inPlan("masked", "cat", "/proc/version"))
	e.wantExit(t, 0)
	if e.out != free(t, "cat", "/proc/version") {
		t.Errorf("version is %q", e.out)
	}
}

// Calls outside and inside: a refusal that the kernel alone would give proves nothing.
var refusals = []struct {
	name            string
	call            []uint64
	outside, inside string
}{
	{"getpid", []uint64{unix.SYS_GETPID}, "0", "0"},
	{"unshare", []uint64{unix.SYS_UNSHARE, unix.CLONE_NEWUSER}, "EINVAL", "EPERM"}, // EINVAL: Go has threads
	{"clone with a namespace", []uint64{unix.SYS_CLONE, unix.CLONE_NEWUSER | unix.CLONE_FS}, "EINVAL", "EPERM"},
	{"clone3", []uint64{unix.SYS_CLONE3, 0, 0}, "EINVAL", "ENOSYS"},
	{"io_uring_setup", []uint64{unix.SYS_IO_URING_SETUP, 0, 0}, "EFAULT", "ENOSYS"},
	{"ptrace", []uint64{unix.SYS_PTRACE, unix.PTRACE_ATTACH, noPID}, "ESRCH", "EPERM"},
	{"keyctl", []uint64{unix.SYS_KEYCTL, 9999}, "ENOTSUP", "EPERM"},
	{"mount", []uint64{unix.SYS_MOUNT}, "EFAULT", "EPERM"},
	{"setns", []uint64{unix.SYS_SETNS, noFD, 0}, "EBADF", "EPERM"},
	{"seccomp", []uint64{unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL}, "EFAULT", "EPERM"},
	{"prctl of seccomp", []uint64{unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER}, "EFAULT", "EPERM"},
	{"socket of the internet", []uint64{unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM}, "0", "EPERM"},
	{"socket of netlink", []uint64{unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW}, "0", "EPERM"},
	{"socket of unix", []uint64{unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM | unix.SOCK_CLOEXEC}, "0", "0"},
	{"TIOCSTI", []uint64{unix.SYS_IOCTL, noFD, unix.TIOCSTI}, "EBADF", "EPERM"},
	{"TIOCSTI with high bits", []uint64{unix.SYS_IOCTL, noFD, high | unix.TIOCSTI}, "EBADF", "EPERM"},
	{"FIONREAD", []uint64{unix.SYS_IOCTL, noFD, unix.TIOCINQ}, "EBADF", "EBADF"},
	{"personality", []uint64{unix.SYS_PERSONALITY, 0xffffffff}, "0", "0"},
	{"personality without randomness", []uint64{unix.SYS_PERSONALITY, addrNoRandomize}, "0", "EPERM"},
	{"the same with high bits", []uint64{unix.SYS_PERSONALITY, high | addrNoRandomize}, "0", "EPERM"},
	{"a call of the future", []uint64{4000}, "ENOSYS", "ENOSYS"},
}

const (
	noFD, noPID     = 1 << 20, 1 << 23
	high            = 1 << 32 // the kernel looks at the lower half of an int
	addrNoRandomize = 0x40000 // personality(2)
)

func TestRefusedCalls(t *testing.T) {
	argv := []string{"calls"}
	for _, row := range refusals {
		argv = append(argv, strings.Trim(fmt.Sprint(row.call), "[]"))
	}
	outside := strings.Fields(free(t, argv...))
	e := jailed(t, call{argv: argv})
	e.wantExit(t, 0)
	inside := strings.Fields(e.out)
	if len(outside) != len(refusals) || len(inside) != len(refusals) {
		t.Fatalf("outside %v, inside %v", outside, inside)
	}
	for i, row := range refusals {
		t.Run(row.name, func(t *testing.T) {
			if outside[i] != row.outside || inside[i] != row.inside {
				t.Errorf("outside %s, want %s; inside %s, want %s", outside[i], row.outside, inside[i], row.inside)
			}
		})
	}
}
