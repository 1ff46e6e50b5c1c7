//go:build guest

package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bootLimit bounds a guest's life, from power on to power off.
const bootLimit = 160 * time.Second

// machines are the emulated ones, by GOARCH. The first has arm64's oldest atomics and no pointer authentication.
var machines = map[string]struct {
	qemu    []string
	console string
	other   string // an architecture that this one cannot run
}{
	"arm64": {[]string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"}, "ttyAMA0", "amd64"},
	"amd64": {[]string{"qemu-system-x86_64", "-cpu", "max"}, "ttyS0", "arm64"},
}

func TestMain(m *testing.M) {
	syscall.Umask(0o022)
	os.Exit(m.Run())
}

func TestGuests(t *testing.T) {
	dir := os.Getenv("JAIL_GUEST")
	if dir == "" {
		t.Fatal("JAIL_GUEST does not say where the kernels are: make test-guest does")
	}
	for arch := range machines {
		kernels, err := filepath.Glob(filepath.Join(dir, "vmlinuz-*-"+arch))
		if err != nil || len(kernels) == 0 {
			t.Errorf("%s has no kernel for %s: make test-guest gets one", dir, arch)
			continue
		}
		initramfs := pack(t, arch)
		for _, kernel := range kernels {
			t.Run(strings.TrimPrefix(filepath.Base(kernel), "vmlinuz-"), func(t *testing.T) {
				t.Parallel()
				judge(t, boot(t, arch, kernel, initramfs))
			})
		}
	}
}

// pack makes the guest's first file system: /init, and in /tree what it makes the root of.
func pack(t *testing.T, arch string) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for _, d := range []string{"dev", "proc", "sys", "usr/lib", "site", "tests"} {
		check(t, os.MkdirAll(filepath.Join(tree, d), 0o755))
	}
	build(t, arch, "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "init"), "./init")
	build(t, arch, "build", "-ldflags", "-s -w", "-o", filepath.Join(tree, "usr/bin/probe"), "./probe")
	build(t, arch, "build", "-ldflags", "-s -w -E main.entry", "-o", filepath.Join(tree, "site/jail"), "../cmd/jail")
	build(t, arch, "test", "-c", "-tags", "guest", "-ldflags", "-s -w", "-o", filepath.Join(tree, "tests/inside.test"), "./inside")
	plan(t, filepath.Join(tree, "site/default.json"), "default", "amd64,arm64")
	plan(t, filepath.Join(tree, "site/cpp-run.json"), "cpp-run", "amd64,arm64")
	plan(t, filepath.Join(tree, "site/masked.json"), "testdata/masked.toml", "amd64,arm64")
	plan(t, filepath.Join(tree, "site/foreign.json"), "default", machines[arch].other)
	return archive(t, dir)
}

func build(t *testing.T, arch string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{args[0], "-trimpath"}, args[1:]...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	output(t, cmd)
}

// plan has the tree that make build left write a plan file.
func plan(t *testing.T, file, profile, arches string) {
	t.Helper()
	tree := os.Getenv("JAIL_TREE")
	if tree == "" {
		tree = "../build"
	}
	output(t, exec.Command(filepath.Join(tree, "bin/jail"), "plan", "-p", profile, "--arch", arches,
		"--cache-dir", t.TempDir(), "-o", file))
}

// archive makes a cpio archive of a directory, owned by root.
func archive(t *testing.T, dir string) string {
	t.Helper()
	var names bytes.Buffer
	check(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, _ fs.DirEntry, err error) error {
		fmt.Fprintln(&names, name)
		return err
	}))
	file := filepath.Join(t.TempDir(), "initramfs")
	cmd := exec.Command("cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-F", file)
	cmd.Dir, cmd.Stdin = dir, &names
	output(t, cmd)
	return file
}

// boot runs a guest to its end and gives what its console said. It never uses /dev/kvm: this is about the kernel's code.
func boot(t *testing.T, arch, kernel, initramfs string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	m := machines[arch]
	args := append(m.qemu[1:], "-accel", "tcg", "-smp", "2", "-m", "512", "-display", "none", "-nodefaults", "-no-reboot",
		"-serial", "stdio", "-kernel", kernel, "-initrd", initramfs,
		"-append", "console="+m.console+" quiet panic=-1 mitigations=off random.trust_cpu=on")
	cmd := exec.CommandContext(ctx, m.qemu[0], args...)
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	if err := errors.Join(cmd.Run(), ctx.Err()); err != nil {
		t.Errorf("%s: %v", m.qemu[0], err)
	}
	return strings.ReplaceAll(console.String(), "\r", "")
}

var (
	verdict = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): (\S+) \(`) // what the testing package prints for each test
	passed  = regexp.MustCompile(`(?m)^ *(--- PASS|===).*\n`)
	end     = regexp.MustCompile(`(?m)^EXIT 0$`) // what guest/init prints
)

// judge makes a subtest of each test in the guest, and demands that the guest came to its end.
func judge(t *testing.T, console string) {
	t.Helper()
	checks := verdict.FindAllStringSubmatch(console, -1)
	for _, c := range checks {
		t.Run(c[2], func(t *testing.T) {
			if c[1] != "PASS" {
				t.Fail() // why is on the console, below
			}
		})
	}
	if len(checks) == 0 || !end.MatchString(console) || t.Failed() {
		t.Errorf("after %d checks the console said, without what passed:\n%s", len(checks), passed.ReplaceAllString(console, ""))
	}
}

func output(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
