package docs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A warmRun is what strace(1) saw of a run whose plan was in the cache.
type warmRun struct {
	launcher []string // the calls of all threads of jail, from its own execve on
	inside   []string // those of the reaper and the program
}

var warm = sync.OnceValues(traceWarm)

func traceWarm() (w warmRun, err error) {
	dir := filepath.Join(site, "trace-warm")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return w, err
	}
	if os.Getuid() == 0 {
		if err := os.Chown(dir, outsider, outsider); err != nil {
			return w, err
		}
	}
	jail := filepath.Join(site, "tree/bin/jail")
	for fresh, deadline := false, time.Now().Add(patience); !fresh; {
		if time.Now().After(deadline) {
			return w, fmt.Errorf("the plan is never fresh")
		}
		if _, err := asOutsider(dir, jail, "run", "--", "true"); err != nil {
			return w, err
		}
		list, err := asOutsider(dir, jail, "cache")
		if err != nil {
			return w, err
		}
		fresh = bytes.Contains(list, []byte("fresh"))
		time.Sleep(200 * time.Millisecond)
	}
	prefix := filepath.Join(dir, "s")
	words := slices.Concat([]string{"strace", "-ff", "-o", prefix}, dropping(dir), []string{jail, "run", "--", "true"})
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir // an entry of the cache is for one directory
	if out, err := cmd.CombinedOutput(); err != nil {
		return w, fmt.Errorf("%q: %w\n%s", words, err, out)
	}
	files, err := filepath.Glob(prefix + ".*")
	if err != nil {
		return w, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return w, err
		}
		seen := calls(string(data))
		start := slices.IndexFunc(seen, func(c string) bool { return strings.HasPrefix(c, `execve("`+jail+`"`) })
		switch {
		case hasCall(seen, "pivot_root") || hasCall(seen, "seccomp"):
			w.inside = append(w.inside, seen...)
		case start >= 0: // before that come env(1) and setpriv(1)
			w.launcher = append(w.launcher, seen[start:]...)
		default:
			w.launcher = append(w.launcher, seen...)
		}
	}
	return w, nil
}

func hasCall(seen []string, name string) bool {
	return slices.ContainsFunc(seen, func(c string) bool { return callName(c) == name })
}

func callName(line string) string {
	name, _, _ := strings.Cut(line, "(")
	return name
}

var (
	tableOfCalls = regexp.MustCompile(`(?s)<!-- calls of a warm run -->\n(.*?)<!-- end of calls -->`)
	callOfTable  = regexp.MustCompile("`([a-z0-9_]+)`(\\\\\\*)?")
)

// ARCHITECTURE.md has every call of a warm run's launcher, and no other; nothing is executed but jail and the program.
func TestWarmRun(t *testing.T) {
	w, err := warm()
	check(t, err)
	told, always := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(tableOfCalls.FindStringSubmatch(read(t, "../ARCHITECTURE.md"))[1]) {
		row := strings.Split(line, "|")
		for _, m := range callOfTable.FindAllStringSubmatch(row[2], -1) {
			told[m[1]] = true
			if m[2] == "" && !strings.Contains(row[1], `\*`) {
				always[m[1]] = true
			}
		}
	}
	execs := 0
	for _, c := range w.launcher {
		name := callName(c)
		if name == "execve" {
			execs++
		} else if !told[name] {
			t.Errorf("ARCHITECTURE.md has no %s: %s", name, c)
			told[name] = true // once is enough
		}
	}
	for name := range always {
		if !hasCall(w.launcher, name) {
			t.Errorf("ARCHITECTURE.md has %s without a star, and it was not called", name)
		}
	}
	if execs != 1 {
		t.Errorf("the launcher made %d execve, its own is the only one", execs)
	}
	var started []string
	for _, c := range w.inside {
		if callName(c) == "execve" && strings.HasSuffix(c, "= 0") {
			started = append(started, c)
		}
	}
	if len(started) != 1 || os.Getuid() == 0 && !strings.Contains(started[0], `"/usr/bin/true"`) {
		t.Errorf("started inside: %q", started)
	}
}

// beyond are the calls of a run that a container of Docker's does not allow, and clone3, which it answers with ENOSYS.
func beyond(t *testing.T) string {
	w, err := warm()
	check(t, err)
	docker := dockerCalls(t)
	var out []string
	for _, c := range slices.Concat(w.launcher, w.inside) {
		if name := callName(c); !slices.Contains(docker, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return "```text\n" + strings.Join(slices.Compact(out), " ") + "\n```\n"
}
