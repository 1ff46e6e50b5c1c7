package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jail-sandbox/jail/core/report"
)

// patience is the time after which a run counts as hung. Nothing takes nearly as long.
const patience = 60 * time.Second

// A call is one run of a command as the unprivileged user.
type call struct {
	wrap  []string // a command that starts jail: nice, setpriv
	opts  []string // of jail run
	argv  []string // the program
	stdin io.Reader
	out   *os.File // standard output; nil: captured
	env   []string // beside HOME and PATH
	dir   string   // the caller's directory; empty: home
	files []*os.File
	prep  func(*exec.Cmd)
	begun func(*os.Process) // called once it runs
}

// An ended is what a run left.
type ended struct {
	code     int // -1: a signal ended it
	out, err string
	report.Result
}

// jailed runs `jail run` and reads its result.
func jailed(t *testing.T, c call) ended {
	t.Helper()
	result := filepath.Join(t.TempDir(), "result")
	f, err := os.Create(result)
	check(t, err)
	defer f.Close()
	c.files = append([]*os.File{f}, c.files...)
	c.argv = append(append(append(c.wrap, site.jail, "run", "--result", "fd:3"), c.opts...), append([]string{"--"}, c.argv...)...)
	e := outside(t, c)
	data, err := os.ReadFile(result)
	check(t, err)
	if len(data) == 0 {
		return e
	}
	if err := json.Unmarshal(data, &e.Result); err != nil {
		t.Fatalf("result: %v\n%s", err, data)
	}
	return e
}

// outside runs a command outside of any jail, as the unprivileged user.
func outside(t *testing.T, c call) ended {
	t.Helper()
	cmd, out, errs := c.command(t)
	err := cmd.Start()
	if err == nil && c.begun != nil {
		c.begun(cmd.Process)
	}
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v", cmd.Args, err)
	}
	return ended{code: cmd.ProcessState.ExitCode(), out: out.String(), err: errs.String()}
}

// command prepares a process of the unprivileged user that a hang cannot outlive.
func (c call) command(t *testing.T) (cmd *exec.Cmd, out, errs *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("hung"))
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = c.stdin, out, errs, c.files
	if c.out != nil {
		cmd.Stdout = c.out
	}
	cmd.Env = append([]string{"HOME=" + site.home, "PATH=/usr/bin:/bin", "TMPDIR=" + site.home}, c.env...)
	cmd.Dir = site.home
	if c.dir != "" {
		cmd.Dir = c.dir
	}
	cmd.SysProcAttr = unprivileged()
	if c.prep != nil {
		c.prep(cmd)
	}
	return cmd, out, errs
}

// unprivileged makes a process of root the outsider's; another user's stays its own.
func unprivileged() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		a.Credential = &syscall.Credential{Uid: outsider, Gid: outsider}
	}
	return a
}

func callerID() int {
	if os.Getuid() == 0 {
		return outsider
	}
	return os.Getuid()
}

// sh is a call of a shell script in the default profile.
func sh(script string, opts ...string) call {
	return call{opts: append(planned("default"), opts...), argv: []string{"sh", "-c", script}}
}

// wantExit fails unless the program itself exited with the code.
func (e ended) wantExit(t *testing.T, code int) {
	t.Helper()
	if e.Cause != report.CauseExit || e.code != code || e.ExitCode == nil || *e.ExitCode != code {
		t.Fatalf("ended with %d by %q, want %d by exit\nstdout: %s\nstderr: %s", e.code, e.Cause, code, clip(e.out), clip(e.err))
	}
}

// wantRefused fails unless no program was started, and the message has all the words.
func (e ended) wantRefused(t *testing.T, words ...string) {
	t.Helper()
	if e.code != report.ExitSetup {
		t.Errorf("exit code %d, want %d", e.code, report.ExitSetup)
	}
	for _, w := range words {
		if !strings.Contains(e.err, w) {
			t.Errorf("the message has no %q:\n%s", w, e.err)
		}
	}
}

func clip(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "…"
	}
	return s
}

// planned are the options of a profile's plan, made once: the planners have tests of their own, and most tests here are
// about what follows them.
func planned(profile string) []string {
	return []string{"--plan", planOnce(profile)}
}

var plans sync.Map // profile: func() (string, error)

func planOnce(profile string) string {
	make, _ := plans.LoadOrStore(profile, sync.OnceValues(func() (string, error) { return makePlan(profile) }))
	file, err := make.(func() (string, error))()
	if err != nil {
		panic(err) // the built-in profiles and those of the tests have plans
	}
	return file
}

func makePlan(profile string) (string, error) {
	cmd := exec.Command(site.jail, "plan", "-p", profile, "--json")
	cmd.Env, cmd.Dir, cmd.SysProcAttr = []string{"HOME=" + site.home}, site.home, unprivileged()
	data, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("plan of %s: %w", profile, err)
	}
	f, err := os.CreateTemp(site.dir, "plan-*.json")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := f.Chmod(0o644); err != nil {
		return "", err
	}
	_, err = f.Write(data)
	return f.Name(), err
}

// profile writes a profile for one test and returns its path.
func profile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(workDir(t), "test.toml")
	check(t, os.WriteFile(path, []byte("format = \"jail.profile/1\"\n"+text), 0o644))
	check(t, giveAway(path))
	return path
}

// workDir is a directory of the unprivileged user for one test.
func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(site.dir, "work-")
	check(t, err)
	check(t, os.Chmod(dir, 0o755))
	check(t, giveAway(dir))
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// ownFile is a file of the unprivileged user that nobody else may read.
func ownFile(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	check(t, os.WriteFile(path, []byte(content), 0o600))
	check(t, giveAway(path))
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		check(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	check(t, err)
	if got != string(want) {
		t.Errorf("not as in %s:\n%s", path, lineDiff(string(want), got))
	}
}

// lineDiff shows the lines that only one of two texts has.
func lineDiff(want, got string) string {
	var b strings.Builder
	show := func(sign, text, other string) {
		for line := range strings.Lines(text) {
			if !strings.Contains("\n"+other, "\n"+line) {
				b.WriteString(sign + line)
			}
		}
	}
	show("-", want, got)
	show("+", got, want)
	return b.String()
}
