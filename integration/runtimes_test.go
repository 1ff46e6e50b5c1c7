package integration

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jail-sandbox/jail/core/report"
	"github.com/jail-sandbox/jail/profiles"
)

// A runtime runs its program of testdata/runtimes, which all do the same: below /src it is as it was written, in /out is
// what the compiler made of it.
type runtime struct {
	command, pkg   string // what must be installed, and Debian's package of it
	compiler       string // its profile; empty: there is none
	compile        []string
	profile        string
	run            []string
	more           string // what `works` says besides
	signal, status int    // how `crash` ends
}

var runtimes = map[string]runtime{
	"c++": {command: "g++", pkg: "g++",
		compiler: "cpp-compile", compile: []string{"g++", "-std=c++17", "-pthread", "-o", "/out/works", "/src/works.cpp"},
		profile: "script", run: []string{"/out/works"}, signal: int(syscall.SIGSEGV)},
	"go": {command: "go", pkg: "golang",
		compiler: "go-compile", compile: []string{"go", "build", "-C", "/src/go", "-o", "/out/works", "."},
		profile: "script", run: []string{"/out/works"}, status: 2},
	"java": {command: "javac", pkg: "default-jdk-headless",
		compiler: "java-compile", compile: []string{"javac", "-d", "/out", "/src/Works.java"},
		profile: "java-run", run: []string{"java", "-cp", "/out", "Works"}, signal: int(syscall.SIGABRT)},
	"node": {command: "node", pkg: "nodejs",
		profile: "node", run: []string{"node", "/src/works.js"}, signal: int(syscall.SIGABRT)},
	"perl": {command: "perl", pkg: "perl",
		profile: "shell", run: []string{"perl", "/src/works.pl"}, signal: int(syscall.SIGSEGV)},
	"python": {command: "/usr/bin/python3", pkg: "python3",
		profile: "python", run: []string{"/usr/bin/python3", "/src/works.py"}, more: "pool 20\nqueue sent\nasyncio 10\n",
		signal: int(syscall.SIGABRT)},
	"sh": {command: "sh", pkg: "dash",
		profile: "shell", run: []string{"sh", "/src/works.sh"}, signal: int(syscall.SIGABRT)},
}

// inputSize is what `works` reads: more than any pipe, tmpfs or stack has room for by accident.
const inputSize = 48 << 20

func TestRuntimes(t *testing.T) {
	src := runtimePrograms(t)
	for name, r := range runtimes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(r.command); err != nil {
				t.Fatalf("%s is not installed: Debian's package is %s", r.command, r.pkg)
			}
			out := workDir(t)
			if r.compiler != "" {
				r.build(t, src, out)
			}
			run := func(mode string, stdin io.Reader) ended {
				opts := append(planned(r.profile), "--bind", src+":/src", "--bind", out+":/out")
				return jailed(t, call{opts: opts, argv: append(slices.Clone(r.run), mode), stdin: stdin})
			}
			r.wantWorks(t, run("works", io.LimitReader(zeros{}, inputSize)))
			r.wantCrash(t, run("crash", nil))
			r.wantBlind(t, run("looks", nil), src, out)
		})
	}
}

// runtimePrograms is a copy of testdata/runtimes that the unprivileged user can read.
func runtimePrograms(t *testing.T) string {
	t.Helper()
	dir := workDir(t)
	check(t, os.CopyFS(dir, os.DirFS("testdata/runtimes")))
	return dir
}

func (r runtime) build(t *testing.T, src, out string) {
	t.Helper()
	opts := append(planned(r.compiler), "--bind", src+":/src", "--bind", out+":/out:rw")
	argv := slices.Clone(r.compile)
	if root := goroot(t); argv[0] == "go" && !strings.HasPrefix(root, "/usr/") {
		check(t, openToAll(root))
		opts, argv[0] = append(opts, "--bind", root+":/goroot"), "/goroot/bin/go"
	}
	jailed(t, call{opts: opts, argv: argv}).wantExit(t, 0)
}

func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	check(t, err)
	return strings.TrimSpace(string(out))
}

func (r runtime) wantWorks(t *testing.T, e ended) {
	t.Helper()
	e.wantExit(t, 0)
	if want := fmt.Sprintf("threads 10\nprocess hello\nfile kept\nstdin %d\n%s", inputSize, r.more); e.out != want {
		t.Errorf("works: printed %q, want %q\n%s", e.out, want, clip(e.err))
	}
}

func (r runtime) wantCrash(t *testing.T, e ended) {
	t.Helper()
	if r.signal == 0 {
		e.wantExit(t, r.status)
		return
	}
	if e.Cause != report.CauseSignal || e.Signal == nil || *e.Signal != r.signal || e.code != 128+r.signal {
		t.Errorf("crash: ended with %d by %s, want signal %d\n%s", e.code, e.Cause, r.signal, clip(e.err))
	}
}

// wantBlind is about the network, the host's files and its processes, as the language's own library shows them. Outside,
// each line differs.
func (r runtime) wantBlind(t *testing.T, e ended, src, out string) {
	t.Helper()
	e.wantExit(t, 0)
	if want := "socket refused\nshadow false\nprocesses 1\n"; !strings.EqualFold(e.out, want) {
		t.Errorf("looks: printed %q, want %q", e.out, want)
	}
	there := strings.NewReplacer("/src", src, "/out", out)
	argv := append(slices.Clone(r.run), "looks")
	for i := range argv {
		argv[i] = there.Replace(argv[i])
	}
	argv[0], _ = exec.LookPath(argv[0])
	wantOther(t, outside(t, call{argv: argv}).out, e.out)
}

// wantOther is the control of a list of refusals: no line is the same without the jail.
func wantOther(t *testing.T, control, jailed string) {
	t.Helper()
	free := strings.Split(strings.TrimSpace(control), "\n")
	for i, line := range strings.Split(strings.TrimSpace(jailed), "\n") {
		if i >= len(free) || free[i] == line {
			t.Errorf("%q is no work of the jail's: without it the same attempts got %q", line, free)
		}
	}
}

// What no language can do. The control has all capabilities in namespaces of its own, and no filter.
func TestRuntimesRefuse(t *testing.T) {
	src := runtimePrograms(t)
	want := strings.Join([]string{
		"internet socket EPERM", "netlink socket EPERM", "ptrace EPERM", "mount EPERM", "unshare EPERM", "keyring EPERM",
		"write usr EROFS", "write passwd EROFS", "read shadow ENOENT", "see the caller ENOENT", "signal the caller ESRCH", "",
	}, "\n")
	attempts := func(file string) []string { return []string{"/usr/bin/python3", file, fmt.Sprint(os.Getpid())} }
	for _, name := range profiles.Names() {
		if name == "base" || name == "cpp-run" { // have no programs to run
			continue
		}
		t.Run(name, func(t *testing.T) {
			e := jailed(t, call{opts: append(planned(name), "--bind", src+":/src"), argv: attempts("/src/refused.py"), dir: workDir(t)})
			e.wantExit(t, 0)
			if e.out != want {
				t.Errorf("not as it should be:\n%s", lineDiff(want, e.out))
			}
		})
	}
	t.Run("control", func(t *testing.T) {
		argv := append([]string{"/usr/bin/unshare", "-rm"}, attempts(filepath.Join(src, "refused.py"))...)
		wantOther(t, outside(t, call{argv: argv}).out, want)
	})
}

// What cannot be written is not kept: a full /tmp is the program's own error, and one that it survives.
func TestScriptFillsTmp(t *testing.T) {
	script := "head -c 100M /dev/zero >/tmp/f; echo $?; rm /tmp/f; echo x >/tmp/f && cat /tmp/f"
	e := jailed(t, call{opts: planned("script"), argv: []string{"sh", "-c", script}})
	e.wantExit(t, 0)
	if e.out != "1\nx\n" || !strings.Contains(e.err, "No space left") {
		t.Errorf("printed %q\n%s", e.out, e.err)
	}
}

// Processes end where the rlimit says, which counts those of this jail only.
func TestScriptProcesses(t *testing.T) {
	const bomb = `$n++ while ($p = fork); defined $p ? sleep : print "$n $!"`
	e := jailed(t, call{opts: planned("script"), argv: []string{"perl", "-e", bomb}})
	e.wantExit(t, 0)
	var n int
	if _, err := fmt.Sscanf(e.out, "%d Resource", &n); err != nil || n < 500 || n >= 512 {
		t.Errorf("forked %q, want some 510", e.out)
	}
}

// The tree is the agent's, but not what git would run outside. The control is the same without a jail.
func TestAgentProfile(t *testing.T) {
	const script = `
id -u; id -g; echo "$PWD $HOME"; echo kept >"$HOME/f"; cat "$HOME/f"
try() { if sh -c "$1" 2>/dev/null; then echo "$1: ok"; else echo "$1: refused"; fi; }
try "echo new >made"
try "echo x >.git/index"
try "echo ../evil >.git/commondir"
try "echo x >.git/hooks/post-commit"
try "echo x >>.git/config"
try "mv .git/config .git/other"
try "mv .git/hooks .git/moved"
try "mv .git other"`
	const want = `1000
1000
/work /home/agent
kept
echo new >made: ok
echo x >.git/index: refused
echo ../evil >.git/commondir: refused
echo x >.git/hooks/post-commit: refused
echo x >>.git/config: refused
mv .git/config .git/other: refused
mv .git/hooks .git/moved: refused
mv .git other: refused
`
	tree := agentTree(t)
	before := fingerprint(t, filepath.Join(tree, ".git/hooks"))
	e := jailed(t, call{opts: []string{"-p", "agent"}, argv: []string{"sh", "-c", script}, dir: tree})
	e.wantExit(t, 0)
	if e.out != want {
		t.Errorf("not as it should be:\n%s", lineDiff(want, e.out))
	}
	if after := fingerprint(t, filepath.Join(tree, ".git/hooks")); after != before {
		t.Errorf("the hooks changed:\n%s", lineDiff(before, after))
	}
	var st syscall.Stat_t
	check(t, syscall.Stat(filepath.Join(tree, "made"), &st))
	if int(st.Uid) != callerID() {
		t.Errorf("what it made belongs to %d, want the caller, %d", st.Uid, callerID())
	}
	control := outside(t, call{argv: []string{"/bin/sh", "-c", script}, dir: agentTree(t)})
	if strings.Contains(control.out, "refused") {
		t.Errorf("is refused without a jail, too:\n%s", control.out)
	}
}

// agentTree is what git needs to see a work tree, and no more.
func agentTree(t *testing.T) string {
	t.Helper()
	tree := workDir(t)
	check(t, makeOwn(filepath.Join(tree, ".git")))
	check(t, makeOwn(filepath.Join(tree, ".git/hooks")))
	ownFile(t, filepath.Join(tree, ".git"), "config", "[core]\n")
	return tree
}

// A tree without git: what is bound only where it is there, the program can make, and with it a link to what the next
// run would bind.
func TestBugLinkWhereTheNextRunBinds(t *testing.T) {
	for _, plant := range []string{"ln -s /etc .git", "mkdir .git && ln -s /etc .git/hooks", "mkdir .git && ln -s ../../etc .git/hooks"} {
		t.Run(plant, func(t *testing.T) {
			agent := func(dir, script string) ended {
				return jailed(t, call{opts: planned("agent"), argv: []string{"sh", "-c", script}, dir: dir})
			}
			tree := workDir(t)
			agent(tree, plant).wantExit(t, 0)
			e := agent(tree, "ls /etc")
			if own := agent(workDir(t), "ls /etc"); e.code != report.ExitSetup && e.out != own.out {
				t.Errorf("sees the host's /etc:\n%s", clip(e.out))
			}
		})
	}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
