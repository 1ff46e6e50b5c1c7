package host

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jail-sandbox/jail/core/step"
)

// planOne asks one fixture, and fails when a file or a process of it is left.
func planOne(t *testing.T, timeout time.Duration, name, section string) (Answer, string) {
	t.Helper()
	dir := install(t, name)
	a, problem := planIn(t, dir, timeout, name, section)
	if pids := alive(dir); pids != nil {
		t.Errorf("processes %v are left", pids)
	}
	return a, problem
}

func planIn(t *testing.T, dir string, timeout time.Duration, name, section string) (Answer, string) {
	t.Helper()
	temp := shortTemp(t)
	h := New(Config{Dirs: []string{dir}, Timeout: timeout, TempDir: temp})
	answers, problems := h.Plan(t.Context(), []Request{{Name: name, Section: json.RawMessage(section)}})
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("%s is left", left[0].Name())
	}
	if len(problems) > 0 {
		return Answer{}, step.Problems(problems).Error()
	}
	if len(answers) != 1 {
		t.Fatalf("%d answers and no problem", len(answers))
	}
	return answers[0], ""
}

func TestPlanAsksTheFive(t *testing.T) {
	names := []string{"userns", "ipcuts", "netns", "mountns", "pidns"}
	h := New(Config{Dirs: []string{"/nonexistent", install(t, names...)}})
	var requests []Request
	for _, n := range names {
		requests = append(requests, Request{Name: n})
	}
	requests[2].Section = json.RawMessage(`{"mode":"loopback"}`)
	requests[4].Section = json.RawMessage(`{"prok":"pid"}`)
	answers, problems := h.Plan(t.Context(), requests)
	if problems != nil || len(answers) != len(names) {
		t.Fatalf("%d answers, problems %v", len(answers), problems)
	}
	for i, a := range answers {
		if a.Name != names[i] || a.Info.Name != names[i] || !strings.HasPrefix(a.Digest, "sha256:") || a.Stat.Size() == 0 {
			t.Errorf("answer %d is %+v", i, a)
		}
	}
	if s := answers[2].Contribution.Steps; len(s) != 1 || s[0].Step != (step.Loopback{}) {
		t.Errorf("netns did not get its section: %v", s)
	}
	if p := answers[4].Contribution.Problems; len(p) != 1 || p[0].Hint != `did you mean "proc"?` {
		t.Errorf("a planner's own problem is %v", p)
	}
}

func TestDescribeAsksAll(t *testing.T) {
	answers, problems := New(Config{Dirs: []string{install(t, "pidns", "netns", "leaves")}}).Describe(t.Context())
	var names []string
	for _, a := range answers {
		names = append(names, a.Info.Name)
	}
	if !slices.Equal(names, []string{"netns", "pidns"}) {
		t.Errorf("described: %v", names)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "planner leaves (") {
		t.Errorf("problems: %v", problems)
	}
}

// G-05 to G-08: what a planner's process has. The caller has more of each.
func TestPlannerIsGivenNothing(t *testing.T) {
	t.Setenv("SECRET_TOKEN", "x")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	inherited, err := syscall.Dup(int(r.Fd())) // not close-on-exec, as from a shell
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(inherited)
	a, problem := planOne(t, 0, "spy", "")
	if problem != "" {
		t.Fatal(problem)
	}
	given := map[string][]string{}
	for _, w := range a.Contribution.Warnings {
		given[w.Key[0]] = append(given[w.Key[0]], w.Text)
	}
	for key, want := range map[string]string{"section": "{}", "stdin": `"" <nil>`, "cwd": "/", "leader": "true"} {
		if len(given[key]) != 1 || given[key][0] != want {
			t.Errorf("%s: %v, want %s", key, given[key], want)
		}
	}
	for _, e := range given["env"] {
		if name, _, _ := strings.Cut(e, "="); name != "LANG" && name != "PATH" && name != "JAIL_PLANNER" && !strings.HasPrefix(name, "PLUGIN_") {
			t.Errorf("environment has %s", e)
		}
	}
	if want := []string{"drwx------", "drwx------"}; !slices.Equal(given["sockets"], want) {
		t.Errorf("the directories of its socket are %v", given["sockets"])
	}
	ours, _ := os.Readlink("/proc/self/fd/" + itoa(inherited))
	if slices.Contains(given["fd"], ours) {
		t.Errorf("the inherited descriptor %s is there: %v", ours, given["fd"])
	}
	if exe := a.Path; slices.Contains(given["fd"], exe) {
		t.Errorf("its own file is open: %v", given["fd"])
	}
}

// G-11, G-10, G-17: a planner that is wrong is named, and is gone.
func TestBadPlanners(t *testing.T) {
	for _, row := range []struct{ name, want string }{
		{"crashes", `it ended before it had answered: exit status 3 (it wrote "\x1b[2Jno good")`},
		{"segfaults", `it ended before it had answered: `},
		{"leaves", `it ended before it had answered: exit status 0`},
		{"garbage", `it does not speak the protocol, it printed "\x1b]0;owned\a hello"`},
		{"version", `it speaks another version of the protocol: Plugin version: 2, Client versions: [1] (build it`},
		{"core2", `it speaks another version of go-plugin's protocol (build it`},
		{"netrpc", `it does not speak gRPC`},
		{"tcp", `it listens at tcp 127.0.0.1:1, not at a socket in`},
		{"othersock", `it listens at unix /run/other.sock, not`},
		{"dotdot", `, not at a socket in`},
		{"nosocket", `connect: no such file or directory`},
		{"unserved", `it does not serve jail.planner.v1.Planner`},
		{"othername", `it calls itself "netns"`},
		{"plancrash", `it ended before it had answered: exit status 2 (it wrote "panic: boom`},
		{"huge", `its answer is larger than 4MiB`},
		{"hugeraw", `its answer is larger than 4MiB`},
		{"corekind", `a step of kind "umask" is not its own but core's`},
		{"otherskind", `a step of kind "host-network" is not its own but netns's`},
		{"othersns", `the namespace "net" is not its own but netns's`},
		{"badstep", `bind: path is relative: usr`},
		{"nokind", `its answer cannot be read: unknown step kind "hook"`},
		{"nofield", `its answer cannot be read: json: unknown field "hooks"`},
		{"notjson", `its answer cannot be read: `},
		{"trailing", `its answer cannot be read: more than one JSON value`},
		{"badschema", `its answer cannot be read: the schema`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, problem := planOne(t, time.Minute, row.name, "")
			if !strings.HasPrefix(problem, "planner "+row.name+" (/") || !strings.Contains(problem, row.want) {
				t.Errorf("got  %s\nwant …%s", problem, row.want)
			}
		})
	}
}

// G-18: however much a planner says, a person gets to see the beginning.
func TestLongWords(t *testing.T) {
	for _, row := range []struct{ name, want string }{
		{"longname", `it calls itself "nnn`},
		{"longkind", `its answer cannot be read: unknown step kind "kkk`},
		{"longfield", `its answer cannot be read: json: unknown field "fff`},
		{"manysteps", `and 9990 times more`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, problem := planOne(t, time.Minute, row.name, ""); !strings.Contains(problem, row.want) || len(problem) > 5000 {
				t.Errorf("%d bytes: %.500s", len(problem), problem)
			}
		})
	}
	a, problem := planOne(t, time.Minute, "shouts", "")
	if c := a.Contribution; problem != "" || len(c.Problems) != 1 || len(c.Warnings) != 1 ||
		len(step.Problems(append(c.Problems, c.Warnings...)).Error()) > 5000 {
		t.Errorf("its own words are not cut, or not there: %.500s", problem)
	}
}

func TestDeadline(t *testing.T) {
	for _, name := range []string{"hangs", "planhangs", "silent", "flooderr"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, problem := planOne(t, 2*time.Second, name, "")
			if !strings.Contains(problem, "/jail-plugin-"+name+"): no answer in 2s") {
				t.Errorf("got %s", problem)
			}
			if took := time.Since(start); took > 6*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// A flood without a newline is no handshake, and fills no memory.
func TestFlood(t *testing.T) {
	_, problem := planOne(t, 5*time.Second, "floods", "")
	if !strings.HasPrefix(problem, "planner floods (/") || len(problem) > 1000 {
		t.Errorf("got %.1000s", problem)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	dir := install(t, "hangs")
	_, problems := New(Config{Dirs: []string{dir}, Timeout: time.Hour}).Plan(ctx, []Request{{Name: "hangs"}})
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "not asked to the end") {
		t.Errorf("got %v", problems)
	}
	if pids := alive(dir); pids != nil {
		t.Errorf("processes %v are left", pids)
	}
}

// A planner's child goes with it, as soon as the kernel gets to it.
func TestDescendants(t *testing.T) {
	dir := install(t, "child")
	if _, problem := planIn(t, dir, 0, "child", ""); problem != "" {
		t.Error(problem)
	}
	if !eventually(time.Second, func() bool { return alive(dir) == nil }) {
		t.Errorf("processes %v are left", alive(dir))
	}
}

// One that flees the group holds the planner's pipes; jail does not wait for it.
func TestRunaway(t *testing.T) {
	dir, start := install(t, "runaway"), time.Now()
	if _, problem := planIn(t, dir, 0, "runaway", ""); problem != "" {
		t.Error(problem)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("waited %s", took)
	}
	if alive(dir) == nil {
		t.Error("nothing ran away: this test proves nothing")
	}
}

// G-08: planners die with the process that asks them, whatever kills it.
func TestPlannersDieWithTheirHost(t *testing.T) {
	dir := install(t, "hangs")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "HOST_TEST_HANG_IN="+dir, "TMPDIR="+shortTemp(t))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started := eventually(5*time.Second, func() bool { return alive(dir) != nil })
	cmd.Process.Kill()
	cmd.Wait()
	if !started {
		t.Fatal("the planner was never started")
	}
	if !eventually(5*time.Second, func() bool { return alive(dir) == nil }) {
		t.Errorf("processes %v are left", alive(dir))
	}
}

// G-05: whoever answers at the socket must be the caller.
func TestCheckPeer(t *testing.T) {
	path := filepath.Join(shortTemp(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := checkPeer(conn.(*net.UnixConn), os.Geteuid()); err != nil {
		t.Errorf("our own: %v", err)
	}
	if err := checkPeer(conn.(*net.UnixConn), os.Geteuid()+1); err == nil {
		t.Error("a stranger is accepted")
	}
}

// G-05: another user does not get as far as the socket. Where the directory lets it through, it does.
func TestSocketsArePrivate(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can be somebody else
	}
	temp := shortTemp(t)
	chmod(t, temp, 0o755)
	dir, remove, err := socketDir(temp)
	try(t, err)
	defer remove()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	try(t, err)
	defer l.Close()
	chmod(t, filepath.Join(dir, "s"), 0o777)
	if err := connectAs(12345, filepath.Join(dir, "s")); !errors.Is(err, syscall.EACCES) {
		t.Errorf("another user connects: %v", err)
	}
	chmod(t, dir, 0o711)
	if err := connectAs(12345, filepath.Join(dir, "s")); err != nil {
		t.Errorf("it cannot connect to an open directory either, this test proves nothing: %v", err)
	}
}

// connectAs connects with another user's rights to files, which a thread may have for itself: setfsuid(2).
func connectAs(uid uintptr, path string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	syscall.RawSyscall(syscall.SYS_SETFSUID, uid, 0, 0)
	defer syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
	return syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
}

func TestSocketDirectory(t *testing.T) {
	dir := install(t, "pidns")
	long := "/tmp/" + strings.Repeat("d", maxTempDir)
	for temp, want := range map[string]string{long: "too long for a socket", "/nonexistent": "set TMPDIR"} {
		_, problems := New(Config{TempDir: temp}).Plan(t.Context(), []Request{{Name: "x"}})
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s: %v", temp, problems)
		}
	}
	t.Setenv("TMPDIR", long)
	if got := New(Config{}).config.TempDir; got != "/tmp" {
		t.Errorf("with a long TMPDIR it is %s", got)
	}
	longest, err := os.MkdirTemp("/tmp", strings.Repeat("l", maxTempDir-len("/tmp/")-10)+"*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(longest)
	h := New(Config{Dirs: []string{dir}, TempDir: longest})
	if _, problems := h.Plan(t.Context(), []Request{{Name: "pidns"}}); problems != nil {
		t.Errorf("the longest directory: %v", problems)
	}
}

// shortTemp is a temporary directory with room for a socket's path.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "host")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func eventually(within time.Duration, cond func() bool) bool {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if cond() {
			return true
		}
	}
	return cond()
}
