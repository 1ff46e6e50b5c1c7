package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/report"
)

// leftovers are processes of our jails: their own command, whose copy nobody else runs, or programs inside that the tests
// mark by an argument.
func leftovers(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, dir := range globbed(t, "/proc/[0-9]*") {
		stat, _ := os.ReadFile(dir + "/stat")
		words, _ := os.ReadFile(dir + "/cmdline")
		exe, _ := os.Readlink(dir + "/exe")
		zombie := bytes.Contains(stat, []byte(") Z ")) // the host's init may be slow
		// A reaper is not dumpable: only root can see what it runs.
		reaper := exe == "" && bytes.Contains(stat, []byte(" (jail-init) ")) && ours(dir)
		if !zombie && (reaper || strings.HasPrefix(exe, sitePath("tree")+"/") || bytes.Contains(words, []byte(marker))) {
			out = append(out, fmt.Sprintf("%s %s %q", dir, exe, words))
		}
	}
	return out
}

// marker is an argument of programs that must not outlive their jails. The test binary has it nowhere in its own.
var marker = fmt.Sprintf("left-over-%d", os.Getpid())

func ours(dir string) bool {
	var st unix.Stat_t
	return unix.Stat(dir, &st) == nil && int(st.Uid) == callerID()
}

// wantNothingLeft demands that no process of a jail is left now.
func wantNothingLeft(t *testing.T) {
	t.Helper()
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// wantNothingLeftSoon is for jails whose command was killed: the kernel ends what it had started, in its own time.
func wantNothingLeftSoon(t *testing.T) {
	t.Helper()
	waitFor(t, func() bool { return len(leftovers(t)) == 0 })
	wantNothingLeft(t)
}

// mounts is the host's mount table as the tests see it.
func mounts(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	check(t, err)
	return string(data)
}

// H-13: every exit code is the program's.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for code := range 256 {
		jailed(t, sh(fmt.Sprintf("exit %d", code))).wantExit(t, code)
	}
}

// H-13: every signal that ends a program is told apart from the exit code that looks like it.
func TestSignals(t *testing.T) {
	t.Parallel()
	for sig := 1; sig <= 64; sig++ {
		switch syscall.Signal(sig) {
		case unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			continue // these end nobody
		}
		e := jailed(t, sh(fmt.Sprintf("kill -%d $$; sleep 100", sig)))
		if e.Cause != report.CauseSignal || e.Signal == nil || *e.Signal != sig || e.ExitCode != nil || e.code != 128+sig {
			t.Errorf("signal %d: ended with %d by %s, result %v", sig, e.code, e.Cause, e.Signal)
		}
		if e := jailed(t, sh(fmt.Sprintf("exit %d", 128+sig))); e.Cause != report.CauseExit || e.Signal != nil || e.code != 128+sig {
			t.Errorf("exit %d: ended with %d by %s", 128+sig, e.code, e.Cause)
		}
	}
}

// R-07, H-08, H-11: whatever a program does, the wall limit ends it, and nothing of it is left.
func TestWallLimit(t *testing.T) {
	for name, script := range map[string]string{
		"sleeper":                "exec sleep 1000",
		"spinner":                "while :; do :; done",
		"stopped":                "kill -STOP $$",
		"closed descriptors":     "exec 0<&- 1>&- 2>&-; sleep 1000",
		"ignores signals":        `trap "" TERM INT HUP QUIT; while :; do sleep 1; done`,
		"grandchild with stdout": "setsid sh -c 'setsid sleep 1000 & sleep 1000' & sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			e := jailed(t, sh(script+" # "+marker, "--limit", "wall=200ms"))
			if e.Cause != report.CauseWall || e.code != report.ExitLimit || e.Limit == nil || *e.Limit != report.CauseWall {
				t.Errorf("ended with %d by %s: %s", e.code, e.Cause, e.err)
			}
			if took := time.Since(began); took < 200*time.Millisecond || took > patience/2 {
				t.Errorf("took %v", took)
			}
			wantNothingLeft(t)
		})
	}
}

// H-08, H-11: what a program leaves behind ends with it, and cannot hold up the result by an open descriptor.
func TestLeftBehind(t *testing.T) {
	for name, script := range map[string]string{
		"child":           "sleep 1000 & exit 7",
		"own session":     "setsid sleep 1000 & exit 7",
		"double fork":     "(setsid sh -c 'sleep 1000 &' &) ; exit 7",
		"stopped child":   "sleep 1000 & kill -STOP $!; exit 7",
		"ignores SIGCHLD": `trap "" CHLD; sleep 1000 & exit 7`,
	} {
		t.Run(name, func(t *testing.T) {
			jailed(t, sh(script+" # "+marker)).wantExit(t, 7)
			wantNothingLeft(t)
		})
	}
}

// H-10: a signal to jail ends the jail and is in the exit code and in the result.
func TestCancelled(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{unix.SIGTERM: 143, unix.SIGINT: 130, unix.SIGHUP: 129, unix.SIGQUIT: 131} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			e := jailed(t, signalWhenReady(t, sig, sh("echo ready; exec sleep 1000")))
			if e.code != code || e.Cause != report.CauseCancelled {
				t.Errorf("ended with %d by %q, want %d", e.code, e.Cause, code)
			}
			wantNothingLeft(t)
		})
	}
}

// signalWhenReady has a signal sent to jail when the program says its first word.
func signalWhenReady(t *testing.T, sig syscall.Signal, c call) call {
	t.Helper()
	r, w, err := os.Pipe()
	check(t, err)
	c.out = w
	c.begun = func(p *os.Process) {
		go func() {
			defer r.Close()
			if n, err := r.Read(make([]byte, 1)); n == 1 && err == nil {
				p.Signal(sig)
			}
		}()
	}
	t.Cleanup(func() { w.Close() })
	return c
}

// A background job's ignored SIGINT stays ignored.
func TestIgnoredSignalDoesNotCancel(t *testing.T) {
	c := signalWhenReady(t, unix.SIGINT, sh("echo ready; sleep 0.2; exit 3"))
	c.wrap = []string{"sh", "-c", `trap "" INT; exec "$@"`, "sh"}
	jailed(t, c).wantExit(t, 3)
}

// A jail that is cancelled while its plan is made says so like any other, and its planners end with it. One of them hangs.
func TestBugCancelledWhilePlanning(t *testing.T) {
	jail, planner := treeWithPlanner(t, hangs)
	result := ownFile(t, workDir(t), "result", "")
	c := call{argv: []string{jail, "run", "--result", result, "--", "true"}}
	cmd, _, errs := c.command(t)
	check(t, cmd.Start())
	waitFor(t, func() bool { return runs(t, planner) })
	check(t, cmd.Process.Signal(unix.SIGTERM))
	cmd.Wait()
	said, _ := os.ReadFile(result)
	if code := cmd.ProcessState.ExitCode(); code != 143 || !bytes.Contains(said, []byte(`"cause": "cancelled"`)) {
		t.Errorf("ended with %d, said %q, result %q", code, errs, said)
	}
	waitFor(t, func() bool { return !runs(t, planner) })
}

// waitFor waits until something in /proc is as it should be.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience / 4); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Error("waited in vain")
			return
		}
	}
}

// runs says whether any process runs a program.
func runs(t *testing.T, program string) bool {
	t.Helper()
	return slices.ContainsFunc(globbed(t, "/proc/[0-9]*/exe"), func(link string) bool {
		exe, _ := os.Readlink(link)
		return exe == program
	})
}

func globbed(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	check(t, err)
	return names
}

// A FIFO in the place of a plan or a profile is refused, not waited for.
func TestBugFIFOHangs(t *testing.T) {
	fifo := filepath.Join(workDir(t), "fifo.toml")
	check(t, unix.Mkfifo(fifo, 0o644))
	for _, option := range []string{"--plan", "-p", "--result"} {
		t.Run(option, func(t *testing.T) {
			c := call{argv: []string{"timeout", "--signal=KILL", "5", site.jail, "run", option, fifo, "--", "true"}}
			outside(t, c).wantRefused(t, fifo)
		})
	}
}

// H-10: SIGKILL of jail at any time leaves no process and no mount; the first half has planners, too.
func TestKilledAtAnyTime(t *testing.T) {
	before := mounts(t)
	for range 25 {
		var wg sync.WaitGroup
		for i := range 4 {
			c := call{argv: []string{site.jail, "run", "--", "sleep", "1000", marker}}
			if i%2 == 0 {
				c.argv = append(append([]string{site.jail, "run"}, planned("default")...), "--", "sleep", "1000", marker)
			}
			cmd, _, _ := c.command(t)
			check(t, cmd.Start())
			wg.Go(func() {
				time.Sleep(rand.N(50 * time.Millisecond))
				cmd.Process.Kill()
				cmd.Wait()
			})
		}
		wg.Wait()
		wantNothingLeftSoon(t)
	}
	if after := mounts(t); after != before {
		t.Errorf("the host's mounts changed:\n%s", lineDiff(before, after))
	}
}

// What planners of a killed jail leave in TMPDIR goes with the next planning.
func TestBugKilledPlanLeavesDirectory(t *testing.T) {
	temp := workDir(t)
	c := call{argv: []string{site.jail, "run", "--cache-dir", "/proc/none", "--", "true"}, env: []string{"TMPDIR=" + temp}}
	for range 3 {
		before := len(entries(t, temp))
		cmd, _, _ := c.command(t)
		check(t, cmd.Start())
		waitFor(t, func() bool { return len(entries(t, temp)) > before })
		cmd.Process.Kill()
		cmd.Wait()
	}
	wantNothingLeftSoon(t)
	left, old := entries(t, temp), time.Now().Add(-time.Minute)
	for _, entry := range left {
		check(t, os.Chtimes(filepath.Join(temp, entry.Name()), old, old))
	}
	if e := outside(t, c); e.code != 0 || len(left) == 0 {
		t.Fatalf("%d, %d directories were left: %s", e.code, len(left), e.err)
	}
	if names := entries(t, temp); len(names) > 0 {
		t.Errorf("%d directories are left, like %s", len(names), names[0])
	}
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	names, err := os.ReadDir(dir)
	check(t, err)
	return names
}

// H-07: a fork bomb ends with the wall limit, and does not pass its own limit.
func TestForkBomb(t *testing.T) {
	limited := profile(t, "extends = [\"default\"]\n[limits]\nwall = \"1s\"\n[limits.process]\nprocesses = 50\n")
	e := jailed(t, call{opts: planned(limited), argv: []string{"perl", "-e", "fork while 1"}})
	if e.Cause != report.CauseWall || e.code != report.ExitLimit {
		t.Errorf("ended with %d by %s: %s", e.code, e.Cause, e.err)
	}
	wantNothingLeft(t)
	count := `my $n = 0; while (defined(my $p = fork)) { $p or sleep 1000; $n++ } print $n; kill 9, -1`
	e = jailed(t, call{opts: planned(limited), argv: []string{"perl", "-e", count}})
	var n int
	if _, err := fmt.Sscan(e.out, &n); err != nil || n < 40 || n > 50 {
		t.Errorf("there were %q processes, want about 50: %s", e.out, e.err)
	}
}

// H-09: the reaper reaps, and its verdict is the program's.
func TestZombies(t *testing.T) {
	orphans := "for (1..1000) { my $p = fork // die; if (!$p) { fork // die; exit } waitpid $p, 0 } exit 9"
	for name, script := range map[string]string{"children": "for (1..1000) { fork // die or exit } exit 9", "orphans": orphans} {
		t.Run(name, func(t *testing.T) {
			jailed(t, call{opts: planned("default"), argv: []string{"perl", "-e", script}}).wantExit(t, 9)
			wantNothingLeft(t)
		})
	}
}

// H-12: a program that prints results does not change its own.
func TestForgedResult(t *testing.T) {
	forged := `{"format":"jail.result/1","cause":"exit","exit_code":0}`
	e := jailed(t, sh("for fd in 1 2 3 4 5 6 7; do (echo '"+forged+"' >&$fd) 2>/dev/null; done; exit 5"))
	e.wantExit(t, 5)
}

// P13, H-14: each call between the first clone and the exec fails once. The program is never started, the exit code says
// so, and the message names the step and its place in the plan.
func TestEveryCallOfTheSetUpFails(t *testing.T) {
	witness := filepath.Join(workDir(t), "started")
	fault := func(n int64) ended {
		return jailed(t, call{
			wrap: []string{sitePath("fault"), fmt.Sprint(n), fmt.Sprint(int(unix.EIO))},
			opts: append(planned("default"), "--bind", filepath.Dir(witness)+":/mnt:rw"),
			argv: []string{"/usr/bin/touch", "/mnt/started"},
		})
	}
	const most = 100_000
	e := fault(most) // the control: no call fails
	e.wantExit(t, 0)
	check(t, os.Remove(witness))
	var calls int64
	if _, err := fmt.Sscanf(e.err, "fault: %d calls", &calls); err != nil || calls < 200 {
		t.Fatalf("the set-up makes some hundreds of calls, seen: %q", e.err)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := next.Add(1); n <= calls; n = next.Add(1) {
				wantFault(t, n, fault(n))
			}
		})
	}
	wg.Wait()
	if _, err := os.Stat(witness); err == nil {
		t.Error("a program was started")
	}
	wantNothingLeft(t)
}

func wantFault(t *testing.T, n int64, e ended) {
	t.Helper()
	execFailed := e.Setup != nil && e.Setup.Step == "exec" && e.code == report.ExitNotExecutable
	if e.Cause != report.CauseSetup || e.code != report.ExitSetup && !execFailed {
		t.Errorf("call %d: ended with %d by %q: %s", n, e.code, e.Cause, e.err)
		return
	}
	clone := strings.Contains(e.err, "clone of the program's process")
	if !clone && (!strings.Contains(e.err, "(step ") || e.Setup.Step == "" || e.Setup.Owner == "") {
		t.Errorf("call %d: the message does not place it: %s", n, e.err)
	}
}

// H-16: many at once do not meet.
func TestManyAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			e := jailed(t, sh(fmt.Sprintf("echo %d >/work/me; ls /proc/self/fd | wc -l; cat /work/me; exit %d", i, i)))
			if want := fmt.Sprintf("4\n%d\n", i); e.code != i || e.out != want {
				t.Errorf("jail %d: ended with %d, printed %q: %s", i, e.code, e.out, e.err)
			}
		})
	}
	wg.Wait()
	wantNothingLeft(t)
}

// The result is written whatever happens to the rest.
func TestResultIsAlwaysWritten(t *testing.T) {
	for _, row := range []struct {
		name  string
		c     call
		cause string
		code  int
	}{
		{"exit", sh("exit 3"), report.CauseExit, 3},
		{"no such program", call{opts: planned("default"), argv: []string{"/no/such"}}, report.CauseSetup, report.ExitNotFound},
		{"not executable", call{opts: planned("default"), argv: []string{"/etc/passwd"}}, report.CauseSetup, report.ExitNotExecutable},
		{"no such profile", call{opts: []string{"-p", "no-such"}, argv: []string{"true"}}, report.CauseSetup, report.ExitSetup},
		{"no such bind", sh("true", "--bind", "/no/such"), report.CauseSetup, report.ExitSetup},
		{"stdout closed", withStdio(sh("echo x"), "1>&-"), report.CauseSetup, report.ExitSetup},
		{"stderr closed", withStdio(sh("echo x"), "2>&-"), report.CauseSetup, report.ExitSetup},
		{"no one reads stdout", withStdio(sh("while echo x; do :; done"), "| true"), report.CauseSignal, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := jailed(t, row.c)
			if e.Format != report.Format || e.Cause != row.cause {
				t.Errorf("result: format %q, cause %q, want %q\n%s", e.Format, e.Cause, row.cause, e.err)
			}
			if e.code != row.code {
				t.Errorf("exit code %d, want %d", e.code, row.code)
			}
		})
	}
}

// A command line that cannot be understood is no reason to leave the result empty: it names the mistake like any other.
func TestBugNoResultForUsageErrors(t *testing.T) {
	e := jailed(t, sh("true", "--limit", "memory=1MiB"))
	if e.Cause != report.CauseSetup || e.Setup == nil || !strings.Contains(e.Setup.Text, "memory") {
		t.Errorf("result: %+v", e.Result)
	}
}

// A mistake in an option gets one line, not the manual between two copies of it.
func TestBugUsageErrorIsAPage(t *testing.T) {
	e := jailed(t, sh("true", "--limit", "memory=1MiB"))
	e.wantRefused(t, "does not enforce the limit")
	if lines := strings.Count(e.err, "\n"); lines > 3 {
		t.Errorf("%d lines:\n%s", lines, e.err)
	}
}

// withStdio starts jail from a shell with redirections.
func withStdio(c call, redirections string) call {
	c.wrap = []string{"bash", "-c", `"$@" ` + redirections, "bash"}
	return c
}

// jail plan --ops shows every operation, the comparisons of the state check among them.
func TestBugOpsPanics(t *testing.T) {
	c := call{argv: append(append([]string{site.jail, "plan"}, planned("default")...), "--ops", "--", "true")}
	e := outside(t, c)
	if e.code != 0 || !strings.Contains(e.out, "execve(") || strings.Contains(e.err, "panic") {
		t.Errorf("ended with %d: %s", e.code, clip(e.err))
	}
}
