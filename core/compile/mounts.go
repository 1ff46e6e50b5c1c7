package compile

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/step"
)

const (
	openPath   = unix.O_PATH | unix.O_CLOEXEC
	belowSlot  = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS
	insideJail = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS
)

// private cuts propagation before anything is mounted: mount_namespaces(7). The mask is cleared for the modes to come.
func (c *compiler) private() {
	c.setattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, 0, unix.MS_PRIVATE)
	c.op(unix.SYS_UMASK, 0)
}

// setattr is mount_setattr(2). A plain remount of a bind drops locked flags (EPERM in a user namespace) and misses
// what is mounted below; this call does neither.
func (c *compiler) setattr(dir any, name string, flags, set, propagation int) {
	c.op(unix.SYS_MOUNT_SETATTR, dir, name, flags, c.words(uint64(set), 0, uint64(propagation), 0), 32)
}

// openat2 resolves a path. CVE-2026-87766 and its kin: nothing inside is resolved any other way.
func (c *compiler) openat2(dir any, name string, flags, resolve int, register string) reg {
	return c.save(c.op(unix.SYS_OPENAT2, dir, name, c.words(uint64(flags), 0, uint64(resolve)), 24), register)
}

// rootfs makes the tmpfs that becomes the root and all mount points on it. It is attached over /, where it hides nothing:
// absolute paths still start at what is below it, until pivot_root.
func (c *compiler) rootfs(s step.RootFS) {
	c.root = c.newTmpfs(step.Tmpfs{Target: "/", Size: s.Size, Inodes: s.Inodes, Mode: 0o755})
	c.op(unix.SYS_MOVE_MOUNT, c.root, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH)
	c.inside["/"] = c.root
	c.mountPoints("/", c.root)
}

func (c *compiler) tmpfs(s step.Tmpfs) {
	fs := c.newTmpfs(s)
	c.attach(fs, s.Target)
	c.inside[s.Target] = fs
	c.mountPoints(s.Target, fs)
}

// newTmpfs is a detached tmpfs(5).
func (c *compiler) newTmpfs(s step.Tmpfs) reg {
	attrs := unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	if s.NoExec {
		attrs |= unix.MOUNT_ATTR_NOEXEC
	}
	return c.newFS("tmpfs", "tmpfs "+s.Target, attrs, [][2]string{
		{"size", fmt.Sprint(s.Size)}, {"nr_inodes", fmt.Sprint(s.Inodes)}, {"mode", fmt.Sprintf("%04o", s.Mode)}})
}

// newFS is fsopen, fsconfig, fsmount: fsopen(2).
func (c *compiler) newFS(kind, register string, attrs int, options [][2]string) reg {
	fs := c.save(c.op(unix.SYS_FSOPEN, kind, unix.FSOPEN_CLOEXEC), "fs")
	for _, o := range options {
		set := c.op(unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_STRING, o[0], o[1], 0)
		if o[0] == "hidepid" {
			fine(set, unix.EINVAL) // kernels before 5.8 take it as a number only
		}
	}
	c.op(unix.SYS_FSCONFIG, fs, unix.FSCONFIG_CMD_CREATE, 0, 0, 0)
	return c.save(c.op(unix.SYS_FSMOUNT, fs, unix.FSMOUNT_CLOEXEC, attrs), register)
}

// attach mounts a detached tree on its mount point, by descriptor: CVE-2021-30465.
func (c *compiler) attach(tree reg, target string) {
	resolve := insideJail
	if c.view.inWritable(target) { // what guards a place there must not be led to another one
		resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	point := c.openat2(c.root, relative(target), openPath, resolve, "point")
	c.op(unix.SYS_MOVE_MOUNT, tree, "", point, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// mountPoints makes the directories and mount points of everything that stands directly in a file system of our own,
// before anything of the caller's is mounted. Below a bind there are only the host's own directories.
func (c *compiler) mountPoints(at string, fs reg) {
	made := map[string]bool{".": true}
	for _, p := range c.view.placed {
		if !p.present || p.path == at || c.view.above(p.path) != at {
			continue
		}
		rel := strings.TrimPrefix(relative(p.path), relative(at))
		rel = strings.TrimPrefix(rel, "/")
		c.mkdirs(fs, path.Dir(rel), made)
		switch {
		case !plan.IsMount(p.step):
		case p.dir:
			c.mkdirs(fs, rel, made)
		default:
			c.op(unix.SYS_MKNODAT, fs, rel, unix.S_IFREG|0o444, 0)
		}
	}
}

// mkdirs makes a directory and its parents.
func (c *compiler) mkdirs(fs reg, rel string, made map[string]bool) {
	if made[rel] {
		return
	}
	c.mkdirs(fs, path.Dir(rel), made)
	c.op(unix.SYS_MKDIRAT, fs, rel, 0o755)
	made[rel] = true
}

// home is the file system of our own that a path lies in, and the path in it.
func (c *compiler) home(p string) (reg, string) {
	at := c.view.above(p)
	return c.inside[at], strings.TrimPrefix(strings.TrimPrefix(p, at), "/")
}

// source opens the source of a bind in the new mount namespace (the launcher's descriptors belong to the old one, and
// open_tree refuses them), and demands that it is what the launcher saw. CVE-2024-42472, CVE-2026-34078: a path may have
// changed in between.
func (c *compiler) source(p *placed, register string) reg {
	want := p.id
	src := c.openSource(p, register)
	st := c.bytes(make([]byte, statxSize))
	c.op(unix.SYS_STATX, src, "", unix.AT_EMPTY_PATH, unix.STATX_INO, st)
	c.same(st+statxIno, c.words(want.ino), 8, unix.ESTALE)
	c.same(st+statxDev, c.words(uint64(want.major)|uint64(want.minor)<<32), 8, unix.ESTALE)
	return src
}

// openSource follows no link out of the directory that a slot stands for: the program may have written what is there, in
// an earlier run.
func (c *compiler) openSource(p *placed, register string) reg {
	switch {
	case p.cwd && p.below == "":
		return c.openat2(unix.AT_FDCWD, ".", openPath, 0, register)
	case p.cwd:
		return c.openat2(unix.AT_FDCWD, p.below, openPath, belowSlot, register)
	case p.below == "":
		return c.openat2(unix.AT_FDCWD, p.host, openPath, 0, register)
	}
	slot := c.openat2(unix.AT_FDCWD, p.slot, openPath, 0, "slot")
	return c.openat2(slot, p.below, openPath, belowSlot, register)
}

// Offsets in struct statx: statx(2).
const (
	statxIno  = 32
	statxDev  = 136 // stx_dev_major, stx_dev_minor
	statxSize = 256
)

// clone is a detached copy of what is at a descriptor, with everything below it if recursive says so.
func (c *compiler) clone(src reg, recursive, attrs int) reg {
	tree := c.save(c.op(unix.SYS_OPEN_TREE, src, "",
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|recursive), "tree")
	c.setattr(tree, "", unix.AT_EMPTY_PATH|recursive, attrs, unix.MS_PRIVATE)
	return tree
}

func (c *compiler) bind(i int, s step.Bind) error {
	p := c.view.of(i)
	if !p.present {
		return nil
	}
	attrs := unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	if !s.RW {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	if s.NoExec {
		attrs |= unix.MOUNT_ATTR_NOEXEC
	}
	c.attach(c.clone(c.opened(i, p), unix.AT_RECURSIVE, attrs), s.Target)
	return nil
}

// device binds a device that look has found to be the right one: CVE-2025-31133. Read-only keeps its metadata from the
// program, writing to it does not touch the file system.
func (c *compiler) device(i int, s step.Device) {
	attrs := unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_RDONLY
	c.attach(c.clone(c.opened(i, c.view.of(i)), 0, attrs), s.Target)
}

// opened is a bind's source: opened before the ids changed, or now.
func (c *compiler) opened(i int, p *placed) reg {
	if r, ok := c.sources[i]; ok {
		return r
	}
	return c.source(p, "source")
}

func (c *compiler) file(s step.File) {
	dir, rel := c.home(s.Target)
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd := c.save(c.op(unix.SYS_OPENAT, dir, rel, flags, int(s.Mode)), "file")
	if s.Content != "" {
		check(c.op(unix.SYS_WRITE, fd, c.bytes([]byte(s.Content)), len(s.Content)), uint64(len(s.Content)), unix.ENOSPC)
	}
	c.op(unix.SYS_CLOSE, fd) // open for writing, it would keep the file system from being sealed
}

// proc is the jail's own procfs: proc(5). The reaper is in the pid namespace that it shows.
func (c *compiler) proc(s step.Proc) {
	options := [][2]string{{"hidepid", "invisible"}}
	if s.Mode == step.ProcPID {
		options = append(options, [2]string{"subset", "pid"})
	}
	var file, dir reg
	if s.Mode == step.ProcMasked {
		file, dir = c.lids(s.Target)
	}
	fs := c.newFS("proc", "proc", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, options)
	c.attach(fs, s.Target)
	if s.Mode == step.ProcMasked {
		c.mask(fs, file, dir)
	}
}

// What a masked /proc covers and freezes: the union of what container runtimes do. Kernels have some of it only.
var (
	maskedFiles   = []string{"kcore", "keys", "key-users", "timer_list", "sched_debug", "latency_stats", "kallsyms", "kmsg", "sysrq-trigger", "interrupts", "softirqs", "kpagecount", "kpageflags", "kpagecgroup", "config.gz"}
	maskedDirs    = []string{"acpi", "scsi", "pressure", "sys/kernel", "sys/fs", "sys/user"}
	readOnlyTrees = []string{"asound", "bus", "driver", "fs", "irq", "sys", "tty"}
)

// mask freezes trees, and covers directories and files with empty ones, all read-only. The trees come first: a copy of
// one made later would not have the covers in it.
func (c *compiler) mask(proc, file, dir reg) {
	for _, name := range readOnlyTrees {
		c.cover(proc, name, func(point reg) reg { return point })
	}
	for _, name := range maskedDirs {
		c.cover(proc, name, func(reg) reg { return dir })
	}
	for _, name := range maskedFiles {
		c.cover(proc, name, func(reg) reg { return file })
	}
}

// lids makes the empty file and directory, on a tmpfs that proc will hide: before Linux 6.15 open_tree(2) copies only
// what is attached.
func (c *compiler) lids(under string) (file, dir reg) {
	const attrs = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	fs := c.newFS("tmpfs", "lids", attrs, [][2]string{{"size", "4096"}, {"nr_inodes", "4"}, {"mode", "0755"}})
	c.op(unix.SYS_MKNODAT, fs, "file", unix.S_IFREG|0o444, 0)
	c.op(unix.SYS_MKDIRAT, fs, "dir", 0o555)
	c.attach(fs, under)
	file = c.openat2(fs, "file", openPath, insideJail, "empty file")
	dir = c.openat2(fs, "dir", openPath, insideJail, "empty dir")
	return file, dir
}

// cover mounts a frozen copy of what lid names over something in proc; where the kernel has no such thing, all of that
// is passed over.
func (c *compiler) cover(proc reg, name string, lid func(point reg) reg) {
	const frozen = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	point := c.openat2(proc, name, openPath, insideJail, "covered")
	first := len(*c.ops) - 1
	tree := c.clone(lid(point), 0, frozen)
	c.op(unix.SYS_MOVE_MOUNT, tree, "", point, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	fine(&(*c.ops)[first], unix.ENOENT).Skip = uint16(len(*c.ops) - 1 - first)
}

// seal freezes the file systems of our own that the program may not write.
func (c *compiler) seal() {
	for _, p := range slices.Backward(c.view.placed) {
		if t, ok := p.step.(step.Tmpfs); ok && t.Sealed {
			c.setattr(c.inside[t.Target], "", unix.AT_EMPTY_PATH, unix.MOUNT_ATTR_RDONLY, 0)
		}
	}
	c.setattr(c.root, "", unix.AT_EMPTY_PATH, unix.MOUNT_ATTR_RDONLY, 0)
}

// pivot makes the new root the root. pivot_root(2), "pivot_root(".", ".")": the old root ends up above the new one, and
// is detached from there. Before that the host's /proc tells whether each namespace is really another one.
func (c *compiler) pivot() {
	c.checkNamespaces()
	c.op(unix.SYS_FCHDIR, c.root)
	c.op(unix.SYS_PIVOT_ROOT, ".", ".")
	c.op(unix.SYS_UMOUNT2, ".", unix.MNT_DETACH)
	c.op(unix.SYS_CHDIR, "/")
}

// checkNamespaces is the first part of the state check: what it asks can only be asked here.
func (c *compiler) checkNamespaces() {
	mine := c.entry
	c.entry = uint16(slices.IndexFunc(c.plan.Entries, func(e plan.Entry) bool { return e.Step.Kind() == "state-check" }))
	for _, ns := range c.plan.Namespaces {
		st := c.bytes(make([]byte, statxSize))
		c.op(unix.SYS_STATX, unix.AT_FDCWD, "/proc/self/ns/"+ns, 0, unix.STATX_INO, st)
		c.differ(st+statxIno, c.words(c.req.Host.Namespaces[ns]), 8, unix.EPERM)
	}
	c.entry = mine
}
