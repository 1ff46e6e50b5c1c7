package host

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jail-sandbox/jail/core/step"
)

// maxTempDir is what sun_path (108 bytes with the NUL: unix(7)) leaves for it beside the longest
// /jail-plan-N/plugin-dirN/pluginN, where N has up to ten digits.
const maxTempDir = 107 - len("/jail-plan-/plugin-dir/plugin") - 3*10

const socketPrefix = "jail-plan-"

// socketDir makes the private directory in which planners put their sockets. It is locked while it is in use; those
// that nobody holds are of processes that were killed, and are removed.
func socketDir(temp string) (dir string, remove func(), err error) {
	if len(temp) > maxTempDir {
		return "", nil, step.Problem{Text: "too long for a socket's path: " + step.Quote(temp), Hint: "planners answer at a socket; name a shorter directory"}
	}
	sweep(temp)
	dir, err = os.MkdirTemp(temp, socketPrefix)
	if err != nil {
		return "", nil, step.Problem{Text: "no directory for the planners' sockets: " + err.Error(), Hint: "set TMPDIR to a directory that you can write"}
	}
	held, err := hold(dir)
	if err != nil { // somebody swept it between two calls of ours: only we and our kind can
		return "", nil, step.Problem{Text: "the directory for the planners' sockets was removed: " + err.Error(), Hint: "try again"}
	}
	return dir, func() {
		os.RemoveAll(dir)
		held.Close()
	}, nil
}

// hold locks a directory of ours, if nobody else does.
func hold(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && opened.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		err = errors.New("it is another user's")
	}
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == nil { // it may have been removed before it was locked
		_, err = os.Lstat(dir)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes what killed processes left. A directory younger than a moment may be about to be locked.
func sweep(temp string) {
	left, err := filepath.Glob(filepath.Join(temp, socketPrefix+"*"))
	if err != nil {
		return // a directory whose name is a pattern keeps what is in it
	}
	for _, dir := range left {
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() || time.Since(info.ModTime()) < moment {
			continue
		}
		if f, err := hold(dir); err == nil {
			os.RemoveAll(dir)
			f.Close()
		}
	}
}

// moment is far longer than from a directory's making to its lock.
const moment = 5 * time.Second
