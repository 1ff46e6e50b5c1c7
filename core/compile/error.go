package compile

import (
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/launch"
	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/report"
	"github.com/jail-sandbox/jail/core/step"
)

// An Error is a step that could not be compiled or did not work.
type Error struct {
	Entry plan.Entry
	Index int // of the entry, from 1; 0 when nothing ran yet
	Count int
	Errno syscall.Errno // 0 when no system call failed
	Text  string
	Hint  string
}

func (e *Error) Error() string {
	text := e.Entry.Owner + ": " + e.Text
	if e.Index > 0 {
		text += fmt.Sprintf(" (step %d of %d)", e.Index, e.Count)
	}
	if e.Entry.At != "" {
		text += " at " + step.Quote(e.Entry.At)
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Setup is the error in a result.
func (e *Error) Setup() *report.Setup {
	s := &report.Setup{Owner: e.Entry.Owner, Text: e.Error(), Errno: unix.ErrnoName(e.Errno)}
	if e.Entry.Step != nil {
		s.Step = e.Entry.Step.Kind()
	}
	return s
}

// NotStarted says why there was no program, if there was none and nobody cancelled it.
func (c *Compiled) NotStarted(o report.Outcome) error {
	switch {
	case o.Failure != nil:
		return c.explain(*o.Failure)
	case o.StartNs != 0:
		return nil
	case o.Killed == report.CauseSetup:
		return &Error{Entry: plan.Entry{Owner: step.Core}, Errno: unix.ETIMEDOUT, Text: "the set-up took too long",
			Hint: "is a bind's source on a file system that does not answer?"}
	case o.Killed != "": // cancelled; or by a limit, and the program was faster than the reaper's word of it
		return nil
	}
	return &Error{Entry: plan.Entry{Owner: step.Core}, Text: "the jail was killed before the program could start"}
}

// explain says what a failed operation means to a person.
func (c *Compiled) explain(f report.Failure) *Error {
	if f.Op < 0 {
		return &Error{Entry: plan.Entry{Owner: step.Core}, Errno: f.Errno, Text: "clone of the program's process: " + f.Errno.Error()}
	}
	op := c.Program.Op(f.Op)
	entry := c.plan.Entries[op.Entry]
	e := &Error{Entry: entry, Index: int(op.Entry) + 1, Count: len(c.plan.Entries), Errno: f.Errno,
		Text: entry.Step.String() + ": " + f.Errno.Error(), Hint: hintFor(entry.Step.Kind(), op, f.Errno)}
	switch entry.Step.(type) {
	case step.Program:
		c.explainExec(e)
	case step.StateCheck:
		e.Text = "the state before the filter is not what the plan says: " + c.describe(op)
	case step.Cwd:
		e.Text = "chdir " + step.Quote(c.text(op.Args[0])) + ": " + f.Errno.Error()
		e.Hint = c.hostHint(c.text(op.Args[0]))
	}
	return e
}

// explainExec tells apart the ways in which an execve fails: ENOENT is also what a missing interpreter gives.
func (c *Compiled) explainExec(e *Error) {
	name := c.exec[len(c.exec)-1]
	for _, file := range c.exec {
		if host, ok := c.view.hostPath(below(c.dir, file)); ok && exists(host) {
			name = file
			c.explainFile(e, file, host)
			return
		}
	}
	e.Text = step.Quote(name) + ": " + e.Errno.Error()
	if name == "" {
		e.Text = "the program's name is empty"
	}
	if len(c.exec) > 1 {
		e.Text = step.Quote(path.Base(name)) + ": not found in PATH inside: " + step.Quote(dirs(c.exec))
		e.Errno = unix.ENOENT
	}
	e.Hint = c.hostHint(name)
}

// explainFile: the file is there.
func (c *Compiled) explainFile(e *Error, file, host string) {
	e.Text = step.Quote(file) + ": " + e.Errno.Error()
	if e.Errno != unix.ENOENT && e.Errno != unix.ENOTDIR {
		return
	}
	if info, err := os.Stat(host); err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
		e.Errno = unix.EACCES
		e.Text = step.Quote(file) + ": " + e.Errno.Error()
		return
	}
	if interp := interpreter(host); interp != "" {
		e.Text = fmt.Sprintf("%s: its interpreter %s is not there inside", step.Quote(file), step.Quote(interp))
		e.Hint = c.hostHint(interp)
	}
}

// hostHint proposes the bind that would make a file of the host visible inside at the same path.
func (c *Compiled) hostHint(name string) string {
	name = below(c.cwd, name)
	if !exists(name) {
		return ""
	}
	dir := path.Dir(name)
	if info, err := os.Stat(name); err == nil && info.IsDir() || dir == "/" {
		dir = name
	}
	return "the host has " + step.Quote(name) + "; --bind " + step.Quote(dir) + " would show it inside"
}

// below is where a name leads that is used in a directory.
func below(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func dirs(files []string) string {
	var out []string
	for _, f := range files {
		out = append(out, path.Dir(f))
	}
	return strings.Join(out, ":")
}

// CloneError explains why there is no new process in new namespaces: user_namespaces(7), clone(2).
func CloneError(err error) *Error {
	e := &Error{Entry: plan.Entry{Owner: step.Core}, Errno: errnoOf(err), Text: err.Error()}
	e.Hint = hintFor("clone", launch.Op{}, e.Errno)
	return e
}

// hints are the refusals of kernels and containers that we know, by step and errno.
var hints = []struct {
	step  string
	errno syscall.Errno
	hint  string
}{
	{"clone", unix.EPERM, "user namespaces are refused: sysctl kernel.unprivileged_userns_clone=1 on older Debian; inside a container its seccomp profile must allow them"},
	{"clone", unix.ENOSPC, "no user namespace is left: sysctl user.max_user_namespaces, or the nesting is 32 deep"},
	{"clone", unix.EUSERS, "user namespaces are nested too deep"},
	{"clone", unix.EAGAIN, "no process is left: ulimit -u, or the cgroup's pids.max"},
	{"clone", unix.EINVAL, "the kernel is built without one of the namespaces, or is older than 5.15"},
	{"idmap", unix.EPERM, "the id map is refused: on Ubuntu 24.04 sysctl kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for jail; see docs/host.md"},
	{"idmap", unix.EACCES, "the id map is refused: on Ubuntu 24.04 sysctl kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for jail; see docs/host.md"},
	{"idmap", unix.ECANCELED, "newuidmap did not write the map: package uidmap, /etc/subuid and /etc/subgid"},
	{"private", unix.EPERM, "mounting is refused: AppArmor, or a container without it; see docs/host.md"},
	{"private", unix.EACCES, "mounting is refused: AppArmor, or a container without it; see docs/host.md"},
	{"root", unix.EPERM, "mounting is refused: AppArmor, or a container without it; see docs/host.md"},
	{"root", unix.EACCES, "mounting is refused: AppArmor, or a container without it; see docs/host.md"},
	{"proc", unix.EPERM, "this host's /proc is masked, as in containers, and no other one may be mounted: [pidns] proc = \"none\", or unmask it; see docs/host.md"},
	{"no-userns", unix.EROFS, "this host's /proc/sys is read-only, as in containers; see docs/host.md"},
	{"no-userns", unix.EACCES, "this host's /proc/sys is read-only, as in containers; see docs/host.md"},
	{"keyring", unix.EDQUOT, "the user has too many keyrings: sysctl kernel.keys.maxkeys"},
	{"keyring", unix.EPERM, "keyctl is refused, as in containers; see docs/host.md"},
	{"bind", unix.ESTALE, "the source was replaced while the jail was being made"},
	{"tmpfs", unix.ENOENT, "inside a bind the mount point must exist on the host"},
	{"bind", unix.ENOENT, "inside a bind the mount point must exist on the host"},
}

func hintFor(kind string, op launch.Op, errno syscall.Errno) string {
	if errno == unix.ENOSYS && op.Nr == unix.SYS_OPENAT2 {
		return "openat2 is refused, by an old container runtime's seccomp profile: see docs/host.md"
	}
	for _, h := range hints {
		if h.step == kind && h.errno == errno {
			return h.hint
		}
	}
	if errno == unix.ENOSYS {
		return "the kernel is older than 5.15, or a container's seccomp profile refuses the call"
	}
	return ""
}
