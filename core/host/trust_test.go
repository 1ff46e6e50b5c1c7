package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/core/trust"
)

func itoa(n int) string { return strconv.Itoa(n) }

// G-01, G-12: each row changes one thing of a directory with one good planner.
func TestFindRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		change func(t *testing.T, dir, file string)
		want   string
	}{
		"file writable by group":  {func(t *testing.T, _, f string) { chmod(t, f, 0o775) }, "(mode 0775) (chmod go-w /"},
		"file writable by others": {func(t *testing.T, _, f string) { chmod(t, f, 0o757) }, "(mode 0757)"},
		"file not executable":     {func(t *testing.T, _, f string) { chmod(t, f, 0o644) }, "not executable"},
		"file set-id":             {func(t *testing.T, _, f string) { chmod(t, f, 0o755|os.ModeSetuid) }, "set-id"},
		"file is a link":          {link, "it is a symbolic link (copy the file there)"},
		"file is a directory":     {func(t *testing.T, _, f string) { replace(t, f); try(t, os.Mkdir(f, 0o755)) }, "no regular file"},
		"file is a fifo":          {func(t *testing.T, _, f string) { replace(t, f); try(t, syscall.Mkfifo(f, 0o755)) }, "no regular file"},
		"file is a script": {func(t *testing.T, _, f string) {
			replace(t, f)
			try(t, os.WriteFile(f, []byte("#!/bin/sh\n"), 0o755))
		}, "it is a script"},
		"directory writable": {func(t *testing.T, d, _ string) { chmod(t, d, 0o777) }, "(mode 0777)"},
		"directory sticky":   {func(t *testing.T, d, _ string) { chmod(t, d, 0o777|os.ModeSticky) }, "(mode 0777)"},
		"parent writable":    {func(t *testing.T, d, _ string) { chmod(t, filepath.Dir(d), 0o775) }, "(mode 0775)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := install(t, "netns")
			if _, problems := Find([]string{dir}); problems != nil {
				t.Fatalf("refused before the change: %v", problems)
			}
			row.change(t, dir, filepath.Join(dir, prefix+"netns"))
			found, problems := Find([]string{dir})
			if len(found) > 0 || len(problems) != 1 || !strings.Contains(problems[0].String(), row.want) {
				t.Errorf("found %v, problems %v, want …%s", found, problems, row.want)
			}
		})
	}
}

func TestFindRefusesDuplicates(t *testing.T) {
	a, b := install(t, "netns"), install(t, "netns", "pidns")
	found, problems := Find([]string{a, b})
	if len(found) != 1 || found[0].Name != "pidns" {
		t.Errorf("found %v", found)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Text, a) || !strings.Contains(problems[0].Text, b) {
		t.Errorf("problems %v do not name both", problems)
	}
	if _, problems := Find([]string{a, a + "/", a + "/../" + filepath.Base(a)}); problems != nil {
		t.Errorf("one directory by three paths: %v", problems)
	}
}

func TestFindPassesOver(t *testing.T) {
	dir := install(t, "netns")
	for _, name := range []string{"jail-plugin-", "jail-plugin-netns~", "jail-plugin-core", "jail-plugin-Netns", "README"} {
		try(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	found, problems := Find([]string{"/nonexistent/libexec", dir})
	if len(found) != 1 || problems != nil {
		t.Errorf("found %v, problems %v", found, problems)
	}
	if _, problems := Find([]string{"plugins"}); len(problems) != 1 || !strings.Contains(problems[0].Text, "relative") {
		t.Errorf("a relative directory: %v", problems)
	}
}

// G-03: PATH and the working directory are no places for planners.
func TestMissing(t *testing.T) {
	elsewhere := install(t, "netns")
	t.Chdir(elsewhere)
	t.Setenv("PATH", elsewhere)
	_, problems := New(Config{Dirs: []string{install(t, "pidns")}}).Plan(t.Context(), []Request{{Name: "netns"}, {Name: "pidms"}})
	if len(problems) != 2 || problems[0].Text != "no planner for this section" || problems[1].Hint != `did you mean "pidns"?` {
		t.Errorf("problems %v", problems)
	}
}

// The owner rule, with an owner that the test can choose: as root a stranger's file, else one's own where only root's are trusted.
func TestOwners(t *testing.T) {
	dir, trusted := trustedDir(t), trust.Owners{0}
	if os.Geteuid() == 0 {
		try(t, os.Chown(dir, 12345, 0))
	}
	if _, err := trusted.Directory(dir); err == nil || !strings.Contains(err.Error(), "belongs to uid ") {
		t.Errorf("a stranger's directory: %v", err)
	}
	stranger := uint32(os.Geteuid())
	if stranger == 0 {
		stranger = 12345
	}
	if _, err := append(trusted, stranger).Directory(dir); err != nil {
		t.Errorf("a trusted owner's directory: %v", err)
	}
}

// A link may lead to a directory, if all on both ways is trusted.
func TestLinksOnTheWay(t *testing.T) {
	dir := install(t, "netns")
	good, bad := trustedDir(t), trustedDir(t)
	try(t, os.Symlink(dir, filepath.Join(good, "planners")))
	try(t, os.Symlink("planners/../planners", filepath.Join(good, "again")))
	try(t, os.Symlink("loop", filepath.Join(good, "loop")))
	try(t, os.Symlink(dir, filepath.Join(bad, "planners")))
	chmod(t, bad, 0o777)
	if found, problems := Find([]string{filepath.Join(good, "planners")}); problems != nil || len(found) != 1 || filepath.Dir(found[0].Path) != dir {
		t.Errorf("found %v, problems %v", found, problems)
	}
	if _, problems := Find([]string{filepath.Join(good, "loop")}); len(problems) != 1 {
		t.Errorf("a loop: %v", problems)
	}
	if _, problems := Find([]string{filepath.Join(bad, "planners")}); len(problems) != 1 || !strings.Contains(problems[0].Text, bad) {
		t.Errorf("a link that anyone can exchange: %v", problems)
	}
}

// G-02: the file is exchanged all the time between the check and the start. What answers is always what was hashed.
func TestSwap(t *testing.T) {
	dir := install(t, "netns")
	path := filepath.Join(dir, prefix+"netns")
	other := filepath.Join(dir, "other")
	try(t, os.WriteFile(other, []byte("\x7fELF not at all"), 0o755))
	chmod(t, other, 0o755)
	exe, err := open("netns", path, trust.Callers())
	try(t, err)
	defer exe.file.Close()

	var stop atomic.Bool
	swapped := make(chan error)
	go func() {
		var err error
		for !stop.Load() && err == nil {
			err = renameExchange(path, other)
		}
		swapped <- err
	}()
	h := New(Config{Timeout: time.Minute})
	sockets := shortTemp(t)
	var a Answer
	for range 10 {
		err := h.talk(t.Context(), exe, sockets, func(c conversation) error { return describe(c, Request{}, &a) })
		if err != nil || a.Info.Name != "netns" {
			t.Errorf("another file was started: %v, %v", a.Info, err)
		}
	}
	stop.Store(true)
	try(t, <-swapped)
}

func TestProblemsKeepHints(t *testing.T) {
	p := distrust("planner x", step.Problem{Text: "a", Hint: "b"})
	if p.String() != "planner x: a (b)" {
		t.Errorf("got %s", p)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	try(t, os.Chmod(path, mode))
}

func replace(t *testing.T, path string) {
	t.Helper()
	try(t, os.Remove(path))
}

func link(t *testing.T, dir, file string) {
	t.Helper()
	to := filepath.Join(dir, "elsewhere")
	try(t, os.Rename(file, to))
	try(t, os.Symlink(to, file))
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
