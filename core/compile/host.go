package compile

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is what a compilation needs to know about the caller and the machine.
type Host struct {
	UID, GID    int
	Groups      []int // supplementary, without GID
	WasRoot     bool  // and has become another user
	Cwd         string
	Home        string
	Env         []string // the caller's
	Nice        int
	RealTime    bool // a real-time scheduling policy
	OOMScoreAdj int
	Hard        map[int]uint64    // hard limits by resource
	Namespaces  map[string]uint64 // inode numbers by /proc name
}

// Facts reads the facts of this process.
func Facts() (Host, error) {
	h := Host{UID: os.Getuid(), GID: os.Getgid(), Home: os.Getenv("HOME"), Env: os.Environ(),
		Hard: map[int]uint64{}, Namespaces: map[string]uint64{}}
	var err error
	if h.Cwd, err = os.Getwd(); err != nil {
		h.Cwd = "" // it may be gone; only a profile or option that needs it minds
	}
	groups, err := os.Getgroups()
	if err != nil {
		return h, fmt.Errorf("getgroups: %w", err)
	}
	for _, g := range groups {
		if g != h.GID {
			h.Groups = append(h.Groups, g)
		}
	}
	for res := range numRlimits {
		var lim unix.Rlimit
		if err := unix.Prlimit(0, res, nil, &lim); err != nil {
			return h, fmt.Errorf("getrlimit %d: %w", res, err)
		}
		h.Hard[res] = lim.Max
	}
	for _, ns := range namespaceLinks {
		var st unix.Stat_t
		if err := unix.Stat("/proc/self/ns/"+ns, &st); err != nil {
			return h, fmt.Errorf("/proc/self/ns/%s: %w", ns, err)
		}
		h.Namespaces[ns] = st.Ino
	}
	return h, h.scheduling()
}

// numRlimits is RLIM_NLIMITS: getrlimit(2).
const numRlimits = 16

var namespaceLinks = []string{"user", "ipc", "uts", "net", "mnt", "pid", "cgroup"}

func (h *Host) scheduling() error {
	prio, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return fmt.Errorf("getpriority: %w", err)
	}
	h.Nice = 20 - prio // the system call's range is 40..1: getpriority(2), "C library/kernel differences"
	policy, _, e := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, 0, 0, 0)
	if e != 0 {
		return fmt.Errorf("sched_getscheduler: %w", e)
	}
	h.RealTime = policy == unix.SCHED_FIFO || policy == unix.SCHED_RR || policy == unix.SCHED_DEADLINE
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return err
	}
	h.OOMScoreAdj, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return err
}

// subID is the first subordinate id of a user in /etc/subuid or /etc/subgid: subuid(5). The user is named by name or number.
func subID(file string, user string, uid int) (int, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) != 3 || fields[0] != user && fields[0] != strconv.Itoa(uid) {
			continue
		}
		return strconv.Atoi(fields[1])
	}
	return 0, fmt.Errorf("%s has no line for uid %d", file, uid)
}

// userName is the caller's name in /etc/passwd, or empty. Static programs have no other user database.
func userName(uid int) string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) > 2 && fields[2] == strconv.Itoa(uid) {
			return fields[0]
		}
	}
	return ""
}
