// Package step is the vocabulary of a plan: one small struct per kind of step, one row per kind in a table.
//
// A step is data that says what exists in a jail (a bind, a tmpfs, a hostname), never how to make it. Planners return
// steps, core/plan orders and checks them, core/compile turns each into system calls. A step's JSON form is the same
// on the wire to a plugin, in a plan file and in `jail plan --json`:
//
//	s, err := step.Decode([]byte(`{"kind":"bind","source":"/usr","target":"/usr"}`))
//
// Nothing in this package looks at the host.
package step

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// A Step is one of the structs of this package, by value.
type Step interface {
	// Kind is the step's name in the table.
	Kind() string
	// Check says what is wrong with the step's own fields, or nil.
	Check() error
	// String is the step in one line for people, without its kind's owner or place.
	String() string
}

// A Placed step makes something at a path inside the jail.
type Placed interface {
	Step
	// Path is where: absolute, clean.
	Path() string
}

// A Phase is a place in the fixed order of a plan.
type Phase uint8

// The phases, in the order in which they happen. The last five are the program's process; the others are the reaper's.
const (
	Identity   Phase = iota // the id maps
	Names                   // hostname, domainname, the cgroup namespace
	Network                 // interfaces
	Root                    // private propagation, an empty root
	Mounts                  // everything in it, by path, parents first
	Seal                    // read-only root, no namespaces inside, own keyring
	Pivot                   // the host's root is gone
	Reaper                  // PID 1 is in place
	Process                 // session, signals, limits, descriptors, working directory
	Privileges              // capabilities, securebits, no_new_privs
	State                   // the effective state is checked
	Syscalls                // the seccomp filter
	Exec                    // environment, execve
)

var phaseNames = [...]string{"identity", "names", "network", "root", "mounts", "seal", "pivot", "reaper",
	"process", "privileges", "check", "filter", "exec"}

func (p Phase) String() string { return phaseNames[p] }

// Owners of kinds that are not a planner's own.
const (
	Core = "core" // the core adds it; no planner may leave it out, change it or return it
	Open = "open" // any planner, and `run` for the options of the command line
)

// A Row is what the table knows about a kind.
type Row struct {
	Kind  string
	Owner string // Core, Open, or the one planner that may return it
	Phase Phase
	Doc   string // one line, for docs/steps.md
	Zero  Step   // the kind's struct, without any field set
}

// Rows is the table of kinds, in the order of their phases.
var Rows = []Row{
	{"idmap", "userns", Identity, "the ids inside and whose ids they are outside", IDMap{}},
	{"hostname", "ipcuts", Names, "the host name inside", Hostname{}},
	{"domainname", "ipcuts", Names, "the NIS domain name inside", Domainname{}},
	{"cgroupns", Core, Names, "a cgroup namespace of its own: /proc/self/cgroup shows /", Cgroupns{}},
	{"loopback", "netns", Network, "the interface lo is up, 127.0.0.1 and ::1 answer", Loopback{}},
	{"host-network", "netns", Network, "the host's network is shared: no network namespace", HostNetwork{}},
	{"private", Core, Root, "mounts made inside stay inside, mounts made outside stay outside", Private{}},
	{"root", "mountns", Root, "an empty root directory on a tmpfs", RootFS{}},
	{"tmpfs", Open, Mounts, "an empty file system in memory", Tmpfs{}},
	{"bind", Open, Mounts, "a file or directory of the host, with all that is mounted below it", Bind{}},
	{"file", Open, Mounts, "a file with literal content", File{}},
	{"link", Open, Mounts, "a symbolic link", Link{}},
	{"device", "mountns", Mounts, "one of the host's harmless devices", Device{}},
	{"work", "mountns", Mounts, "the private work directory", Work{}},
	{"proc", "pidns", Mounts, "the jail's own process list", Proc{}},
	{"no-userns", Core, Seal, "no user namespace can be made inside: max_user_namespaces is 0", NoUserns{}},
	{"keyring", Core, Seal, "a session keyring of its own, empty", Keyring{}},
	{"oom-score", Core, Seal, "oom_score_adj is 0, or higher where the caller's is", OOMScore{}},
	{"seal", Core, Seal, "the root and the sealed file systems become read-only", Sealed{}},
	{"pivot", Core, Pivot, "the new root is the root, the host's is detached", PivotRoot{}},
	{"reaper", Core, Reaper, "PID 1 reaps, reports, cannot be read, and dies with jail", ReaperProcess{}},
	{"session", Core, Process, "a session of its own, without a terminal", Session{}},
	{"signals", Core, Process, "every signal has its default disposition and is unblocked", Signals{}},
	{"umask", Core, Process, "the file mode creation mask", Umask{}},
	{"nice", Core, Process, "the nice value is 0, or higher where the caller's is", Nice{}},
	{"descriptors", Core, Process, "descriptors 0, 1 and 2, no others", Descriptors{}},
	{"rlimits", Core, Process, "the limits of each process that no rlimit step names, in a known state", Rlimits{}},
	{"rlimit", Core, Process, "a limit of each process (getrlimit(2))", Rlimit{}},
	{"limit", Core, Process, "a limit of the whole jail, enforced from outside", Limit{}},
	{"cwd", Core, Process, "the working directory", Cwd{}},
	{"securebits", Core, Privileges, "uid 0 means nothing, and that is locked", Securebits{}},
	{"capabilities", Core, Privileges, "all five capability sets are empty", Capabilities{}},
	{"no-new-privs", Core, Privileges, "no exec gives privileges", NoNewPrivs{}},
	{"state-check", Core, State, "the above is read back and compared", StateCheck{}},
	{"filter", Core, Syscalls, "the seccomp filter", Filter{}},
	{"env", Open, Exec, "a variable of the environment", Env{}},
	{"exec", Core, Exec, "the program", Program{}},
}

// Lookup finds a kind's row.
func Lookup(kind string) (Row, bool) {
	for _, r := range Rows {
		if r.Kind == kind {
			return r, true
		}
	}
	return Row{}, false
}

// RowOf is the row of a step's kind. Preconditions: s is one of this package's types.
func RowOf(s Step) Row {
	r, ok := Lookup(s.Kind())
	if !ok {
		panic("step: no row for kind " + s.Kind())
	}
	return r
}

// Encode gives a step's JSON form: its fields, with "kind" first.
func Encode(s Step) ([]byte, error) {
	kind, err := json.Marshal(s.Kind())
	if err != nil {
		return nil, err
	}
	fields, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	out := append([]byte(`{"kind":`), kind...)
	if len(fields) > 2 {
		out = append(out, ',')
	}
	return append(out, fields[1:]...), nil
}

// Decode is the strict reverse of Encode: an unknown kind, an unknown field or a wrong type is an error.
// It does not call Check.
func Decode(data []byte) (Step, error) {
	var head map[string]json.RawMessage
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("step: %w", err)
	}
	var kind string
	if err := json.Unmarshal(head["kind"], &kind); err != nil {
		return nil, fmt.Errorf("step without a kind")
	}
	row, ok := Lookup(kind)
	if !ok {
		return nil, fmt.Errorf("unknown step kind %q", kind)
	}
	delete(head, "kind")
	fields, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	s, err := row.decode(fields)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return s, nil
}

// decode reads the fields of a step of the row's kind.
func (r Row) decode(fields []byte) (Step, error) {
	v := reflect.New(reflect.TypeOf(r.Zero))
	d := json.NewDecoder(bytes.NewReader(fields))
	d.DisallowUnknownFields()
	err := d.Decode(v.Interface())
	return v.Elem().Interface().(Step), err
}
