package integration

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// update rewrites the golden files of testdata.
var update = flag.Bool("update", false, "rewrite golden files")

// outsider is the user that root gives to jails: a number without an account.
const outsider = 61234

// site is where everything lies that jails need: readable for everybody, outside of any home.
var site struct {
	dir  string // everything below is removed at the end
	jail string // the command
	home string // of the user who runs jails
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(setUpAndRun(m))
}

func setUpAndRun(m *testing.M) int {
	syscall.Umask(0o022)
	dir, err := os.MkdirTemp("", "jail-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := setUp(dir); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	return m.Run()
}

func setUp(dir string) error {
	site.dir, site.jail, site.home = dir, filepath.Join(dir, "tree/bin/jail"), filepath.Join(dir, "home")
	return errors.Join(
		os.Chmod(dir, 0o755),
		needed("strace", "python3", "perl", "g++", "cc", "unshare", "setpriv", "setsid"),
		placeTree(filepath.Join(dir, "tree")),
		compileC("probe/probe.c", sitePath("probe")),
		compileC("probe/fault.c", sitePath("fault")),
		makeOwn(site.home),
		openToAll(dir),
	)
}

func sitePath(name string) string { return filepath.Join(site.dir, name) }

// needed complains about programs that `make test` installs.
func needed(names ...string) error {
	var errs []error
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			errs = append(errs, fmt.Errorf("%s is not installed: run `make test`, which sees to it", name))
		}
	}
	return errors.Join(errs...)
}

// placeTree copies the tree that JAIL_TREE names, or builds one. A copy of its own tells our processes from others.
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
		cmd := exec.Command("go", append([]string{"build"}, b[1:]...)...)
		cmd.Env = append(os.Environ(), b[0])
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
		}
	}
	return nil
}

func compileC(source, to string, flags ...string) error {
	out, err := exec.Command("cc", append(flags, "-static", "-O1", "-Wall", "-Werror", "-o", to, source)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", source, err, out)
	}
	return nil
}

// makeOwn makes a directory that belongs to the user who runs jails.
func makeOwn(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return giveAway(dir)
}

func giveAway(path string) error {
	if os.Getuid() != 0 {
		return nil
	}
	return os.Lchown(path, outsider, outsider)
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
