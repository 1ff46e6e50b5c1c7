package step

import (
	"fmt"
	"strings"
)

// The core's own kinds. Those without fields are in every plan: Required.

// fixed is embedded in the core's steps that have nothing to choose.
type fixed struct{}

func (fixed) Check() error { return nil }

type (
	// Cgroupns is unshare(CLONE_NEWCGROUP), made when the process is in its group.
	Cgroupns struct{ fixed }
	// Private is MS_REC|MS_PRIVATE over everything, before anything is mounted.
	Private struct{ fixed }
	// NoUserns writes 0 to max_user_namespaces of the jail's user namespace.
	NoUserns struct{ fixed }
	// Keyring joins a new anonymous session keyring: session-keyring(7).
	Keyring struct{ fixed }
	// OOMScore raises oom_score_adj to 0, so that a protected caller does not protect a jail.
	OOMScore struct{ fixed }
	// Sealed makes the root and each Tmpfs that says so read-only.
	Sealed struct{ fixed }
	// PivotRoot is pivot_root(2) and the detaching of the old root.
	PivotRoot struct{ fixed }
	// ReaperProcess makes PID 1 unreadable (PR_SET_DUMPABLE 0, its argv and environment wiped) and mortal (PR_SET_PDEATHSIG).
	ReaperProcess struct{ fixed }
	// Session is setsid(2).
	Session struct{ fixed }
	// Signals resets all dispositions and the mask.
	Signals struct{ fixed }
	// Nice raises the nice value to 0.
	Nice struct{ fixed }
	// Descriptors puts stdio on 0, 1 and 2 and closes the others.
	Descriptors struct{ fixed }
	// Rlimits gives every resource that no Rlimit names its default: getrlimit(2).
	Rlimits struct{ fixed }
	// Capabilities empties the five sets: capabilities(7).
	Capabilities struct{ fixed }
	// Securebits locks SECBIT_NOROOT and its companions.
	Securebits struct{ fixed }
	// NoNewPrivs is PR_SET_NO_NEW_PRIVS.
	NoNewPrivs struct{ fixed }
	// StateCheck reads back what the steps before it made.
	StateCheck struct{ fixed }
	// Program is execve(2) of what the command line names.
	Program struct{ fixed }
)

func (Cgroupns) Kind() string      { return "cgroupns" }
func (Private) Kind() string       { return "private" }
func (NoUserns) Kind() string      { return "no-userns" }
func (Keyring) Kind() string       { return "keyring" }
func (OOMScore) Kind() string      { return "oom-score" }
func (Sealed) Kind() string        { return "seal" }
func (PivotRoot) Kind() string     { return "pivot" }
func (ReaperProcess) Kind() string { return "reaper" }
func (Session) Kind() string       { return "session" }
func (Signals) Kind() string       { return "signals" }
func (Nice) Kind() string          { return "nice" }
func (Descriptors) Kind() string   { return "descriptors" }
func (Rlimits) Kind() string       { return "rlimits" }
func (Capabilities) Kind() string  { return "capabilities" }
func (Securebits) Kind() string    { return "securebits" }
func (NoNewPrivs) Kind() string    { return "no-new-privs" }
func (StateCheck) Kind() string    { return "state-check" }
func (Program) Kind() string       { return "exec" }

func (Cgroupns) String() string      { return "cgroupns" }
func (Private) String() string       { return "private mounts" }
func (NoUserns) String() string      { return "no-userns max_user_namespaces=0" }
func (Keyring) String() string       { return "keyring empty" }
func (OOMScore) String() string      { return "oom-score at least 0" }
func (Sealed) String() string        { return "seal the root" }
func (PivotRoot) String() string     { return "pivot, the host's root detached" }
func (ReaperProcess) String() string { return "reaper" }
func (Session) String() string       { return "session" }
func (Signals) String() string       { return "signals default, unblocked" }
func (Nice) String() string          { return "nice at least 0" }
func (Descriptors) String() string   { return "descriptors 0, 1, 2" }
func (Rlimits) String() string       { return "rlimits default" }
func (Capabilities) String() string  { return "capabilities none" }
func (Securebits) String() string    { return "securebits locked" }
func (NoNewPrivs) String() string    { return "no-new-privs" }
func (StateCheck) String() string    { return "state-check" }
func (Program) String() string       { return "exec" }

// Required are the steps that every plan has, in order. The core adds them; a plan without one is refused.
var Required = []Step{Cgroupns{}, Private{}, NoUserns{}, Keyring{}, OOMScore{}, Sealed{}, PivotRoot{}, ReaperProcess{},
	Session{}, Signals{}, Nice{}, Descriptors{}, Rlimits{}, Securebits{}, Capabilities{}, NoNewPrivs{}, StateCheck{}, Program{}}

// RequiredOnce are kinds with fields of which every plan has exactly one.
var RequiredOnce = []string{"idmap", "root", "umask", "cwd", "filter"}

// Umask is umask(2).
type Umask struct {
	Mask uint32 `json:"mask"`
}

func (Umask) Kind() string { return "umask" }
func (s Umask) Check() error {
	if s.Mask > 0o777 {
		return fmt.Errorf("umask %04o has bits that are no permissions", s.Mask)
	}
	return nil
}
func (s Umask) String() string { return fmt.Sprintf("umask %04o", s.Mask) }

// Rlimit is one limit of every process: getrlimit(2). Where the plan has none for a resource, the core's default holds.
type Rlimit struct {
	Name  string `json:"name"`  // from RlimitNames
	Value int64  `json:"value"` // soft and hard; bytes, seconds or a count, as the resource says; -1 is unlimited
}

// RlimitNames are the keys of [limits.process], with the unit of each: "size", "time" (whole seconds) or "count".
var RlimitNames = []struct{ Name, Unit, Doc string }{
	{"address_space", "size", "RLIMIT_AS; breaks Java, Node and Go: memory limits the jail instead"},
	{"core", "size", "RLIMIT_CORE; 1 (the default) also stops a piped core_pattern"},
	{"cpu", "time", "RLIMIT_CPU; SIGXCPU, then SIGKILL"},
	{"data", "size", "RLIMIT_DATA"},
	{"file_size", "size", "RLIMIT_FSIZE; SIGXFSZ or EFBIG past it"},
	{"locked_memory", "size", "RLIMIT_MEMLOCK"},
	{"message_queues", "size", "RLIMIT_MSGQUEUE"},
	{"open_files", "count", "RLIMIT_NOFILE"},
	{"pending_signals", "count", "RLIMIT_SIGPENDING"},
	{"processes", "count", "RLIMIT_NPROC; counts processes and threads of the user inside the jail"},
	{"stack", "size", "RLIMIT_STACK"},
}

// Unlimited is the value of a Rlimit without a limit.
const Unlimited = -1

func (Rlimit) Kind() string { return "rlimit" }
func (s Rlimit) Check() error {
	for _, r := range RlimitNames {
		if r.Name == s.Name {
			return checkSize(s.Name, s.Value, Unlimited)
		}
	}
	return fmt.Errorf(`unknown process limit "%s"`, Quote(s.Name))
}
func (s Rlimit) String() string {
	if s.Value == Unlimited {
		return "rlimit " + s.Name + " unlimited"
	}
	return "rlimit " + s.Name + " " + itoa64(s.Value)
}

// Limit is one limit of the whole jail.
type Limit struct {
	Name  string `json:"name"`           // from LimitNames
	Value int64  `json:"value"`          // ns, bytes or a count, as the name says
	Over  string `json:"over,omitempty"` // of stdout and stderr: what happens past it, OverKill or OverTruncate
}

// What happens to output past its limit. The bytes up to it are kept, exactly, either way.
const (
	OverKill     = "kill"     // the jail ends
	OverTruncate = "truncate" // the rest is read and thrown away
)

// LimitNames are the keys of [limits], the names of --limit, the causes and the controls of a result: one table.
// Met says whether this build enforces it; asking for another is an error.
var LimitNames = []struct {
	Name, Unit, Doc string
	Met             bool
}{
	{"cpu", "time", "CPU time of the whole tree", false},
	{"wall", "time", "time from the program's exec, CLOCK_MONOTONIC", true},
	{"memory", "size", "memory of the whole jail, swap included", false},
	{"processes", "count", "processes and threads of the whole jail", false},
	{"stdout", "size", "bytes on standard output", true},
	{"stderr", "size", "bytes on standard error", true},
	{"file_size", "size", "the largest file that a process writes; SIGXFSZ or EFBIG past it", true},
	{"work_size", "size", "bytes in the work directory", false},
	{"work_inodes", "count", "files in the work directory", false},
	{"cpus", "count", "how many CPUs", false},
	{"quota", "count", "share of a CPU, in percent", false},
}

// LimitUnit is the unit of a limit's value, and whether this build enforces it; an unknown name is not enforced.
func LimitUnit(name string) (unit string, met bool) {
	for _, l := range LimitNames {
		if l.Name == name {
			return l.Unit, l.Met
		}
	}
	return "", false
}

// isOutput says whether a limit is of what the program prints.
func isOutput(name string) bool { return name == "stdout" || name == "stderr" }

func (Limit) Kind() string { return "limit" }
func (s Limit) Check() error {
	if _, met := LimitUnit(s.Name); !met {
		return fmt.Errorf(`this version does not enforce the limit "%s"`, Quote(s.Name))
	}
	if !isOutput(s.Name) && s.Over != "" {
		return fmt.Errorf("%s: only stdout and stderr say what happens past them", s.Name)
	}
	if isOutput(s.Name) {
		return first(checkSize(s.Name, s.Value, 0), oneOf("over", s.Over, OverKill, OverTruncate))
	}
	return checkSize(s.Name, s.Value, 1)
}
func (s Limit) String() string { return words("limit", s.Name, s.Amount(), s.Over) }

// Amount is the limit's value with its unit: 3s, 64MiB.
func (s Limit) Amount() string {
	switch unit, _ := LimitUnit(s.Name); unit {
	case "time":
		return Nanos(s.Value)
	case "size":
		return Bytes(s.Value)
	}
	return itoa64(s.Value)
}

// Cwd is the working directory.
type Cwd struct {
	Dir string `json:"dir"` // empty: the caller's if it is visible inside at the same path, else /work, else /
}

func (Cwd) Kind() string { return "cwd" }
func (s Cwd) Check() error {
	if s.Dir == "" {
		return nil
	}
	return CheckPath(s.Dir)
}
func (s Cwd) String() string {
	if s.Dir == "" {
		return "cwd the caller's if it is visible, else /work"
	}
	return "cwd " + Quote(s.Dir)
}

// Filter is the seccomp policy, resolved to single calls, and the programs made from it.
type Filter struct {
	Default string            `json:"default"` // what calls that no rule names get: "kill", "log" or an errno's name
	Rules   []Rule            `json:"rules"`   // by call, then as written
	BPF     map[string][]byte `json:"bpf"`     // struct sock_filter[] by GOARCH
}

// Rule is what one system call gets.
type Rule struct {
	Call   string   `json:"call"`
	Action string   `json:"action"`         // "allow", "kill", "log" or an errno's name
	When   []string `json:"when,omitempty"` // the action holds when any of these matches, each a conjunction; empty: always
	From   string   `json:"from"`           // the group or the key that says so
}

// maxInsns is the kernel's limit for one filter: BPF_MAXINSNS.
const maxInsns = 4096

func (Filter) Kind() string { return "filter" }
func (s Filter) Check() error {
	if len(s.BPF) == 0 {
		return fmt.Errorf("no program for any architecture")
	}
	for arch, bpf := range s.BPF {
		if len(bpf) == 0 || len(bpf)%8 != 0 || len(bpf) > 8*maxInsns {
			return fmt.Errorf("the program for %s has %d bytes", Quote(arch), len(bpf))
		}
	}
	return nil
}
func (s Filter) String() string {
	n := map[string]int{}
	for _, r := range s.Rules {
		n[strings.TrimSuffix(r.Action, "?")]++
	}
	logged := ""
	if n["log"] > 0 {
		logged = fmt.Sprintf(", %d only logged", n["log"])
	}
	return fmt.Sprintf("filter %d calls allowed, %d refused%s, others %s", n["allow"], len(s.Rules)-n["allow"]-n["log"], logged, s.Default)
}
