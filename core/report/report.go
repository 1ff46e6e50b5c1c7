// Package report says what happened in a run: the raw facts, the result that users and machines read, the exit code.
//
// Names and units are formats.md's, and additions are the only changes. The result never judges: it says what ended the
// program and what was measured, and by whom.
package report

import (
	"encoding/json"
	"fmt"
	"syscall"

	"github.com/jail-sandbox/jail/core/step"
)

// Format names this version of the result's JSON form.
const Format = "jail.result/1"

// What ended a run: the values of Result.Cause. A limit's name is one as well.
const (
	CauseExit      = "exit"      // the program ended by itself
	CauseSignal    = "signal"    // a signal of the jail's own ended it
	CauseSeccomp   = "seccomp"   // SIGSYS, under a filter that kills
	CauseCancelled = "cancelled" // somebody outside ended it
	CauseSetup     = "setup"     // the program was not started
	CauseWall      = "wall"      // the wall limit
	CauseFileSize  = "file_size" // SIGXFSZ, under that limit
)

// Exit codes of `jail run` that are not the program's.
const (
	ExitLimit         = 124
	ExitSetup         = 125
	ExitNotExecutable = 126
	ExitNotFound      = 127
)

// An Outcome is what the launcher saw, before anybody interprets it.
type Outcome struct {
	Failure  *Failure           // the operation that failed, when the program was not started
	Killed   string             // why the launcher killed the jail: CauseWall, CauseCancelled, CauseSetup, or empty
	Reported bool               // the reaper told the program's status; if not, the jail was killed from outside
	Status   syscall.WaitStatus // the program's
	StartNs  int64              // CLOCK_MONOTONIC at the program's exec, 0 when there was none
	EndNs    int64              // at its end, or at the jail's when that was not reported
	Used     bool               // the reaper told the CPU time of all that it reaped; of a jail that is killed nobody can
	UserNs   int64
	SystemNs int64
}

// A Failure is one operation of the table that failed.
type Failure struct {
	Op    int // index into the program's operations, set-up and task in one count
	Errno syscall.Errno
}

// Result is a run for users and machines. Null numbers were not measured.
type Result struct {
	Format          string    `json:"format"`
	Cause           string    `json:"cause"`
	Limit           *string   `json:"limit"`     // the limit that ended it
	ExitCode        *int      `json:"exit_code"` // when the program exited by itself
	Signal          *int      `json:"signal"`    // when a signal ended it
	WallNs          *int64    `json:"wall_ns"`
	CPUNs           *int64    `json:"cpu_ns"`
	CPUUserNs       *int64    `json:"cpu_user_ns"`
	CPUSystemNs     *int64    `json:"cpu_system_ns"`
	MemoryPeakBytes *int64    `json:"memory_peak_bytes"`
	OOMKills        *int64    `json:"oom_kills"`
	ProcessesPeak   *int64    `json:"processes_peak"`
	StdoutBytes     *int64    `json:"stdout_bytes"` // when standard output goes through jail
	StderrBytes     *int64    `json:"stderr_bytes"`
	StdoutTruncated bool      `json:"stdout_truncated"`
	StderrTruncated bool      `json:"stderr_truncated"`
	Profile         string    `json:"profile"`
	Plan            string    `json:"plan"`  // the plan's fingerprint
	Setup           *Setup    `json:"setup"` // what failed before the program could start
	Controls        []Control `json:"controls"`
	Groups          []int     `json:"groups"` // supplementary groups of the caller that the program keeps
	Notes           []string  `json:"notes"`  // what is not as a reader would expect, in words
}

// Setup is the step that failed.
type Setup struct {
	Step  string `json:"step"`
	Owner string `json:"owner"`
	Errno string `json:"errno"` // "ENOENT", or empty when no system call failed
	Text  string `json:"text"`
}

// A Control is a limit or a measurement: what was asked, whether it held, and what did it.
type Control struct {
	Name  string `json:"name"`
	Asked string `json:"asked"` // empty for a measurement that nobody asked for
	Met   bool   `json:"met"`
	By    string `json:"by"` // cgroup2, cgroup1, rlimit, rusage, supervisor, none
}

// Asked is what a run was asked to hold, as far as its end is to be understood.
type Asked struct {
	Kills    bool  // the filter has rules that kill
	WallNs   int64 // the wall limit, or 0
	FileSize bool  // there is a limit on the size of files
}

// New makes a result of an outcome.
func New(o Outcome, asked Asked) Result {
	r := Result{Format: Format, Controls: []Control{}, Groups: []int{}, Notes: []string{}}
	r.EndedBy(cause(o, asked))
	if o.StartNs == 0 {
		return r
	}
	wall := o.EndNs - o.StartNs
	r.WallNs = &wall
	if o.Used {
		cpu := o.UserNs + o.SystemNs
		r.CPUNs, r.CPUUserNs, r.CPUSystemNs = &cpu, &o.UserNs, &o.SystemNs
		r.Controls = append(r.Controls, Control{Name: "cpu", Met: true, By: "rusage"})
	}
	if o.Reported && o.Status.Exited() {
		code := o.Status.ExitStatus()
		r.ExitCode = &code
		return r
	}
	sig := int(syscall.SIGKILL) // what a reaper that did not report was killed by, and the jail with it
	if o.Reported {
		sig = int(o.Status.Signal())
	}
	r.Signal = &sig
	return r
}

// EndedBy sets the cause, and the limit where the cause is one.
func (r *Result) EndedBy(cause string) {
	r.Cause, r.Limit = cause, nil
	if _, limit := step.LimitUnit(cause); limit {
		r.Limit = &cause
	}
}

func cause(o Outcome, asked Asked) string {
	switch {
	case o.Failure != nil:
		return CauseSetup
	case o.Reported && asked.WallNs > 0 && o.EndNs-o.StartNs > asked.WallNs:
		return CauseWall
	case !o.Reported && o.Killed != "":
		return o.Killed
	case o.StartNs == 0:
		return CauseSetup
	case !o.Reported:
		return CauseSignal
	case o.Status.Signaled() && asked.Kills && o.Status.Signal() == syscall.SIGSYS:
		return CauseSeccomp
	case o.Status.Signaled() && asked.FileSize && o.Status.Signal() == syscall.SIGXFSZ:
		return CauseFileSize
	case o.Status.Signaled():
		return CauseSignal
	}
	return CauseExit
}

// Status is what `jail run` exits with.
func (r Result) Status() int {
	switch {
	case r.Setup != nil && r.Setup.Step == "exec" && (r.Setup.Errno == "ENOENT" || r.Setup.Errno == "ENOTDIR"):
		return ExitNotFound
	case r.Setup != nil && r.Setup.Step == "exec":
		return ExitNotExecutable
	case r.Cause == CauseSetup:
		return ExitSetup
	case r.Cause == CauseCancelled:
		return 128 + int(syscall.SIGTERM)
	case r.Limit != nil:
		return ExitLimit
	case r.Signal != nil:
		return 128 + *r.Signal
	}
	return *r.ExitCode
}

// Encode gives the result's JSON form: one object, indented, with a newline at the end.
func (r Result) Encode() ([]byte, error) {
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	return append(out, '\n'), nil
}
