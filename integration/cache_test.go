package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jail-sandbox/jail/core/report"
)

// cached is a run by profile, with a cache of its own.
func cached(dir, profile, script string) call {
	return call{opts: []string{"--cache-dir", dir, "-p", profile}, argv: []string{"sh", "-c", script}}
}

// warm runs until the plan is kept: what changed in the last two seconds is not.
func warm(t *testing.T, dir, profile string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		jailed(t, cached(dir, profile, "true")).wantExit(t, 0)
		list := outside(t, call{argv: []string{site.jail, "cache", "--cache-dir", dir}})
		if strings.Contains(list.out, "fresh  "+profile) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatalf("the plan of %s is never fresh", profile)
}

// traced runs jail under strace and gives the calls of the named kinds that did not fail, by all processes.
func traced(t *testing.T, calls string, c call) []string {
	t.Helper()
	log := filepath.Join(workDir(t), "trace")
	c.wrap = []string{"strace", "-f", "-qq", "-z", "-s", "200", "-e", "trace=" + calls, "-o", log}
	jailed(t, c).wantExit(t, 0)
	data, err := os.ReadFile(log)
	check(t, err)
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

func TestWarmRunStartsNothingButTheProgram(t *testing.T) {
	dir := filepath.Join(workDir(t), "cache")
	own := profile(t, `extends = ["default"]`)
	// The argument of the program's own execve is an address: its process cannot be read, by strace neither.
	execs := func(lines []string) (out []string) {
		for _, l := range lines {
			if m := regexp.MustCompile(`execve\((?:"([^"]*)"|0x[0-9a-f]+), (?:\["([^"]*)"|0x)`).FindStringSubmatch(l); m != nil {
				out = append(out, filepath.Base(m[2]))
			}
		}
		return out
	}
	cold := fmt.Sprint(execs(traced(t, "execve", cached(dir, own, "true"))))
	for _, name := range []string{"jail-plan", "jail-plugin-netns"} {
		if !strings.Contains(cold, name) {
			t.Errorf("a cold run started %s, not %s", cold, name)
		}
	}
	warm(t, dir, own)
	if got := fmt.Sprint(execs(traced(t, "execve", cached(dir, own, "true")))); got != "[jail .]" {
		t.Errorf("a warm run started %s", got)
	}
	for _, l := range traced(t, "open,openat,openat2", cached(dir, own, "true")) {
		if strings.Contains(l, ".toml") || strings.Contains(l, "jail-plugin") || strings.Contains(l, "jail-plan") {
			t.Errorf("a warm run opened %s", l)
		}
	}
}

func TestChangedProfileHasANewPlan(t *testing.T) {
	dir := filepath.Join(workDir(t), "cache")
	own := profile(t, `extends = ["default"]`+"\n"+`env.set = { COLOUR = "red" }`)
	warm(t, dir, own)
	data, err := os.ReadFile(own)
	check(t, err)
	check(t, os.WriteFile(own, []byte(strings.Replace(string(data), "red", "blue", 1)), 0o644))
	e := jailed(t, cached(dir, own, "echo $COLOUR"))
	e.wantExit(t, 0)
	if e.out != "blue\n" {
		t.Errorf("the colour is %q", e.out)
	}
}

// TestShadowedProfile: a file that comes to stand before another one of its name is seen, though nothing was changed.
func TestShadowedProfile(t *testing.T) {
	dir, first := filepath.Join(workDir(t), "cache"), workDir(t)
	c := cached(dir, "default", "hostname")
	c.opts = append(c.opts, "--profile-dir", first)
	jailed(t, c).wantExit(t, 0)
	check(t, os.WriteFile(filepath.Join(first, "default.toml"),
		[]byte("format = \"jail.profile/1\"\nextends = [\"base\"]\nipcuts.hostname = \"shadow\"\nseccomp.allow = [\"@script\"]\n"), 0o644))
	e := jailed(t, c)
	e.wantExit(t, 0)
	if e.out != "shadow\n" {
		t.Errorf("the host name is %q", e.out)
	}
}

func TestAnotherBuildsPlansAreNotUsed(t *testing.T) {
	dir := filepath.Join(workDir(t), "cache")
	warm(t, dir, "default")
	tree := filepath.Join(workDir(t), "tree")
	check(t, os.CopyFS(tree, os.DirFS(filepath.Dir(filepath.Dir(site.jail)))))
	log := filepath.Join(workDir(t), "trace")
	e := outside(t, call{argv: []string{"strace", "-f", "-qq", "-z", "-e", "trace=execve", "-o", log,
		filepath.Join(tree, "bin/jail"), "run", "--cache-dir", dir, "--", "true"}})
	data, err := os.ReadFile(log)
	check(t, err)
	if e.code != 0 || !strings.Contains(string(data), tree+"/libexec/jail/jail-plan") {
		t.Errorf("ended with %d: %s\n%s", e.code, e.err, data)
	}
}

func TestCacheThatCannotBeUsed(t *testing.T) {
	dir := workDir(t)
	for _, row := range []struct{ name, want string }{
		{"/proc/none", "no plan cache, planning each time: mkdir /proc/none"},
		{ownFile(t, dir, "file", ""), "not a directory"},
		{dir, "has mode 0755, others must be shut out"},
	} {
		e := jailed(t, cached(row.name, "default", "echo ran"))
		e.wantExit(t, 0)
		if e.out != "ran\n" || !strings.Contains(e.err, row.want) || strings.Count(e.err, "\n") != 1 {
			t.Errorf("%s: %q, said %q", row.name, e.out, e.err)
		}
	}
}

func TestNoHomeNoCache(t *testing.T) {
	c := sh("echo ran")
	c.opts, c.prep = nil, nil
	c.wrap = []string{"env", "-u", "HOME"}
	e := jailed(t, c)
	e.wantExit(t, 0)
	if !strings.Contains(e.err, "no plan cache") {
		t.Errorf("said %q", e.err)
	}
}

func TestHerdOfFirstRuns(t *testing.T) {
	dir := filepath.Join(workDir(t), "cache")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { jailed(t, cached(dir, "default", "exit 7")).wantExit(t, 7) })
	}
	wg.Wait()
}

// TestJailAlone: with a plan file the one static binary is enough, in a tree without anything else, for anybody.
func TestJailAlone(t *testing.T) {
	dir := workDir(t)
	data, err := os.ReadFile(site.jail)
	check(t, err)
	alone := filepath.Join(dir, "jail")
	check(t, os.WriteFile(alone, data, 0o755))
	e := outside(t, call{argv: []string{alone, "run", "--plan", planOnce("default"), "--", "sh", "-c", "exit 7"}})
	if e.code != 7 || e.err != "" {
		t.Errorf("ended with %d: %s", e.code, e.err)
	}
	e = outside(t, call{argv: []string{alone, "run", "--", "true"}})
	if e.code != report.ExitSetup || !strings.Contains(e.err, "it belongs beside jail") {
		t.Errorf("without a plan: %d, %s", e.code, e.err)
	}
}

func TestPlanFiles(t *testing.T) {
	dir := workDir(t)
	file := filepath.Join(dir, "plan.json")
	run := func(args ...string) ended { return outside(t, call{argv: append([]string{site.jail}, args...)}) }
	if e := run("plan", "-p", "python", "--arch", "amd64,arm64", "-o", file); e.code != 0 {
		t.Fatal(e.err)
	}
	if e := run("check", "--plan", file); e.code != 0 || !strings.Contains(e.out, "good, sha256:") {
		t.Errorf("%d: %s%s", e.code, e.out, e.err)
	}
	if e := run("plan", "--plan", file, "--ops"); e.code != 0 || !strings.Contains(e.out, "pivot_root") {
		t.Errorf("%d: %s", e.code, e.err)
	}
	good, err := os.ReadFile(file)
	check(t, err)
	for name, row := range map[string]struct{ from, to, want string }{
		"a step's field":     {`"hostname",`, `"hostname", "x": 1,`, "x"},
		"another policy":     {`"call": "ptrace",`, `"call": "getpid",`, "fingerprint"},
		"another filter":     {`"amd64": "`, `"amd64": "IAAAAAQAAAA`, ""},
		"another format":     {"jail.plan/1", "jail.plan/2", "jail.plan/2"},
		"a step left out":    {`"kind": "no-new-privs"`, `"kind": "session"`, "no-new-privs"},
		"other than its own": {`"owner": "pidns"`, `"owner": "netns"`, "not its to return"},
		"not JSON":           {`{`, `[`, "plan"},
	} {
		bad := strings.Replace(string(good), row.from, row.to, 1)
		if bad == string(good) {
			t.Fatalf("%s: nothing was changed", name)
		}
		path := ownFile(t, dir, "bad.json", bad)
		if e := run("check", "--plan", path); e.code != 1 || !strings.Contains(e.err, row.want) {
			t.Errorf("check: %s: %d: %s", name, e.code, e.err)
		}
		jailed(t, call{opts: []string{"--plan", path}, argv: []string{"true"}}).wantRefused(t, row.want)
	}
}
