package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Bad input gets a clear error, and no program is started. The golden file has the message of each row; %s in a profile is
// its directory.
func TestBadProfiles(t *testing.T) {
	rows := []struct{ name, profile string }{
		{"unknown key", "[pidns]\nprok = \"pid\"\n"},
		{"unknown section", "[mountnss.at]\n\"/x\" = { tmpfs = \"1MiB\" }\n"},
		{"wrong type", "[limits]\nwall = 5\n"},
		{"wrong unit", "[limits]\nwall = \"5 parsecs\"\n"},
		{"size as duration", "[limits]\nwall = \"5MiB\"\n"},
		{"unenforced limit", "[limits]\nmemory = \"1GiB\"\n"},
		{"unknown limit", "[limits]\nwal = \"1s\"\n"},
		{"unknown rlimit", "[limits.process]\nopen_file = 3\n"},
		{"unknown call", "[seccomp]\nallow = [\"opne\"]\n"},
		{"unknown group", "[seccomp]\nallow = [\"@scirpt\"]\n"},
		{"bad expression", "[seccomp.when]\nioctl = [\"arg1 != TCGETS\"]\n"},
		{"bad errno", "[seccomp]\ndefault = \"ENOSUCH\"\n"},
		{"relative target", "[mountns.at]\n\"x\" = { tmpfs = \"1MiB\" }\n"},
		{"target with ..", "[mountns.at]\n\"/a/../b\" = { tmpfs = \"1MiB\" }\n"},
		{"relative source", "[mountns.at]\n\"/x\" = { bind = \"x\" }\n"},
		{"NUL in a target", "[mountns.at]\n\"/a\\u0000b\" = { tmpfs = \"1MiB\" }\n"},
		{"NUL in a source", "[mountns.at]\n\"/a\" = { bind = \"/a\\u0000b\" }\n"},
		{"target is the root", "[mountns.at]\n\"/\" = { tmpfs = \"1MiB\" }\n"},
		{"below a file", "[mountns.at]\n\"/etc/passwd/x\" = { tmpfs = \"1MiB\" }\n"},
		{"below proc", "[mountns.at]\n\"/proc/x\" = { tmpfs = \"1MiB\" }\n"},
		{"over proc", "[mountns.at]\n\"/proc\" = { tmpfs = \"1MiB\" }\n"},
		{"two kinds", "[mountns.at]\n\"/x\" = { tmpfs = \"1MiB\", bind = \"/usr\" }\n"},
		{"missing source", "[mountns.at]\n\"/x\" = { bind = \"/no/such/source\" }\n"},
		{"device", "[mountns.at]\n\"/x\" = { bind = \"/dev/null\" }\n"},
		{"second work directory", "[mountns.at]\n\"/x\" = { work = \"1MiB\" }\n"},
		{"host network", "[netns]\nmode = \"host\"\n"},
		{"unknown mode", "[netns]\nmode = \"nat\"\n"},
		{"bad hostname", "[ipcuts]\nhostname = \"a b\"\n"},
		{"negative uid", "[userns]\nuid = -1\n"},
		{"duplicate key", "[netns]\nmode = \"none\"\nmode = \"none\"\n"},
		{"not TOML", "[netns\n"},
		{"control characters", "[netns]\nmode = \"\\u001b[2J\"\n"},
		{"bad variable", "[env.set]\n\"A=B\" = \"x\"\n"},
	}
	var b strings.Builder
	for _, row := range rows {
		path := profile(t, "extends = [\"default\"]\n"+row.profile)
		e := jailed(t, call{opts: []string{"-p", path}, argv: []string{"echo", "started"}})
		e.wantRefused(t)
		if e.out != "" || e.err == "" || e.Setup == nil || strings.ContainsRune(e.err, '\x1b') {
			t.Errorf("%s: started %q, said %q, result %v", row.name, e.out, e.err, e.Setup)
		}
		fmt.Fprintf(&b, "-- %s --\n%s", row.name, clip(strings.ReplaceAll(e.err, filepath.Dir(path), "DIR")))
	}
	golden(t, "badprofiles.golden", b.String())
}

// Profiles that are no profiles.
func TestBadProfileFiles(t *testing.T) {
	dir := workDir(t)
	write := func(name, text string) string { return ownFile(t, dir, name, text) }
	write("a.toml", "format = \"jail.profile/1\"\nextends = [\"./b.toml\"]\n")
	write("b.toml", "format = \"jail.profile/1\"\nextends = [\"./a.toml\"]\n")
	write("gone.toml", "format = \"jail.profile/1\"\nextends = [\"nowhere\"]\n")
	write("empty.toml", "")
	write("other.toml", "format = \"jail.profile/9\"\n")
	write("binary.toml", "\x7fELF\x00\xff")
	write("big.toml", "format = \"jail.profile/1\"\n"+strings.Repeat("# x\n", 1<<20))
	check(t, os.Mkdir(filepath.Join(dir, "d.toml"), 0o755))
	var b strings.Builder
	for _, name := range []string{"a", "gone", "empty", "other", "binary", "big", "d", "none"} {
		e := jailed(t, call{opts: []string{"-p", filepath.Join(dir, name+".toml")}, argv: []string{"echo", "started"}})
		e.wantRefused(t)
		fmt.Fprintf(&b, "-- %s --\n%s", name, clip(strings.ReplaceAll(e.err, dir, "DIR")))
	}
	for _, name := range []string{"defualt", "", "../x", "a\nb"} {
		e := jailed(t, call{opts: []string{"-p", name}, argv: []string{"echo", "started"}})
		e.wantRefused(t)
		fmt.Fprintf(&b, "-- named %q --\n%s", name, clip(strings.ReplaceAll(e.err, site.dir, "SITE")))
	}
	golden(t, "badfiles.golden", b.String())
}

// place is a step's place in the plan, which changes with every step that is added.
var place = regexp.MustCompile(` \(step \d+ of \d+\)`)

// Command lines that cannot be obeyed.
func TestBadOptions(t *testing.T) {
	dir := workDir(t)
	script := ownFile(t, dir, "script", "#!/no/such/interpreter\n")
	check(t, os.Chmod(script, 0o755))
	plain := ownFile(t, dir, "plain", "text")
	long := "/" + strings.Repeat("a/", 2048) + "x"
	var b strings.Builder
	for _, row := range []struct {
		name string
		opts []string
		argv []string
		code int
	}{
		{"no program", nil, nil, 125},
		{"missing program", nil, []string{"/no/such"}, 127},
		{"missing in PATH", nil, []string{"no-such-program"}, 127},
		{"a directory", nil, []string{"/usr"}, 126},
		{"not executable", []string{"--bind", plain}, []string{plain}, 126},
		{"host's only", nil, []string{script}, 127},
		{"no interpreter", []string{"--bind", dir}, []string{script}, 127},
		{"relative target", []string{"--bind", dir + ":x"}, []string{"true"}, 125},
		{"target with ..", []string{"--bind", dir + ":/x/../y"}, []string{"true"}, 125},
		{"long target", []string{"--bind", dir + ":" + long}, []string{"true"}, 125},
		{"two binds at one target", []string{"--bind", dir + ":/x", "--bind", dir + ":/x"}, []string{"true"}, 125},
		{"a profile's target", []string{"--bind", dir + ":/tmp"}, []string{"true"}, 125},
		{"missing source", []string{"--bind", dir + "/no:/x"}, []string{"true"}, 125},
		{"bad mode", []string{"--bind", dir + ":/x:rx"}, []string{"true"}, 125},
		{"bad size", []string{"--tmpfs", "/x:big"}, []string{"true"}, 125},
		{"bad limit", []string{"--limit", "wall=-1s"}, []string{"true"}, 125},
		{"limit without value", []string{"--limit", "wall"}, []string{"true"}, 125},
		{"unknown option", []string{"--bnid", "/x"}, []string{"true"}, 125},
		{"bad cwd", []string{"--cwd", "nowhere"}, []string{"true"}, 125},
	} {
		e := jailed(t, call{opts: append(planned("default"), row.opts...), argv: row.argv})
		if e.code != row.code || e.out != "" {
			t.Errorf("%s: ended with %d, want %d, printed %q: %s", row.name, e.code, row.code, e.out, e.err)
		}
		said, _, _ := strings.Cut(e.err, "Usage of") // TestBugUsageErrorIsAPage is about the rest
		fmt.Fprintf(&b, "-- %s --\n%s", row.name, clip(strings.NewReplacer(dir, "DIR", long, "LONG").Replace(place.ReplaceAllString(said, ""))))
	}
	golden(t, "badoptions.golden", b.String())
}

// Planners that fail in their own ways: probe/planner.c.
const (
	crashes = 1 + iota
	printsGarbage
	hangs
)

// treeWithPlanner is a tree whose netns planner is another program, or is missing for mode 0.
func treeWithPlanner(t *testing.T, mode int) (jail, planner string) {
	t.Helper()
	tree := filepath.Join(workDir(t), "tree")
	check(t, os.CopyFS(tree, os.DirFS(sitePath("tree"))))
	planner = filepath.Join(tree, "libexec/jail/jail-plugin-netns")
	check(t, os.Remove(planner))
	if mode != 0 {
		check(t, compileC("probe/planner.c", planner, fmt.Sprint("-DMODE=", mode)))
	}
	return filepath.Join(tree, "bin/jail"), planner
}

// A planner that is missing, or is something else: the message names it, and nothing is started.
func TestBadPlanners(t *testing.T) {
	for name, mode := range map[string]int{"missing": 0, "crashes": crashes, "prints garbage": printsGarbage, "hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jail, _ := treeWithPlanner(t, mode)
			e := outside(t, call{argv: []string{jail, "run", "--", "echo", "started"}})
			e.wantRefused(t, "netns")
			if e.out != "" {
				t.Errorf("printed %q", e.out)
			}
		})
	}
}

// What the planners say is wrong is in the result as well, not only on standard error.
func TestBugResultHasNoPlannerProblem(t *testing.T) {
	e := jailed(t, call{opts: []string{"-p", profile(t, "[pidns]\nprok = 1\n")}, argv: []string{"true"}})
	e.wantRefused(t, "pidns.prok")
	if e.Setup == nil || !strings.Contains(e.Setup.Text, "pidns.prok") {
		t.Errorf("the result says %+v", e.Setup)
	}
}

// A kernel that refuses: each way has the hint that fits. The refusals are arranged in namespaces around jail.
func TestRefusingKernels(t *testing.T) {
	id := fmt.Sprint(callerID())
	for _, row := range []struct {
		name, script string
		want         []string
	}{
		{"no user namespaces", "echo 1 >/proc/sys/user/max_user_namespaces", []string{"clone", "max_user_namespaces"}},
		{"masked proc", "mount --bind /dev/null /proc/uptime", []string{"proc", "masked"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := sh("echo started")
			// The second namespace, which uses up a limit of one, keeps jail from taking itself for root.
			c.wrap = []string{"unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
				"sh", "-c", row.script + ` && exec unshare --user --map-user=` + id + ` --map-group=` + id + ` "$@"`, "sh"}
			jailed(t, c).wantRefused(t, row.want...)
		})
	}
}

// The root of a user namespace is nobody outside, and need not become somebody else: rootless containers are like that.
func TestBugRootOfUserNamespace(t *testing.T) {
	c := sh("cat /proc/self/uid_map | tr -s ' '")
	c.wrap = []string{"unshare", "--user", "--map-root-user"}
	e := jailed(t, c)
	e.wantExit(t, 0)
	if e.out != " 0 0 1\n" {
		t.Errorf("uid_map is %q", e.out)
	}
}

// A program without a name is not the first directory of PATH.
func TestBugEmptyProgramName(t *testing.T) {
	e := jailed(t, call{opts: planned("default"), argv: []string{""}})
	if e.code != 127 || strings.Contains(e.err, "/usr/local/bin: permission denied") {
		t.Errorf("ended with %d: %s", e.code, e.err)
	}
}

// A message about a path of four kilobytes is not four kilobytes long.
func TestBugMessageAsLongAsThePath(t *testing.T) {
	path := profile(t, "[mountns.at]\n\"/"+strings.Repeat("a/", 2048)+"x\" = { tmpfs = \"1MiB\" }\n")
	e := jailed(t, call{opts: []string{"-p", path}, argv: []string{"true"}})
	e.wantRefused(t, "path has 4098 bytes")
	if len(e.err) > 1000 {
		t.Errorf("the message has %d bytes", len(e.err))
	}
}
