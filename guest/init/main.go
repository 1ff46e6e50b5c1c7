// Command init is PID 1 of a guest. It makes a root as a machine has one of what lies in /tree, runs every test binary
// of /tests there, says "EXIT n" on the console, and powers off.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	code, err := run()
	if err != nil {
		fmt.Println("init:", err)
		code = 1
	}
	fmt.Println("EXIT", code)
	unix.IoctlSetInt(1, unix.TCSBRK, 1) // until the console has it all: tcdrain(3)
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() (int, error) {
	if err := makeRoot(); err != nil {
		return 0, err
	}
	binaries, err := filepath.Glob("/tests/*.test")
	if err != nil || len(binaries) == 0 {
		return 0, fmt.Errorf("no tests: %w", err)
	}
	failed := 0
	for _, binary := range binaries {
		code, err := test(binary)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", binary, err)
		}
		failed = max(failed, code)
	}
	return failed, nil
}

// makeRoot moves to a root that pivot_root(2) takes, which it does not the kernel's first one.
func makeRoot() error {
	syscall.Umask(0o022)
	const flags = unix.MS_NOSUID | unix.MS_NOEXEC
	return errors.Join(
		unix.Mount("/tree", "/tree", "", unix.MS_BIND, ""),
		unix.Chdir("/tree"),
		unix.Mount(".", "/", "", unix.MS_MOVE, ""),
		unix.Chroot("."),
		mount("proc", "/proc", flags|unix.MS_NODEV, ""),
		mount("sysfs", "/sys", flags|unix.MS_NODEV, ""),
		mount("cgroup2", "/sys/fs/cgroup", flags|unix.MS_NODEV, "nsdelegate"),
		mount("devtmpfs", "/dev", flags, "mode=0755"),
		mount("tmpfs", "/tmp", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"),
	)
}

func mount(kind, target string, flags uintptr, options string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(kind, target, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}

// test runs one binary and reaps, as PID 1 must: the orphans of the tests come here too.
func test(binary string) (code int, err error) {
	argv := []string{binary, "-test.v", "-test.timeout=140s"}
	pid, err := syscall.ForkExec(binary, argv, &syscall.ProcAttr{
		Dir: "/", Env: []string{"JAIL_INSIDE=" + release()}, Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 0, err
	}
	for {
		var ws syscall.WaitStatus
		got, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, err
		case got == pid && !ws.Exited():
			return 0, errors.New(ws.Signal().String())
		case got == pid:
			return ws.ExitStatus(), nil
		}
	}
}

func release() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(data))
}
