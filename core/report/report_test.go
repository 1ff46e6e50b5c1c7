package report_test

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jail-sandbox/jail/core/report"
	"github.com/jail-sandbox/jail/core/step"
)

const second = int64(time.Second)

// fileSize, as a row's wall limit, stands for a limit on the size of files.
const fileSize = 1 << 60

func exited(code int) syscall.WaitStatus            { return syscall.WaitStatus(code << 8) }
func signalled(s syscall.Signal) syscall.WaitStatus { return syscall.WaitStatus(s) }
func ran(status syscall.WaitStatus) report.Outcome {
	return report.Outcome{Reported: true, Status: status, StartNs: second, EndNs: 2 * second}
}

func TestCauseAndStatus(t *testing.T) {
	killed := func(why string) report.Outcome {
		return report.Outcome{Killed: why, StartNs: second, EndNs: 2 * second}
	}
	for name, row := range map[string]struct {
		outcome report.Outcome
		kills   bool
		wall    int64
		cause   string
		status  int
	}{
		"exit 0":                         {ran(exited(0)), false, 0, "exit", 0},
		"exit 139 is no signal":          {ran(exited(139)), true, 0, "exit", 139},
		"exit 124 is no limit":           {ran(exited(124)), false, 5 * second, "exit", 124},
		"abort":                          {ran(signalled(syscall.SIGABRT)), false, 0, "signal", 134},
		"abort with a core":              {ran(signalled(syscall.SIGABRT) | 0x80), false, 0, "signal", 134},
		"its own SIGKILL":                {ran(signalled(syscall.SIGKILL)), false, 5 * second, "signal", 137},
		"SIGSYS, a filter that kills":    {ran(signalled(syscall.SIGSYS)), true, 0, "seccomp", 159},
		"SIGSYS, a filter that does not": {ran(signalled(syscall.SIGSYS)), false, 0, "signal", 159},
		"a file too large":               {ran(signalled(syscall.SIGXFSZ)), false, fileSize, "file_size", 124},
		"SIGXFSZ without a limit":        {ran(signalled(syscall.SIGXFSZ)), false, 0, "signal", 153},
		"output past its limit":          {killed("stdout"), false, 0, "stdout", 124},
		"the wall limit":                 {killed(report.CauseWall), false, second, "wall", 124},
		"past the wall limit by itself":  {ran(exited(0)), false, second / 2, "wall", 124},
		"cancelled":                      {killed(report.CauseCancelled), false, 0, "cancelled", 143},
		"cancelled before the exec":      {report.Outcome{Killed: report.CauseCancelled}, false, 0, "cancelled", 143},
		"cancelled, but it was over":     {report.Outcome{Killed: report.CauseCancelled, Reported: true, StartNs: 1, EndNs: 2}, false, 0, "exit", 0},
		"the reaper was killed":          {killed(""), false, 0, "signal", 137},
		"a step failed":                  {report.Outcome{Failure: &report.Failure{Errno: syscall.EPERM}}, false, 0, "setup", 125},
		"killed before the exec":         {report.Outcome{}, false, 0, "setup", 125},
		"the set-up was too slow":        {report.Outcome{Killed: report.CauseSetup}, false, second, "setup", 125},
	} {
		r := report.New(row.outcome, report.Asked{Kills: row.kills, WallNs: row.wall, FileSize: row.wall == fileSize})
		if r.Cause != row.cause || r.Status() != row.status {
			t.Errorf("%s: %s, %d; want %s, %d", name, r.Cause, r.Status(), row.cause, row.status)
		}
		if _, limit := step.LimitUnit(row.cause); (r.Limit != nil) != limit {
			t.Errorf("%s: limit %v", name, r.Limit)
		}
	}
}

func TestStatusOfAFailedExec(t *testing.T) {
	for errno, want := range map[string]int{"ENOENT": 127, "ENOTDIR": 127, "EACCES": 126, "ENOEXEC": 126} {
		r := report.New(report.Outcome{}, report.Asked{})
		r.Setup = &report.Setup{Step: "exec", Errno: errno}
		if got := r.Status(); got != want {
			t.Errorf("%s: %d, want %d", errno, got, want)
		}
	}
}

// TestNamesAreForever: a result has these keys, in this order, whatever happened.
func TestNamesAreForever(t *testing.T) {
	want := "format cause limit exit_code signal wall_ns cpu_ns cpu_user_ns cpu_system_ns memory_peak_bytes oom_kills " +
		"processes_peak stdout_bytes stderr_bytes stdout_truncated stderr_truncated profile plan setup controls groups notes"
	for _, o := range []report.Outcome{{}, ran(exited(0))} {
		data, err := report.New(o, report.Asked{}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for line := range strings.Lines(string(data)) {
			if key, ok := strings.CutPrefix(line, `  "`); ok {
				name, _, _ := strings.Cut(key, `"`)
				keys = append(keys, name)
			}
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		var any map[string]any
		if err := json.Unmarshal(data, &any); err != nil || any["format"] != report.Format {
			t.Errorf("%v: %s", err, data)
		}
	}
}

func TestNumbersThatNobodyMeasuredAreNull(t *testing.T) {
	r := report.New(report.Outcome{Killed: report.CauseWall, StartNs: 1, EndNs: second}, report.Asked{WallNs: second})
	if r.CPUNs != nil || r.MemoryPeakBytes != nil || r.WallNs == nil || len(r.Controls) != 0 {
		t.Errorf("%+v", r)
	}
	r = report.New(report.Outcome{Reported: true, Used: true, UserNs: 2, SystemNs: 3, StartNs: 1, EndNs: 2}, report.Asked{})
	if *r.CPUNs != 5 || *r.CPUUserNs != 2 || *r.CPUSystemNs != 3 || r.Controls[0].By != "rusage" {
		t.Errorf("%+v", r)
	}
}
