package docs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the generated parts of the documents anew")

// outsider is the user that root gives to jails: a number without an account.
const outsider = 61235

// patience is the time after which a command counts as hung.
const patience = 60 * time.Second

// site is where the tests' files lie: readable for everybody, outside of any home.
var site string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(setUpAndRun(m))
}

func setUpAndRun(m *testing.M) int {
	syscall.Umask(0o022)
	dir, err := os.MkdirTemp("", "jail-docs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	site = dir
	if err := errors.Join(os.Chmod(dir, 0o755), openToAll(dir), placeTree(filepath.Join(dir, "tree"))); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		return 1
	}
	return m.Run()
}

// openToAll says it at once where a parent directory would keep the unprivileged user out: a private TMPDIR of root's.
func openToAll(dir string) error {
	for ; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if os.Getuid() == 0 && info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("%s: %w for users other than root: set TMPDIR", dir, fs.ErrPermission)
		}
	}
	return nil
}

// placeTree copies the tree that JAIL_TREE names, or builds one.
func placeTree(to string) error {
	if from := os.Getenv("JAIL_TREE"); from != "" {
		return os.CopyFS(to, os.DirFS(from))
	}
	libexec := filepath.Join(to, "libexec/jail")
	builds := [][]string{
		{"CGO_ENABLED=0", "-ldflags", "-E main.entry", "-o", filepath.Join(to, "bin/jail"), "../cmd/jail"},
		{"CGO_ENABLED=1", "-tags", "netgo,osusergo", "-ldflags", `-linkmode external -extldflags "-static"`,
			"-o", filepath.Join(libexec, "jail-plan"), "../cmd/jail-plan"},
	}
	for _, p := range []string{"userns", "ipcuts", "netns", "mountns", "pidns"} {
		plugin := "jail-plugin-" + p
		builds = append(builds, []string{"CGO_ENABLED=0", "-o", filepath.Join(libexec, plugin), "../plugins/" + p + "/" + plugin})
	}
	for _, b := range builds {
		if err := goBuild(b[0], b[1:]...); err != nil {
			return err
		}
	}
	return nil
}

func goBuild(env string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build"}, args...)...)
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}

// home makes a home directory of the unprivileged user, with a directory in it for a project.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(site, "home-")
	check(t, err)
	check(t, os.Chmod(dir, 0o755))
	check(t, os.Mkdir(filepath.Join(dir, "project"), 0o755))
	giveAway(t, dir)
	return dir
}

// giveAway makes a file or a directory with all that is in it the unprivileged user's.
func giveAway(t *testing.T, path string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	check(t, filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(p, outsider, outsider))
	}))
}

// outside prepares a command of the unprivileged user, in the project of a home, with jail in PATH.
func outside(t *testing.T, home string, argv ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	path := filepath.Join(site, "tree/bin") + ":/usr/bin:/bin"
	cmd := exec.CommandContext(ctx, "env", append([]string{"-i", "HOME=" + home, "PATH=" + path, "LANG=C.UTF-8"}, argv...)...)
	cmd.Dir, cmd.WaitDelay = filepath.Join(home, "project"), time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: outsider, Gid: outsider}
	}
	return cmd
}

// documents are all that a newcomer may read, by path from here.
func documents(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"../*.md", "*.md"} {
		names, err := filepath.Glob(pattern)
		check(t, err)
		out = append(out, names...)
	}
	if len(out) < 8 {
		t.Fatalf("only %q", out)
	}
	return out
}

// A fence is a block of code in a document.
type fence struct {
	kind, text string
	line       int // of its first line
}

// fences are the blocks of a document, of one kind.
func fences(t *testing.T, document, kind string) []fence {
	t.Helper()
	data, err := os.ReadFile(document)
	check(t, err)
	var out []fence
	open := false
	for i, line := range strings.Split(string(data), "\n") {
		rest, mark := strings.CutPrefix(line, "```")
		switch {
		case mark && open:
			open = false
		case mark:
			open = true
			out = append(out, fence{kind: rest, line: i + 2})
		case open:
			out[len(out)-1].text += line + "\n"
		}
	}
	if open {
		t.Errorf("%s: a fence is not closed", document)
	}
	var wanted []fence
	for _, f := range out {
		if f.kind == kind {
			wanted = append(wanted, f)
		}
	}
	return wanted
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
