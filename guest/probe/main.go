// Command probe is what the guest's tests run in a jail, and around one.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// exitMisuse is none of the codes that the tests expect.
const exitMisuse = 99

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	verbs := map[string]func(args []string, stdin io.Reader, stdout io.Writer) (int, error){
		"words": words, "cat": cat, "link": link, "list": list, "copy": copyAll, "calls": calls, "exit": exit, "raise": raise,
		"sleep": sleep, "spin": spin, "leave": leave, "deny": deny, "close": closed,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		fmt.Fprintln(stderr, "probe: unknown verb")
		return exitMisuse
	}
	code, err := verbs[args[0]](args[1:], stdin, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "probe:", err)
		return exitMisuse
	}
	return code
}

// words prints the arguments, the environment and the working directory.
func words(args []string, _ io.Reader, stdout io.Writer) (int, error) {
	dir, err := os.Getwd()
	fmt.Fprintf(stdout, "%q %q %s\n", args, os.Environ(), dir)
	return 0, err
}

// cat makes do with open, read and write: package os wants epoll, which a strict policy has not.
func cat(args []string, _ io.Reader, _ io.Writer) (int, error) {
	buf := make([]byte, 4096)
	for _, name := range args {
		fd, err := unix.Open(name, unix.O_RDONLY, 0)
		for n := 1; err == nil && n > 0; {
			if n, err = unix.Read(fd, buf); n > 0 {
				unix.Write(1, buf[:n])
			}
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	return 0, nil
}

func link(args []string, _ io.Reader, stdout io.Writer) (int, error) {
	for _, name := range args {
		to, err := os.Readlink(name)
		if err != nil {
			return 0, err
		}
		fmt.Fprintln(stdout, to)
	}
	return 0, nil
}

func list(args []string, _ io.Reader, stdout io.Writer) (int, error) {
	entries, err := os.ReadDir(args[0])
	for _, e := range entries {
		fmt.Fprintln(stdout, e.Name())
	}
	return 0, err
}

func copyAll(_ []string, stdin io.Reader, stdout io.Writer) (int, error) {
	_, err := io.Copy(stdout, stdin)
	return 0, err
}

// calls makes system calls, each a number and arguments in one word, and prints the errno's name or 0 of each.
func calls(args []string, _ io.Reader, stdout io.Writer) (int, error) {
	for _, arg := range args {
		var words [7]uintptr
		for i, field := range strings.Fields(arg) {
			n, err := strconv.ParseUint(field, 0, 64)
			if err != nil {
				return 0, err
			}
			words[i] = uintptr(n)
		}
		_, _, e := syscall.RawSyscall6(words[0], words[1], words[2], words[3], words[4], words[5], words[6])
		name := unix.ErrnoName(e)
		if e == 0 {
			name = "0"
		}
		fmt.Fprintln(stdout, name)
	}
	return 0, nil
}

func exit(args []string, _ io.Reader, _ io.Writer) (int, error) { return strconv.Atoi(args[0]) }

// raise ends the process by a signal. Go's own handlers are in the way: rt_sigaction(2) without the os/signal package.
func raise(args []string, _ io.Reader, _ io.Writer) (int, error) {
	sig, err := strconv.Atoi(args[0])
	if err != nil {
		return 0, err
	}
	var dfl [4]uint64 // struct kernel_sigaction, all zero: SIG_DFL
	syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&dfl)), 0, 8, 0, 0)
	unix.Kill(os.Getpid(), syscall.Signal(sig))
	time.Sleep(time.Minute)
	return 0, errors.New("the signal did not end this")
}

// sleep says that it runs, and waits to be ended.
func sleep(_ []string, _ io.Reader, stdout io.Writer) (int, error) {
	signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	fmt.Fprintln(stdout, "ready")
	time.Sleep(time.Hour)
	return 0, nil
}

func spin(_ []string, _ io.Reader, _ io.Writer) (int, error) {
	for n := 0; ; n++ {
	}
}

// leave leaves a process of another session behind.
func leave(args []string, _ io.Reader, _ io.Writer) (int, error) {
	cmd := exec.Command("/proc/self/exe", "sleep")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return strconv.Atoi(args[0])
}

// deny runs a command with a system call that answers with an errno: a container's filter.
func deny(args []string, _ io.Reader, _ io.Writer) (int, error) {
	nr, err := strconv.Atoi(args[0])
	if err != nil {
		return 0, err
	}
	errno, err := strconv.Atoi(args[1])
	if err != nil {
		return 0, err
	}
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number: seccomp_data at 0
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(nr), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	runtime.LockOSThread() // both are a thread's own, and only the one that execs stays
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return 0, e
	}
	return 0, unix.Exec(args[2], args[2:], os.Environ())
}

// closed runs a command with a descriptor closed.
func closed(args []string, _ io.Reader, _ io.Writer) (int, error) {
	fd, err := strconv.Atoi(args[0])
	if err != nil {
		return 0, err
	}
	if err := unix.Close(fd); err != nil {
		return 0, err
	}
	return 0, unix.Exec(args[1], args[1:], os.Environ())
}
