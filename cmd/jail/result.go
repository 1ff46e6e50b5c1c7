package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/report"
)

// resultFile is where the result goes; nil when nobody asked for one.
type resultFile struct {
	to   io.Writer
	name string
}

// openResult opens FILE, fd:N or -, before anything is started: a result that cannot be written is no surprise at the end.
func openResult(name string, stdout io.Writer) (resultFile, error) {
	number, isFD := strings.CutPrefix(name, "fd:")
	switch {
	case name == "":
		return resultFile{}, nil
	case name == "-" && closedAtStart(1):
		return resultFile{}, errors.New("--result -: standard output is closed")
	case name == "-":
		return resultFile{stdout, name}, nil
	case isFD:
		fd, err := strconv.Atoi(number)
		if err != nil || fd < 0 {
			return resultFile{}, fmt.Errorf("--result %s: a descriptor's number is wanted", name)
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return resultFile{}, fmt.Errorf("--result %s: %w", name, err)
		}
		if flags&unix.O_ACCMODE == unix.O_RDONLY {
			return resultFile{}, fmt.Errorf("--result %s: the descriptor is not open for writing", name)
		}
		return resultFile{os.NewFile(uintptr(fd), name), name}, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NONBLOCK, 0o600) // a FIFO without a reader is an error
	if err != nil {
		return resultFile{}, fmt.Errorf("--result: %w", err)
	}
	return resultFile{f, name}, nil
}

func (f resultFile) write(r report.Result) error {
	if f.to == nil {
		return nil
	}
	data, err := r.Encode()
	if err != nil {
		return err
	}
	file, isFile := f.to.(*os.File)
	named := isFile && f.name != "-" && !strings.HasPrefix(f.name, "fd:")
	if named { // the program may have written to it, where it is in a writable bind
		if err := file.Truncate(0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("--result %s: %w", f.name, err)
		}
	}
	if _, err := f.to.Write(data); err != nil {
		return fmt.Errorf("--result %s: %w", f.name, err)
	}
	if named && !isAt(file, f.name) {
		return fmt.Errorf("--result %s: another file was put there while the program ran: what it says is not from jail", f.name)
	}
	return nil
}

// isAt says whether a file is still what its name stands for.
func isAt(f *os.File, name string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(name)
	if err == nil && there.Mode()&os.ModeSymlink != 0 {
		there, err = os.Stat(name)
	}
	return err == nil && os.SameFile(ours, there)
}
