// What a program does: threads, processes, files, much input; how it ends badly; what it looks for.
package main

// static int half(int n) { return n / 2; }
import "C"

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

func main() {
	map[string]func(){"works": works, "looks": looks, "crash": crash}[os.Args[1]]()
}

func works() {
	var sum atomic.Int64
	var done sync.WaitGroup
	for n := range int64(5) {
		done.Add(1)
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			sum.Add(int64(C.half(C.int(2 * n))))
		}()
	}
	done.Wait()
	fmt.Println("threads", sum.Load())
	said, err := exec.Command("echo", "hello").Output()
	fmt.Print("process ", string(must(said, err)))
	f := must(os.CreateTemp("", "works"))
	must(f.WriteString("kept"))
	must(f.Seek(0, io.SeekStart))
	fmt.Println("file", string(must(io.ReadAll(f))))
	must(0, os.Remove(f.Name()))
	fmt.Println("stdin", must(io.Copy(io.Discard, os.Stdin)))
}

func looks() {
	if _, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0); err != nil {
		fmt.Println("socket refused")
	} else {
		fmt.Println("socket ok")
	}
	_, err := os.Stat("/etc/shadow")
	fmt.Println("shadow", err == nil)
	fmt.Println("processes", len(must(filepath.Glob("/proc/[0-9]*"))))
}

func crash() {
	var nothing *int
	*nothing = 1
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
