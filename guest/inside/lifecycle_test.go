//go:build guest

package inside

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/report"
)

// withoutClone3 is how containers are: jail makes its processes by clone(2), whose arguments architectures order differently.
var withoutClone3 = []string{probe, "deny", fmt.Sprint(unix.SYS_CLONE3), fmt.Sprint(int(unix.ENOSYS))}

var waysToClone = map[string][]string{"clone3": nil, "clone": withoutClone3}

func TestWords(t *testing.T) {
	want := `["words" "" "a b" "é"] ["HOME=/work" "LANG=C.UTF-8" "PATH=/usr/local/bin:/usr/bin:/bin"] /work` + "\n"
	for name, wrap := range waysToClone {
		t.Run(name, func(t *testing.T) {
			e := jailed(t, call{wrap: wrap, argv: []string{"words", "", "a b", "é"}})
			e.wantExit(t, 0)
			if e.out != strings.Replace(want, `"words" `, "", 1) {
				t.Errorf("inside there is %s, want %s", e.out, want)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	for _, code := range []int{0, 1, 2, 42, 124, 125, 126, 127, 128, 137, 159, 255} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			jailed(t, call{argv: []string{"exit", fmt.Sprint(code)}}).wantExit(t, code)
		})
	}
	jailed(t, call{wrap: withoutClone3, argv: []string{"exit", "5"}}).wantExit(t, 5)
}

func TestSignals(t *testing.T) {
	for _, sig := range []int{1, 3, 6, 9, 10, 11, 13, 15, 31, 34, 64} {
		t.Run(fmt.Sprint(sig), func(t *testing.T) { wantSignal(t, nil, sig) })
	}
	wantSignal(t, withoutClone3, 15)
}

func wantSignal(t *testing.T, wrap []string, sig int) {
	t.Helper()
	e := jailed(t, call{wrap: wrap, argv: []string{"raise", fmt.Sprint(sig)}})
	if e.Cause != report.CauseSignal || e.Signal == nil || *e.Signal != sig || e.ExitCode != nil || e.code != 128+sig {
		t.Errorf("ended with %d by %s: %s", e.code, e.Cause, e.err)
	}
}

// A filter that kills, in another plan.
func TestSeccompKills(t *testing.T) {
	jailed(t, inPlan("cpp-run", "calls", fmt.Sprint(unix.SYS_GETPID))).wantExit(t, 0)
	e := jailed(t, inPlan("cpp-run", "calls", fmt.Sprint(unix.SYS_PTRACE)))
	if e.Cause != report.CauseSeccomp || e.code != 128+int(unix.SIGSYS) {
		t.Errorf("ended with %d by %s: %s", e.code, e.Cause, e.err)
	}
}

func TestWallLimit(t *testing.T) {
	for _, verb := range []string{"sleep", "spin"} {
		for name, wrap := range waysToClone {
			t.Run(verb+" "+name, func(t *testing.T) {
				e := jailed(t, call{wrap: wrap, opts: []string{"--limit", "wall=300ms"}, argv: []string{verb}})
				if e.Cause != report.CauseWall || e.code != report.ExitLimit {
					t.Errorf("ended with %d by %s: %s", e.code, e.Cause, e.err)
				}
				if e.took < 300*time.Millisecond || e.took > patience/2 {
					t.Errorf("took %v", e.took)
				}
				wantNothingLeft(t)
			})
		}
	}
}

func TestLeftBehind(t *testing.T) {
	jailed(t, call{argv: []string{"leave", "7"}}).wantExit(t, 7)
	wantNothingLeft(t)
}

func TestCancelled(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{unix.SIGTERM: 143, unix.SIGINT: 130} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			cmd, _ := call{argv: []string{"sleep"}}.command(t)
			out, err := cmd.StdoutPipe()
			check(t, err)
			check(t, cmd.Start())
			if _, err := out.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
			check(t, cmd.Process.Signal(sig))
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != code {
				t.Errorf("ended with %d, want %d", got, code)
			}
			wantNothingLeft(t)
		})
	}
}

// SIGKILL of jail, from its start until the program runs, leaves no process and no mount.
func TestKilledAtAnyTime(t *testing.T) {
	before := mounts(t)
	ready := readyAfter(t)
	for part := range 16 {
		cmd, _ := call{argv: []string{"sleep"}}.command(t)
		check(t, cmd.Start())
		time.Sleep(ready * time.Duration(part) / 12)
		check(t, cmd.Process.Kill())
		cmd.Wait()
		wantNothingLeftSoon(t)
	}
	if after := mounts(t); after != before {
		t.Errorf("the mounts were\n%sand are\n%s", before, after)
	}
}

// readyAfter is how long a jail takes to the program's first word.
func readyAfter(t *testing.T) time.Duration {
	t.Helper()
	cmd, _ := call{argv: []string{"sleep"}}.command(t)
	out, err := cmd.StdoutPipe()
	check(t, err)
	began := time.Now()
	check(t, cmd.Start())
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	took := time.Since(began)
	cmd.Process.Kill()
	cmd.Wait()
	wantNothingLeftSoon(t)
	return took
}

func mounts(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	check(t, err)
	return string(data)
}

func TestStdio(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	e := jailed(t, call{stdin: bytes.NewReader(big), argv: []string{"copy"}})
	e.wantExit(t, 0)
	if e.out != string(big) {
		t.Errorf("of %d bytes %d came out", len(big), len(e.out))
	}
	in, out := home+"/in", home+"/out"
	check(t, os.WriteFile(in, big, 0o644))
	e = jailed(t, call{opts: []string{"--stdin", in, "--stdout", out}, argv: []string{"copy"}})
	e.wantExit(t, 0)
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, big) {
		t.Errorf("of %d bytes %d are in the file: %v", len(big), len(got), err)
	}
}

// jail's own entry point tells closed descriptors from those that Go's runtime opens in their place.
func TestClosedDescriptors(t *testing.T) {
	for fd, name := range []string{"stdin", "stdout", "stderr"} {
		t.Run(name, func(t *testing.T) {
			e := jailed(t, call{wrap: []string{probe, "close", fmt.Sprint(fd)}, stdin: io.LimitReader(nil, 0), argv: []string{"exit", "3"}})
			if e.Cause != report.CauseSetup || e.code != report.ExitSetup || e.Setup == nil || !strings.Contains(e.Setup.Text, name+" is closed") {
				t.Errorf("ended with %d by %s: %+v", e.code, e.Cause, e.Setup)
			}
		})
	}
}

func TestNotStarted(t *testing.T) {
	for _, row := range []struct {
		name string
		c    call
		code int
		text string
	}{
		{"another architecture's plan", call{plan: "foreign", argv: []string{"exit", "0"}}, report.ExitSetup, "no filter for"},
		{"a source that is not there", call{opts: []string{"--bind", "/no/such"}, argv: []string{"exit", "0"}}, report.ExitSetup, "no such file"},
		{"no such program", call{plan: "cpp-run", argv: []string{"exit", "0"}}, report.ExitNotFound, "no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := jailed(t, row.c)
			if e.Cause != report.CauseSetup || e.code != row.code || !strings.Contains(e.err, row.text) {
				t.Errorf("ended with %d by %s: %s", e.code, e.Cause, e.err)
			}
		})
	}
}
