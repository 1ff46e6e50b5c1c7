// Package trust says whether a file can be executed without anybody having had a hand in it but those whose programs
// run anyway: root, the caller, and the owner of the running executable.
//
//	err := trust.Callers().Executable("/usr/libexec/jail/jail-plan")
//
// It goes by owners and modes of the file and of every directory and link on the way to it.
package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/jail-sandbox/jail/core/step"
)

// Owners are the user ids whose files are trusted.
type Owners []uint32

// Callers are root, the caller, and whoever owns the running executable: the caller trusts that one by running it.
func Callers() Owners {
	o := Owners{0, uint32(os.Geteuid())}
	if fi, err := os.Stat("/proc/self/exe"); err == nil {
		o = append(o, fi.Sys().(*syscall.Stat_t).Uid)
	}
	return o
}

// maxLinks is the kernel's own limit: path_resolution(7).
const maxLinks = 40

// Directory follows path from the root and gives it without symbolic links. Each component, links too, must belong
// to an owner and be writable by nobody else, so that what was checked cannot be exchanged afterwards. On the way,
// sticky directories of root are good too: in /tmp nobody can move another's entry.
func (o Owners) Directory(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", step.Problem{Text: "the path is relative", Hint: "planners are searched for in fixed places only"}
	}
	at, rest := "/", append([]string{"."}, strings.Split(path, "/")...) // "." so that / itself is checked
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		fi, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		if err := o.component(next, fi); err != nil {
			return "", err
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		to, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return "", errors.Join(err, fmt.Errorf("%s: %w", next, syscall.ELOOP))
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	fi, err := os.Lstat(at)
	if err != nil {
		return "", err
	}
	return at, writable(at, fi)
}

// component checks one directory or link on the way.
func (o Owners) component(path string, fi fs.FileInfo) error {
	if err := o.owned(path, fi); err != nil {
		return err
	}
	rootsSticky := fi.IsDir() && fi.Mode()&fs.ModeSticky != 0 && fi.Sys().(*syscall.Stat_t).Uid == 0
	if fi.Mode()&fs.ModeSymlink != 0 || rootsSticky {
		return nil
	}
	return writable(path, fi)
}

// File checks an executable's file itself, by what stat(2) said of its descriptor or path.
func (o Owners) File(path string, fi fs.FileInfo) error {
	switch mode := fi.Mode(); {
	case !mode.IsRegular():
		return step.Problem{Text: "it is no regular file"}
	case mode.Perm()&0o111 == 0:
		return step.Problem{Text: "it is not executable", Hint: "chmod +x " + step.Quote(path)}
	case mode&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return step.Problem{Text: "it is set-id", Hint: "it runs as the caller; chmod ug-s " + step.Quote(path)}
	}
	if err := o.owned(path, fi); err != nil {
		return err
	}
	return writable(path, fi)
}

func (o Owners) owned(path string, fi fs.FileInfo) error {
	uid := fi.Sys().(*syscall.Stat_t).Uid
	if slices.Contains(o, uid) {
		return nil
	}
	return step.Problem{
		Text: fmt.Sprintf("%s belongs to uid %d", step.Quote(path), uid),
		Hint: "it must belong to root, to you or to the owner of jail",
	}
}

func writable(path string, fi fs.FileInfo) error {
	perm := fi.Mode().Perm()
	if perm&0o022 == 0 {
		return nil
	}
	return step.Problem{
		Text: fmt.Sprintf("%s can be written by its group or by others (mode %04o)", step.Quote(path), perm),
		Hint: "chmod go-w " + step.Quote(path),
	}
}

// Executable checks a file and the way to it. It must be no link.
func (o Owners) Executable(path string) error {
	dir, err := o.Directory(filepath.Dir(path))
	if err != nil {
		return err
	}
	fi, err := os.Lstat(filepath.Join(dir, filepath.Base(path)))
	if err != nil {
		return err
	}
	return o.File(path, fi)
}
