package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/report"
	"github.com/jail-sandbox/jail/profiles"
)

// Each profile that can run something does so below.
func TestEveryProfileIsTested(t *testing.T) {
	if want := []string{"agent", "base", "cpp-compile", "cpp-run", "default", "go-compile", "java-compile", "java-run", "node", "python", "script", "shell"}; !slices.Equal(profiles.Names(), want) {
		t.Errorf("profiles are %q: give the new ones a test here", profiles.Names())
	}
}

func TestDefaultProfile(t *testing.T) {
	for name, row := range map[string]struct {
		argv []string
		want string
	}{
		"sh":   {[]string{"sh", "-c", "for i in 1 2 3; do echo $i; done | sort -r | head -n 1"}, "3\n"},
		"perl": {[]string{"perl", "-e", `open my $p, "-|", "echo", "x" or die; print <$p>; print join ",", map { $_ ** 2 } 1..3`}, "x\n1,4,9"},
		"awk":  {[]string{"awk", "BEGIN { print 6 * 7 }"}, "42\n"},
		"tar":  {[]string{"sh", "-c", "mkdir d && echo x >d/f && tar cf t d && rm -r d && tar xf t && cat d/f"}, "x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			e := jailed(t, call{opts: []string{"-p", "default"}, argv: row.argv})
			e.wantExit(t, 0)
			if e.out != row.want {
				t.Errorf("printed %q, want %q\n%s", e.out, row.want, e.err)
			}
		})
	}
}

// A submission is compiled in one jail and runs in another, linked in both ways.
func TestCPPProfiles(t *testing.T) {
	dir := workDir(t)
	source, err := os.ReadFile("testdata/submission.cpp")
	check(t, err)
	ownFile(t, dir, "submission.cpp", string(source))
	for name, flags := range map[string]string{"dynamic": "-O1 -pthread", "static": "-O1 -pthread -static"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(workDir(t))
			compile := call{opts: append(planned("cpp-compile"), "--bind", dir+":/src", "--bind", out+":/out:rw"),
				argv: append(append([]string{"g++"}, strings.Fields(flags)...), "-o", "/out/submission", "/src/submission.cpp")}
			jailed(t, compile).wantExit(t, 0)
			run := call{opts: append(planned("cpp-run"), "--bind", out+":/out"), argv: []string{"/out/submission"}, stdin: strings.NewReader("1 2 3 4 5 6")}
			e := jailed(t, run)
			e.wantExit(t, 0)
			if e.out != "21\n" {
				t.Errorf("printed %q", e.out)
			}
		})
	}
}

// M-21: a source that includes files of the host does not get them; a mistake in it is the compiler's to tell.
func TestCPPCompileRefuses(t *testing.T) {
	dir := workDir(t)
	secret := ownFile(t, dir, "secret", "the secret\n")
	src := workDir(t)
	ownFile(t, src, "x.cpp", fmt.Sprintf("#include %q\nasm(\".incbin \\\"%s\\\"\");\nint main() {}\n", secret, secret))
	e := jailed(t, call{opts: append(planned("cpp-compile"), "--bind", src+":/src"), argv: []string{"g++", "-c", "-o", "/work/x.o", "/src/x.cpp"}})
	e.wantExit(t, 1)
	if !strings.Contains(e.err, "No such file") || strings.Contains(e.err, "the secret") {
		t.Errorf("said %q", e.err)
	}
}

// Programs of the host are not there to be run, and a refused call kills.
func TestCPPRunRefuses(t *testing.T) {
	e := jailed(t, call{opts: planned("cpp-run"), argv: []string{"/usr/bin/id"}})
	if e.code != report.ExitNotFound {
		t.Errorf("a program of the host: ended with %d: %s", e.code, e.err)
	}
	e = jailed(t, probe(t, planned("cpp-run"), "one", "ptrace-attach"))
	if e.Cause != report.CauseSeccomp {
		t.Errorf("a refused call: ended with %d by %s", e.code, e.Cause)
	}
}

func TestPythonProfile(t *testing.T) {
	scripts, err := filepath.Abs("testdata")
	check(t, err)
	dir := workDir(t)
	check(t, os.CopyFS(dir, os.DirFS(scripts)))
	secret := ownFile(t, workDir(t), "secret", "x")
	python := func(args ...string) call {
		return call{opts: append(planned("python"), "--bind", dir+":/scripts"), argv: append([]string{"/usr/bin/python3"}, args...)}
	}
	e := jailed(t, python("/scripts/works.py"))
	e.wantExit(t, 0)
	if want := `[[0, 1, 2, 3], [0, 1, 4, 9], 10, "kept", "hello", "/work"]` + "\n"; e.out != want {
		t.Errorf("printed %q, want %q", e.out, want)
	}
	e = jailed(t, python("/scripts/refused.py", secret, fmt.Sprint(os.Getpid())))
	e.wantExit(t, 0)
	golden(t, "refused.golden", e.out)
}
