package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/plugin/serve"
	"github.com/jail-sandbox/jail/core/report"
	"github.com/jail-sandbox/jail/core/step"
)

// The test binary is also a planner that speaks the protocol and means no good: what jail-plan starts by a planner's name.
func init() {
	if name, ok := strings.CutPrefix(os.Args[0], "jail-plugin-"); ok {
		serve.Planner(hostile{name})
		os.Exit(0)
	}
}

// A hostile planner does what the key `act` of its section says.
type hostile struct{ name string }

func (h hostile) Describe() plugin.Info {
	return plugin.Info{Name: h.name, Version: "1", Doc: "means no good", Schema: plugin.Schema(struct{}{})}
}

func (h hostile) Plan(r plugin.Request) plugin.Contribution {
	var s struct{ Act string }
	if err := json.Unmarshal(r.Section, &s); err != nil || acts[s.Act] == nil {
		return plugin.Contribution{Problems: []step.Problem{{Text: "no such act"}}}
	}
	return acts[s.Act]()
}

var acts = map[string]func() plugin.Contribution{
	"nothing":           func() plugin.Contribution { return plugin.Contribution{} },
	"core's step":       func() plugin.Contribution { return steps(step.Umask{}) },
	"core's filter":     func() plugin.Contribution { return steps(step.Filter{Default: "allow"}) },
	"another's step":    func() plugin.Contribution { return steps(step.HostNetwork{}) },
	"silent sharing":    func() plugin.Contribution { return steps(step.HostNetwork{}) },
	"another's place":   func() plugin.Contribution { return steps(step.Bind{Source: "/etc", Target: "/usr"}) },
	"the root":          func() plugin.Contribution { return steps(step.Bind{Source: "/", Target: "/"}) },
	"out of the root":   func() plugin.Contribution { return steps(step.Bind{Source: "/", Target: "/x/../.."}) },
	"another namespace": func() plugin.Contribution { return plugin.Contribution{Namespaces: []string{"net", "user"}} },
	"too much":          func() plugin.Contribution { return steps(slices.Repeat([]step.Step{step.Umask{}}, 10000)...) },
	"panics":            func() plugin.Contribution { panic("\x1b[2Jno good") },
	"shouts": func() plugin.Contribution {
		p := step.Problem{Text: "\x1b[2J\njail: all is well\r" + strings.Repeat("x", 1<<20)}
		return plugin.Contribution{Problems: slices.Repeat([]step.Problem{p}, 3)}
	},
	"reads": func() plugin.Contribution {
		data, err := io.ReadAll(os.Stdin)
		return plugin.Contribution{Warnings: []step.Problem{{Text: fmt.Sprintf("read %q, %v", data, err)}}}
	},
}

func steps(list ...step.Step) (c plugin.Contribution) {
	for _, s := range list {
		c.Steps = append(c.Steps, plugin.At(s))
	}
	return c
}

// hostileFile is the test binary where every user can run it.
var hostileFile = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(self)
	return sitePath("hostile"), errors.Join(err, os.WriteFile(sitePath("hostile"), data, 0o755))
})

// A tree is an installed jail of a test's own. Its files are those of the others by another name: who changes one makes a copy.
type tree string

func (d tree) jail() string            { return filepath.Join(string(d), "bin/jail") }
func (d tree) libexec() string         { return filepath.Join(string(d), "libexec/jail") }
func (d tree) planner(n string) string { return filepath.Join(d.libexec(), "jail-plugin-"+n) }

func newTree(t *testing.T) tree {
	t.Helper()
	to := filepath.Join(workDir(t), "tree")
	check(t, filepath.WalkDir(sitePath("tree"), func(from string, e fs.DirEntry, err error) error {
		at := to + strings.TrimPrefix(from, sitePath("tree"))
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.Mkdir(at, 0o755)
		}
		return os.Link(from, at)
	}))
	return tree(to)
}

// run runs a program by profile with the tree's jail, and without a cached plan.
func (d tree) run(t *testing.T, c call) ended {
	t.Helper()
	result := ownFile(t, filepath.Dir(string(d)), "result", "")
	if c.argv == nil {
		c.argv = []string{"echo", "started"}
	}
	cache := filepath.Join(filepath.Dir(string(d)), "cache")
	c.argv = slices.Concat([]string{d.jail(), "run", "--result", result, "--cache-dir", cache}, c.opts, []string{"--"}, c.argv)
	e := outside(t, c)
	data, err := os.ReadFile(result)
	check(t, err)
	if err := json.Unmarshal(data, &e.Result); err != nil {
		t.Fatalf("result: %v\n%s", err, data)
	}
	return e
}

// running are the processes whose programs are in the tree.
func (d tree) running(t *testing.T) (programs []string) {
	t.Helper()
	for _, link := range globbed(t, "/proc/[0-9]*/exe") {
		if exe, err := os.Readlink(link); err == nil && strings.HasPrefix(exe, string(d)+"/") {
			programs = append(programs, filepath.Base(exe))
		}
	}
	return programs
}

// wantUntrusted: the message and the result say why, no program was started, no process and no plan is left.
func (d tree) wantUntrusted(t *testing.T, e ended, words ...string) {
	t.Helper()
	e.wantRefused(t, words...)
	if e.out != "" || e.Cause != report.CauseSetup || e.WallNs != nil {
		t.Errorf("printed %q, the cause is %q, wall time %v", e.out, e.Cause, e.WallNs)
	}
	for _, w := range words {
		if e.Setup == nil || !strings.Contains(e.Setup.Text, w) {
			t.Errorf("the result has no %q: %+v", w, e.Setup)
		}
	}
	if strings.ContainsAny(e.err, "\x1b\r") || len(e.err) > 20000 {
		t.Errorf("the message has %d bytes: %q", len(e.err), clip(e.err))
	}
	if left := d.running(t); left != nil {
		t.Errorf("left over: %q", left)
	}
	if e := outside(t, call{argv: []string{d.jail(), "cache", "--cache-dir", filepath.Join(filepath.Dir(string(d)), "cache")}}); e.out != "" {
		t.Errorf("kept: %s", e.out)
	}
}

// replace puts another file in the place of one, as a new file.
func replace(t *testing.T, path, by string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(by)
	check(t, err)
	check(t, os.Remove(path))
	check(t, os.WriteFile(path, data, 0o755))
	check(t, os.Chmod(path, mode))
}

// G-01, G-02, G-08, G-11, G-12: planners that may not be, or do not do, what they should. Each row changes one thing of
// a good tree, and says the options that are needed to come across it.
func TestTrustPlanners(t *testing.T) {
	planner := func(mode int) func(*testing.T, tree) []string {
		return func(t *testing.T, d tree) []string {
			check(t, os.Remove(d.planner("netns")))
			check(t, compileC("probe/planner.c", d.planner("netns"), fmt.Sprint("-DMODE=", mode)))
			return nil
		}
	}
	mode := func(m os.FileMode) func(*testing.T, tree) []string {
		return func(t *testing.T, d tree) []string {
			replace(t, d.planner("netns"), d.planner("netns"), m)
			return nil
		}
	}
	for name, row := range map[string]struct {
		change func(*testing.T, tree) []string
		want   []string
	}{
		"missing": {func(t *testing.T, d tree) []string { check(t, os.Remove(d.planner("netns"))); return nil },
			[]string{"netns: no planner for this section (jail-plugin-netns is not in ", "/libexec/jail"}},
		"jail-plan is missing": {func(t *testing.T, d tree) []string { check(t, os.Remove(d.libexec()+"/jail-plan")); return nil },
			[]string{"jail-plan: no such file or directory: it belongs beside jail"}},
		"jail-plan is writable": {func(t *testing.T, d tree) []string {
			replace(t, d.libexec()+"/jail-plan", d.libexec()+"/jail-plan", 0o757)
			return nil
		}, []string{"jail-plan is not started: ", "can be written by its group or by others (mode 0757)"}},
		"writable by others":  {mode(0o757), []string{"planner netns (", "can be written by its group or by others (mode 0757) (chmod go-w "}},
		"writable by a group": {mode(0o775), []string{"planner netns (", "(mode 0775)"}},
		"set-id":              {mode(0o755 | os.ModeSetuid), []string{"planner netns (", "it is set-id"}},
		"not executable":      {mode(0o644), []string{"planner netns (", "it is not executable"}},
		"directory writable":  {func(t *testing.T, d tree) []string { check(t, os.Chmod(d.libexec(), 0o777)); return nil }, []string{"/libexec/jail can be written by its group or by others (mode 0777)"}},
		"parent writable":     {func(t *testing.T, d tree) []string { check(t, os.Chmod(string(d), 0o777)); return nil }, []string{"/tree can be written by its group or by others (mode 0777)"}},
		"swapped by a link": {func(t *testing.T, d tree) []string {
			check(t, os.Remove(d.planner("netns")))
			check(t, os.Symlink(filepath.Join(sitePath("tree"), "libexec/jail/jail-plugin-netns"), d.planner("netns")))
			return nil
		}, []string{"planner netns (", "it is a symbolic link (copy the file there)"}},
		"swapped by a script": {func(t *testing.T, d tree) []string {
			replace(t, d.planner("netns"), ownFile(t, string(d), "script", "#!/bin/sh\nexec /usr/bin/true\n"), 0o755)
			return nil
		}, []string{"planner netns (", "it is a script"}},
		"swapped by another planner": {func(t *testing.T, d tree) []string {
			replace(t, d.planner("netns"), d.planner("pidns"), 0o755)
			return nil
		},
			[]string{"planner netns (", `it calls itself "pidns"`}},
		"twice": {func(t *testing.T, d tree) []string {
			dir := workDir(t)
			check(t, os.Link(d.planner("netns"), filepath.Join(dir, "jail-plugin-netns")))
			return []string{"--plugin-dir", dir}
		}, []string{"planner netns is there twice: ", "/libexec/jail/jail-plugin-netns and ", "(remove one)"}},
		"crashes":        {planner(crashes), []string{"planner netns (", "it ended before it had answered: signal: aborted"}},
		"prints garbage": {planner(printsGarbage), []string{"planner netns (", `it does not speak the protocol, it printed "garbage"`}},
		"hangs":          {planner(hangs), []string{"planner netns (", "no answer in 10s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTree(t)
			opts := row.change(t, d)
			d.wantUntrusted(t, d.run(t, call{opts: opts}), row.want...)
		})
	}
}

// G-01: a stranger's file, which only root can make.
func TestTrustOwner(t *testing.T) {
	if os.Getuid() != 0 {
		return // an ordinary user cannot make the case
	}
	d := newTree(t)
	replace(t, d.planner("netns"), d.planner("netns"), 0o755)
	check(t, os.Chown(d.planner("netns"), 12345, 12345))
	d.wantUntrusted(t, d.run(t, call{}), "planner netns (", "belongs to uid 12345 (it must belong to root, to you or to the owner of jail)")
}

// G-10, G-11, G-18: planners that speak well and answer what they may not. One is in the place of netns, one has a section of its own.
func TestTrustAnswers(t *testing.T) {
	d := newTree(t)
	file, err := hostileFile()
	check(t, err)
	replace(t, d.planner("netns"), file, 0o755)
	check(t, os.Link(d.planner("netns"), d.planner("third")))
	for _, row := range []struct{ name, act, want string }{
		{"netns", "nothing", "the plan has no net namespace: no planner asked for it"},
		{"netns", "silent sharing", "netns: host-network: no network namespace without a warning"},
		{"netns", "another namespace", `the namespace "user" is not its own but userns's (the planner is wrong, not the profile)`},
		{"netns", "core's step", `a step of kind "umask" is not its own but core's`},
		{"netns", "core's filter", `is not its own but core's`},
		{"netns", "panics", `it ended before it had answered: exit status 2 (it wrote "panic: \x1b[2Jno good`},
		{"third", "another's step", `a step of kind "host-network" is not its own but netns's`},
		{"third", "another's place", "third: /usr is already taken by mountns (base.toml:"},
		{"third", "the root", "bind: / is the root itself"},
		{"third", "out of the root", "path has a . or .. component"},
		{"third", "too much", "and 9990 times more"},
		{"third", "shouts", `third: \x1b[2J\njail: all is well\rxxx`},
	} {
		t.Run(row.name+" "+row.act, func(t *testing.T) {
			text := fmt.Sprintf("extends = [\"default\"]\n[%s]\nact = %q\n", row.name, row.act)
			if row.name != "netns" { // by now the real one is wanted beside it
				replace(t, d.planner("netns"), filepath.Join(sitePath("tree"), "libexec/jail/jail-plugin-netns"), 0o755)
			}
			d.wantUntrusted(t, d.run(t, call{opts: []string{"-p", profile(t, text)}}), row.want)
		})
	}
}

// G-07: a planner that reads standard input finds none, and the program has all of it.
func TestTrustInput(t *testing.T) {
	d := newTree(t)
	file, err := hostileFile()
	check(t, err)
	check(t, os.Link(file, d.planner("third")))
	own := profile(t, "extends = [\"default\"]\n[third]\nact = \"reads\"\n")
	e := d.run(t, call{opts: []string{"-p", own}, argv: []string{"cat"}, stdin: strings.NewReader("data\n")})
	e.wantExit(t, 0)
	if e.out != "data\n" || !strings.Contains(e.err, `third: read "", <nil>`) {
		t.Errorf("printed %q, said %q", e.out, e.err)
	}
}

// decoys are commands that leave a mark when somebody runs them.
func decoys(t *testing.T, names ...string) (dir, mark string) {
	t.Helper()
	dir = workDir(t)
	mark = filepath.Join(workDir(t), "mark")
	for _, name := range names {
		check(t, os.Chmod(ownFile(t, dir, name, "#!/bin/sh\necho $0 >>"+mark+"\n"), 0o755))
	}
	return dir, mark
}

// G-03: PATH and the working directory are no places for commands that jail needs, whatever it needs.
func TestTrustPath(t *testing.T) {
	dir, mark := decoys(t, "jail", "jail-plan", "jail-plugin-netns", "newuidmap", "newgidmap", "sh", "true", "mount", "unshare")
	for name, text := range map[string]string{"caller": "", "subordinate ids": "[userns]\nmap = \"subids\"\n"} {
		own := profile(t, "extends = [\"default\"]\n"+text)
		e := newTree(t).run(t, call{opts: []string{"-p", own}, dir: dir, env: []string{"PATH=" + dir}})
		if name == "caller" {
			e.wantExit(t, 0)
		}
		if ran, err := os.ReadFile(mark); err == nil {
			t.Errorf("%s: ran %s", name, ran)
		}
	}
	if e := outside(t, call{argv: []string{"sh", "-c", "jail-plan"}, env: []string{"PATH=" + dir + ":/usr/bin:/bin"}}); e.code != 0 {
		t.Fatal(e.err)
	}
	if _, err := os.ReadFile(mark); err != nil {
		t.Errorf("the commands leave no mark, this test proves nothing: %v", err)
	}
}

// G-06, G-09: no variable leads to another planner, nor to one that runs already. The plan is the same, and nobody calls.
func TestTrustEnvironment(t *testing.T) {
	d := newTree(t)
	want := d.run(t, call{})
	want.wantExit(t, 0)
	dir := workDir(t)
	socket := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	check(t, err)
	defer l.Close()
	check(t, os.Chmod(socket, 0o777))
	reattach := fmt.Sprintf(`{"netns":{"Protocol":"grpc","ProtocolVersion":1,"Pid":%d,"Test":true,"Addr":{"Network":"unix","String":%q}}}`, os.Getpid(), socket)
	env := []string{"PLUGIN_UNIX_SOCKET_DIR=" + dir, "PLUGIN_UNIX_SOCKET_GROUP=0", "PLUGIN_PROTOCOL_VERSIONS=9", "PLUGIN_MULTIPLEX_GRPC=true",
		"PLUGIN_CLIENT_CERT=x", "PLUGIN_MIN_PORT=1", "PLUGIN_MAX_PORT=2", "JAIL_PLANNER=x", "LD_PRELOAD=/nonexistent.so", "GODEBUG=netdns=9", "GOTRACEBACK=x"}
	for _, name := range []string{"TF_REATTACH_PROVIDERS", "PLUGIN_REATTACH", "PLUGIN_REATTACH_CONFIG", "JAIL_REATTACH", "JAIL_REATTACH_PLANNERS",
		"JAIL_PLANNER_REATTACH", "JAIL_PLUGIN_REATTACH", "JAIL_PLUGIN_DIR", "JAIL_PLUGINS"} {
		env = append(env, name+"="+reattach)
	}
	check(t, os.RemoveAll(filepath.Join(filepath.Dir(string(d)), "cache")))
	e := d.run(t, call{env: env})
	e.wantExit(t, 0)
	if e.Plan != want.Plan || e.out != "started\n" || e.err != "" {
		t.Errorf("another plan, %s for %s, or another run: %q, %q", e.Plan, want.Plan, e.out, e.err)
	}
	check(t, l.SetDeadline(time.Now().Add(100*time.Millisecond)))
	if conn, err := l.Accept(); err == nil {
		conn.Close()
		t.Error("somebody called")
	}
}

// G-13: a plan that the disk has no room for is made each time, and nothing that is half written is left. Only root can
// make the disk and still be the tree's owner to the planners' host: an ordinary user's namespace has no root's files.
func TestTrustFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		return
	}
	dir := workDir(t)
	const script = `mount -t tmpfs -o size=4k,mode=700,uid=$1 none $2 && as="setpriv --reuid $1 --regid $1 --clear-groups" && dir=$2 && shift 2 &&
		$as "$@" && $as "$@" && ls $dir | grep -v "[.]lock$"`
	c := call{argv: []string{"unshare", "--mount", "sh", "-c", script, "sh", fmt.Sprint(callerID()), dir,
		site.jail, "run", "--cache-dir", dir, "--", "echo", "ran"}}
	c.prep = func(cmd *exec.Cmd) { cmd.SysProcAttr.Credential = nil }
	e := outside(t, c)
	if e.out != "ran\nran\n" || strings.Count(e.err, "no space left on device") != 2 || strings.Count(e.err, "\n") != 2 {
		t.Errorf("ended with %d\n%s%s", e.code, e.out, e.err)
	}
}

// G-14: a profile is opened once, and what was read is all that counts: exchanged all the time, it is the one or the other.
func TestTrustProfileSwap(t *testing.T) {
	text := func(colour string) string {
		return fmt.Sprintf("extends = [\"default\"]\nipcuts.hostname = %[1]q\nenv.set = { COLOUR = %[1]q }\n", colour)
	}
	red, blue := profile(t, text("red")), profile(t, text("blue"))
	opens := traced(t, "open,openat,openat2", cached(filepath.Join(workDir(t), "cache"), red, "true"))
	if n := strings.Count(strings.Join(opens, "\n"), red); n != 1 {
		t.Errorf("the profile was opened %d times", n)
	}
	stop, stopped := make(chan bool), make(chan error)
	go func() {
		var err error
		for more := true; more && err == nil; {
			err = unix.Renameat2(unix.AT_FDCWD, red, unix.AT_FDCWD, blue, unix.RENAME_EXCHANGE)
			select {
			case <-stop:
				more = false
			default:
			}
		}
		stopped <- err
	}()
	seen := map[string]int{}
	dir := filepath.Join(workDir(t), "cache")
	for range 12 {
		e := jailed(t, cached(dir, red, "echo $COLOUR $(hostname)"))
		e.wantExit(t, 0)
		seen[e.out]++
	}
	close(stop)
	check(t, <-stopped)
	if seen["red red\n"]+seen["blue blue\n"] != 12 {
		t.Errorf("saw %v", seen)
	}
}

// G-15: what lies in a hostile working directory is not found by name, and the message says how it could be.
func TestTrustWorkingDirectory(t *testing.T) {
	d, dir := newTree(t), workDir(t)
	const text = "format = \"jail.profile/1\"\nextends = [\"base\"]\nipcuts.hostname = \"hostile\"\nseccomp.allow = [\"@script\"]\n"
	for _, name := range []string{"default.toml", "base.toml", "evil.toml", "evil2", "jail.toml"} {
		ownFile(t, dir, name, text)
	}
	for _, sub := range []string{"profiles", ".jail", "jail"} {
		check(t, makeOwn(filepath.Join(dir, sub)))
		ownFile(t, filepath.Join(dir, sub), "default.toml", text)
	}
	for _, env := range [][]string{nil, {"XDG_CONFIG_HOME=."}, {"XDG_CONFIG_HOME="}} {
		e := d.run(t, call{dir: dir, env: env, argv: []string{"hostname"}})
		e.wantExit(t, 0)
		if e.out != "jail\n" {
			t.Errorf("%q: the host name is %q", env, e.out)
		}
	}
	check(t, os.RemoveAll(filepath.Join(filepath.Dir(string(d)), "cache")))
	for name, file := range map[string]string{"evil": "evil.toml", "evil.toml": "evil.toml", "evil2": "evil2"} {
		d.wantUntrusted(t, d.run(t, call{dir: dir, opts: []string{"-p", name}}),
			fmt.Sprintf("no profile named %q (the working directory is never searched: write ./%s for the file)", name, file))
	}
	if e := d.run(t, call{dir: dir, opts: []string{"-p", "./evil.toml"}, argv: []string{"hostname"}}); e.out != "hostile\n" {
		t.Errorf("by its path the profile is not found: %s", e.err)
	}
}

// G-16: two ways to read a profile are none.
func TestTrustAmbiguousKeys(t *testing.T) {
	d := newTree(t)
	for name, row := range map[string]struct{ text, want string }{
		"unknown":             {"[netns]\nmod = \"none\"\n", `netns.mod: unknown key (did you mean "mode"?)`},
		"unknown section":     {"[netsn]\nmode = \"none\"\n", `netsn: no planner for this section (did you mean "netns"?)`},
		"capitals":            {"[netns]\nMode = \"none\"\n", `netns.Mode: unknown key (did you mean "mode"?)`},
		"a section's":         {"[Netns]\nmode = \"none\"\n", `Netns`},
		"the core's":          {"[seccomp]\nDefault = \"kill\"\n", `seccomp.Default: unknown key`},
		"a core section's":    {"[Seccomp]\ndefault = \"kill\"\n", `Seccomp`},
		"twice":               {"[netns]\nmode = \"none\"\nmode = \"loopback\"\n", `key 'netns.mode' has already been defined`},
		"twice, quoted":       {"[netns]\nmode = \"none\"\n\"mode\" = \"loopback\"\n", `already been defined`},
		"twice, escaped":      {"[netns]\nmode = \"none\"\n\"\\u006dode\" = \"loopback\"\n", `already been defined`},
		"twice, dotted":       {"netns.mode = \"none\"\n[netns]\nmode = \"loopback\"\n", `already`},
		"a table twice":       {"[netns]\n[pidns]\n[netns]\n", `already been defined`},
		"in an inline table":  {"netns = { mode = \"none\", mode = \"loopback\" }\n", `already been defined`},
		"a value and a table": {"netns = 1\n[netns]\n", `already been defined`},
		"a place twice":       {"[mountns.at]\n\"/x\" = { tmpfs = \"1MiB\" }\n\"/x\" = { bind = \"/usr\" }\n", `already been defined`},
		"a place by two ways": {"[mountns.at]\n\"/x\" = { tmpfs = \"1MiB\" }\n\"/x/\" = { bind = \"/usr\" }\n", `/x/`},
	} {
		t.Run(name, func(t *testing.T) {
			d.wantUntrusted(t, d.run(t, call{opts: []string{"-p", profile(t, "extends = [\"default\"]\n"+row.text)}}), row.want)
		})
	}
}

// G-19: when the program runs after a planning, no planner and no jail-plan does, neither outside nor inside.
func TestTrustNoPlannerWhileRunning(t *testing.T) {
	d := newTree(t)
	log := filepath.Join(workDir(t), "trace")
	c := call{argv: []string{"strace", "-f", "-qq", "-z", "-e", "trace=execve", "-o", log, d.jail(), "run", "--cache-dir", filepath.Join(workDir(t), "cache"), "--",
		"sh", "-c", `for p in /proc/[0-9]*; do read name <$p/comm; echo $name; done; echo running; read line; exit 0`}}
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	in, hold, err := os.Pipe()
	check(t, err)
	defer hold.Close()
	c.stdin, c.out = in, w
	cmd, _, errs := c.command(t)
	check(t, cmd.Start())
	check(t, errors.Join(w.Close(), in.Close()))
	inside := linesTo(t, r, "running")
	outsideNow := d.running(t)
	family := descendants(t, cmd)
	check(t, hold.Close())
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs)
	}
	if want := []string{"sh"}; !slices.Equal(inside, want) {
		t.Errorf("inside run %q", inside)
	}
	if slices.ContainsFunc(append(outsideNow, family...), func(name string) bool { return strings.HasPrefix(name, "jail-pl") }) {
		t.Errorf("outside run %q, %q", outsideNow, family)
	}
	if !slices.Contains(outsideNow, "jail") || !slices.Contains(family, "sh") {
		t.Errorf("jail and the program are not seen in %q, %q: this test proves nothing", outsideNow, family)
	}
	ran, err := os.ReadFile(log)
	check(t, err)
	for _, name := range []string{"jail-plan", "jail-plugin-userns", "jail-plugin-ipcuts", "jail-plugin-netns", "jail-plugin-mountns", "jail-plugin-pidns"} {
		if !strings.Contains(string(ran), `["`+name) && !strings.Contains(string(ran), "/"+name) {
			t.Errorf("%s was never started, this test proves nothing:\n%s", name, ran)
		}
	}
}

// linesTo reads lines up to a last one.
func linesTo(t *testing.T, r io.Reader, last string) (lines []string) {
	t.Helper()
	for s := bufio.NewScanner(r); s.Scan(); {
		if s.Text() == last {
			return lines
		}
		lines = append(lines, s.Text())
	}
	t.Fatalf("no line %q after %q", last, lines)
	return nil
}

// descendants are the names of a command's children, and of theirs.
func descendants(t *testing.T, cmd *exec.Cmd) (names []string) {
	t.Helper()
	parents := []string{fmt.Sprint(cmd.Process.Pid)}
	for len(parents) > 0 {
		var children []string
		for _, file := range globbed(t, "/proc/"+parents[0]+"/task/*/children") {
			text, err := os.ReadFile(file)
			check(t, err)
			children = append(children, strings.Fields(string(text))...)
		}
		for _, pid := range children {
			comm, err := os.ReadFile("/proc/" + pid + "/comm")
			check(t, err)
			names = append(names, strings.TrimSpace(string(comm)))
		}
		parents = append(parents[1:], children...)
	}
	return names
}
