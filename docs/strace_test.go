package docs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/step"
)

// A traced run is what `jail plan --ops` announced, beside what strace(1) then saw.
type traced struct {
	plan *plan.Plan
	ops  [2][]announced // the reaper's and the program's
	seen [2][]string    // their calls, as strace writes them
	wait string         // the launcher's ppoll(2), which has the wall limit
}

// announced is a line of `jail plan --ops`.
type announced struct {
	entry string // "owner: step" of the heading above it; empty for the clone
	line  string
}

var everyStep, hostNetwork = once("every-step"), once("host-network")

// once runs a profile of testdata under strace for all tests that ask.
func once(name string) func(t *testing.T) *traced {
	run := sync.OnceValues(func() (*traced, error) { return trace(name) })
	return func(t *testing.T) *traced {
		t.Helper()
		tr, err := run()
		check(t, err)
		return tr
	}
}

// trace makes the plan first: planners are slow under strace.
func trace(name string) (*traced, error) {
	if _, err := exec.LookPath("strace"); err != nil {
		return nil, fmt.Errorf("strace is not installed: run `make test`, which sees to it")
	}
	tr := &traced{}
	dir := filepath.Join(site, "trace-"+name)
	profile, err := os.ReadFile(filepath.Join("testdata", name+".toml"))
	err = errors.Join(err, os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "p.toml"), profile, 0o644))
	if os.Getuid() == 0 {
		err = errors.Join(err, os.Chown(dir, outsider, outsider))
	}
	if err != nil {
		return nil, err
	}
	jail := filepath.Join(site, "tree/bin/jail")
	data, err := asOutsider(dir, jail, "plan", "-p", "./p.toml", "--json")
	if err != nil {
		return nil, err
	}
	if tr.plan, err = plan.Decode(data); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.json"), data, 0o644); err != nil {
		return nil, err
	}
	ops, err := asOutsider(dir, jail, "plan", "--plan", "plan.json", "--ops", "--", "true")
	if err != nil {
		return nil, err
	}
	tr.ops = parseOps(string(ops))
	return tr, tr.run(dir, jail)
}

// dropping are the words before a command that make it the unprivileged user's, with a home.
func dropping(home string) []string {
	words := []string{"env", "-i", "HOME=" + home, "PATH=/usr/bin:/bin"}
	if os.Getuid() == 0 {
		id := fmt.Sprint(outsider)
		words = append(words, "setpriv", "--reuid", id, "--regid", id, "--clear-groups")
	}
	return words
}

func asOutsider(dir string, argv ...string) ([]byte, error) {
	words := append(dropping(dir), argv...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%q: %w: %s", argv, err, exit.Stderr)
	}
	return out, err
}

// run traces one run. strace itself stays root where it can: the kernel hides the memory of a reaper that is not dumpable
// from others, and strace then shows pointers in place of what they point to.
func (tr *traced) run(dir, jail string) error {
	prefix := filepath.Join(dir, "s")
	words := slices.Concat([]string{"strace", "-ff", "-v", "-s", "4096", "-o", prefix}, dropping(dir),
		[]string{jail, "run", "--plan", "plan.json", "--", "true"})
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%q: %w\n%s", words, err, out)
	}
	files, err := filepath.Glob(prefix + ".*")
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		tr.sort(calls(string(data)))
	}
	if tr.seen[0] == nil || tr.seen[1] == nil {
		return fmt.Errorf("no reaper or no program among the %d traces", len(files))
	}
	return nil
}

// calls are the lines of system calls, without signals and exits.
func calls(text string) (out []string) {
	for line := range strings.Lines(text) {
		if line[0] >= 'a' && line[0] <= 'z' {
			out = append(out, strings.TrimSuffix(line, "\n"))
		}
	}
	return out
}

// sort finds out whose calls these are.
func (tr *traced) sort(calls []string) {
	has := func(words ...string) int {
		return slices.IndexFunc(calls, func(c string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(c, w) })
		})
	}
	switch clone := has("clone3(", "CLONE_NEWUSER"); {
	case clone >= 0: // the launcher's: the clone belongs to the plan as well
		tr.seen[0] = append([]string{calls[clone]}, tr.seen[0]...)
		if i := has("ppoll([{fd=", "events=POLLIN}, {fd="); i >= 0 {
			tr.wait = calls[i]
			for _, c := range calls[i:] {
				if strings.HasPrefix(c, "ppoll(") && strings.Contains(c, "tv_sec=9") { // after the exec: the wall limit
					tr.wait = c
				}
			}
		}
	case has("PR_SET_PDEATHSIG", "SIGKILL") >= 0 && has("pivot_root(") >= 0:
		tr.seen[0] = append(tr.seen[0], calls...)
	case has("PR_SET_NO_NEW_PRIVS") >= 0 && has("seccomp(") >= 0:
		tr.seen[1] = calls
	}
}

func parseOps(text string) (ops [2][]announced) {
	table, entry := 0, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "":
		case line == "# the reaper", line == "# the program":
			entry = ""
		case strings.HasPrefix(line, "# "):
			entry = line[2:]
		default:
			ops[table] = append(ops[table], announced{entry, line})
			if strings.HasPrefix(line, "clone3(") && strings.Contains(line, "CLONE_VFORK") {
				table = 1 // the clone is the reaper's last call of the table
			}
		}
	}
	return ops
}

// Every system call of the reaper up to its second clone, and of the program up to its execve, was announced: nothing
// else happens, and nothing is left out.
func TestStraceShowsWhatWasAnnounced(t *testing.T) {
	for name, tr := range map[string]*traced{"every-step": everyStep(t), "host-network": hostNetwork(t)} {
		for table, ops := range tr.ops {
			seen := tr.seen[table]
			for _, a := range ops {
				if started(tr.seen[table], seen) {
					break
				}
				var err error
				if seen, err = a.consume(seen); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	}
}

// started: the last call that was taken was the execve, and the others announced were for other places in PATH.
func started(all, left []string) bool {
	taken := len(all) - len(left)
	return taken > 0 && strings.HasPrefix(all[taken-1], "execve(") && strings.HasSuffix(all[taken-1], "= 0")
}

var (
	ownOperation = regexp.MustCompile(`^(same|differ|wipe)\(`)
	repeated     = regexp.MustCompile(` … (\d+) times`)
	quoted       = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	constant     = regexp.MustCompile(`\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b`)
	result       = regexp.MustCompile(`\) += (-1 (E\w+)|\?)?`)
)

// consume takes the calls that a line announced from what was seen.
func (a announced) consume(seen []string) ([]string, error) {
	if ownOperation.MatchString(a.line) { // of memory: no system call
		return seen, nil
	}
	n := 1
	if m := repeated.FindStringSubmatch(a.line); m != nil {
		fmt.Sscan(m[1], &n)
	}
	for range n {
		if len(seen) == 0 {
			return nil, fmt.Errorf("announced, and never seen: %s (%s)", a.line, a.entry)
		}
		if err := a.matches(seen[0]); err != nil {
			return nil, err
		}
		seen = seen[1:]
	}
	return seen, nil
}

// matches compares the call's name, the strings, the constants, and that it did not fail but as the line says.
func (a announced) matches(seen string) error {
	call, _, _ := strings.Cut(a.line, "(")
	wrong := func(what string) error {
		return fmt.Errorf("%s\nannounced %s\nseen      %s\nfor %s", what, a.line, seen, a.entry)
	}
	if got, _, _ := strings.Cut(seen, "("); got != call {
		return wrong("another call")
	}
	args, _, _ := strings.Cut(a.line, ") ")
	args, _, _ = strings.Cut(args, " … ")
	if !readable(seen, args) {
		return nil
	}
	for _, word := range append(quoted.FindAllString(args, -1), constant.FindAllString(args, -1)...) {
		if len(word) > 64 { // of longer texts --ops shows the beginning
			word = strings.TrimSuffix(word, `"`)
		}
		if !strings.Contains(seen, word) && !strings.Contains(a.line, " … ") {
			return wrong("no " + word)
		}
	}
	if m := result.FindAllStringSubmatch(seen, -1); m != nil && m[len(m)-1][2] != "" &&
		!strings.Contains(a.line, m[len(m)-1][2]+" is fine") {
		return wrong("it failed")
	}
	return nil
}

// readable: strace of an ordinary user sees pointers where a reaper's memory is closed to it.
func readable(seen, args string) bool {
	return os.Getuid() == 0 || !strings.Contains(seen, "0x") || strings.Contains(args, "0x")
}

// telling is the call of each kind that says most; kinds without one are in words.
var telling = map[string]string{
	"idmap": `write(… "0 `, "hostname": "sethostname(", "domainname": "setdomainname(", "cgroupns": "unshare(", "loopback": "ioctl(",
	"private": "mount_setattr(", "root": "move_mount(", "tmpfs": "fsmount(", "bind": "mount_setattr(", "file": "openat(", "link": "symlinkat(",
	"device": "mount_setattr(", "work": `fsconfig(… "size"`, "proc": `fsconfig(… "subset"`, "no-userns": "openat(", "keyring": "keyctl(",
	"oom-score": "openat(", "seal": "mount_setattr(", "pivot": "pivot_root(", "reaper": "prctl(PR_SET_DUMPABLE", "session": "setsid(",
	"signals": "rt_sigaction(", "umask": "umask(", "nice": "setpriority(", "descriptors": "close_range(3", "rlimits": "prlimit64(… RLIMIT_CORE",
	"rlimit": "prlimit64(", "cwd": "chdir(", "securebits": "prctl(PR_SET_SECUREBITS", "capabilities": "prctl(PR_CAPBSET_DROP",
	"no-new-privs": "prctl(PR_SET_NO_NEW_PRIVS", "state-check": "prctl(PR_GET_NO_NEW_PRIVS", "filter": "seccomp(", "exec": `execve(… "/usr/bin/true"`,
}

// straceLines is a pair of lines for each kind.
func straceLines(t *testing.T) string {
	tr, host := everyStep(t), hostNetwork(t)
	var b strings.Builder
	pair := func(kind, announced, seen string) {
		fmt.Fprintf(&b, "%s\n  plan    %s\n  strace  %s\n", kind, announced, short(seen))
	}
	b.WriteString("```text\n")
	for _, row := range step.Rows {
		switch row.Kind {
		case "host-network":
			pair(row.Kind, host.ops[0][0].line, host.seen[0][0])
		case "limit":
			pair(row.Kind, "(no call inside: jail itself waits no longer)", tr.wait)
		case "env":
			pair(row.Kind, "(in the third argument of execve)", tr.execve())
		default:
			a, seen := tr.find(t, row.Kind)
			pair(row.Kind, a.line, seen)
		}
	}
	b.WriteString("```\n")
	return b.String()
}

func (tr *traced) execve() string {
	i := slices.IndexFunc(tr.seen[1], func(c string) bool { return strings.HasPrefix(c, "execve(") && strings.HasSuffix(c, "= 0") })
	return tr.seen[1][i]
}

// find is the telling line of a kind, and what was seen of it.
func (tr *traced) find(t *testing.T, kind string) (announced, string) {
	t.Helper()
	entries := map[string]bool{}
	for _, e := range tr.plan.Entries {
		if e.Step.Kind() == kind {
			entries[step.Quote(e.Owner)+": "+e.Step.String()] = true
		}
	}
	call, rest, _ := strings.Cut(telling[kind], "… ")
	for table, ops := range tr.ops {
		seen := tr.seen[table]
		for _, a := range ops {
			left, err := a.consume(seen)
			check(t, err)
			if entries[a.entry] && strings.HasPrefix(a.line, call) && strings.Contains(a.line, rest) {
				return a, seen[0]
			}
			seen = left
		}
	}
	t.Fatalf("no call of %s like %s", kind, telling[kind])
	return announced{}, ""
}

// short is a line of strace without the padding before its result, and with the beginning of long lists only.
func short(line string) string {
	line = regexp.MustCompile(`\) +=`).ReplaceAllString(line, ") =")
	line = regexp.MustCompile(`(filter=\[BPF_STMT\([^)]*\)), .*\]`).ReplaceAllString(line, "$1, …]")
	return regexp.MustCompile(`^(ppoll\(.* = )[^(]*\(.*`).ReplaceAllString(line, "$1…")
}

// withoutNumbers is what is the same on every machine: descriptors, ids and addresses are not.
func withoutNumbers(text string) string {
	if os.Getuid() != 0 { // it saw pointers where the document has what they point to
		text = regexp.MustCompile(`(?m)^  strace .*`).ReplaceAllString(text, "")
	}
	return regexp.MustCompile(`0x[0-9a-f]+|\d+`).ReplaceAllString(text, "#")
}
