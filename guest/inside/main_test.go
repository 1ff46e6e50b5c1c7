//go:build guest

package inside

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jail-sandbox/jail/core/report"
)

const (
	site  = "/site" // jail and the plan files, root's
	probe = "/usr/bin/probe"
	user  = 1234 // who runs jail: a number without an account
	home  = "/home/user"

	patience = 20 * time.Second // for what takes milliseconds on a machine that is not emulated
)

func TestMain(m *testing.M) {
	release := os.Getenv("JAIL_INSIDE")
	if release == "" {
		fmt.Println("these tests run in a guest: make test-guest")
		os.Exit(1)
	}
	if err := makeHome(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("Linux", release)
	os.Exit(m.Run())
}

func makeHome() error {
	return errors.Join(os.MkdirAll(home, 0o755), os.Chown(home, user, user))
}

// A call is a run of jail.
type call struct {
	plan  string // the plan file's name
	wrap  []string
	opts  []string
	argv  []string // of probe, inside
	stdin io.Reader
	root  bool // jail is started by root
}

// ended is what came of it.
type ended struct {
	report.Result
	code     int
	out, err string
	took     time.Duration
}

func (c call) command(t *testing.T) (cmd *exec.Cmd, result string) {
	t.Helper()
	if c.plan == "" {
		c.plan = "default"
	}
	result = filepath.Join(home, strings.ReplaceAll(t.Name(), "/", "-")+".result")
	argv := slices.Concat(c.wrap, []string{site + "/jail", "run", "--plan", site + "/" + c.plan + ".json", "--result", result},
		c.opts, []string{"--", probe}, c.argv)
	cmd = exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin = home, []string{}, c.stdin
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	if c.root {
		cmd.SysProcAttr.Credential = nil
	}
	os.Remove(result)
	return cmd, result
}

func jailed(t *testing.T, c call) ended {
	t.Helper()
	cmd, result := c.command(t)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	e := ended{code: cmd.ProcessState.ExitCode(), out: out.String(), err: errs.String(), took: time.Since(began)}
	data, err := os.ReadFile(result)
	if err != nil {
		t.Fatalf("%v; ended with %d: %s%s", err, e.code, e.out, e.err)
	}
	if err := json.Unmarshal(data, &e.Result); err != nil {
		t.Fatalf("result %s: %v", data, err)
	}
	return e
}

func (e ended) wantExit(t *testing.T, code int) {
	t.Helper()
	if e.code != code || e.Cause != report.CauseExit || e.ExitCode == nil || *e.ExitCode != code {
		t.Fatalf("ended with %d by %s, want exit code %d: %s", e.code, e.Cause, code, e.err)
	}
}

// free runs probe without a jail, as the same user.
func free(t *testing.T, argv ...string) string {
	t.Helper()
	cmd := exec.Command(probe, argv...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	out, err := cmd.Output()
	check(t, err)
	return string(out)
}

// leftovers are the processes that are not the guest's own.
func leftovers(t *testing.T) (out []string) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	check(t, err)
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		check(t, err)
		if s := process(pid); s != nil && pid != 1 && pid != os.Getpid() && !ofKernel(pid) {
			out = append(out, fmt.Sprintf("%d %s, %s, child of %s", pid, s["Name"], s["State"], s["PPid"]))
		}
	}
	return out
}

// process is what /proc says of a process, nil when it is gone.
func process(pid int) map[string]string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	return status(string(data))
}

// ofKernel is for kthreadd, its threads, and the helpers that these start.
func ofKernel(pid int) bool {
	const kthreadd = 2
	for pid > kthreadd {
		pid, _ = strconv.Atoi(process(pid)["PPid"])
	}
	return pid == kthreadd
}

func wantNothingLeft(t *testing.T) {
	t.Helper()
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// wantNothingLeftSoon is for jails whose command was killed: the kernel ends what it had started, in its own time.
func wantNothingLeftSoon(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience / 4); time.Now().Before(end) && len(leftovers(t)) > 0; time.Sleep(time.Millisecond) {
	}
	wantNothingLeft(t)
}

// status reads "Name:\tvalue" lines.
func status(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		out[name] = strings.Join(strings.Fields(value), " ")
	}
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
