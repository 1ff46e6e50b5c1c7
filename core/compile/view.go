package compile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/step"
)

// view is what will be where inside, with the host's part looked at once.
type view struct {
	placed []*placed // in the plan's order
	stdin  *placed   // Request.Stdin
}

// placed is one thing inside.
type placed struct {
	entry       int
	step        step.Placed
	path        string
	present     bool     // an optional bind's source may be missing
	dir         bool     // it is a directory
	host        string   // a bind's or device's source on the host, slots filled; empty for what has none
	slot, below string   // the parts of host, when its source has a slot
	cwd         bool     // the slot is $CWD: the directory itself, whatever its name stands for by now
	real        string   // host without links
	id          identity // of the source
}

// identity tells files apart.
type identity struct {
	ino          uint64
	major, minor uint32
}

// look finds the plan's sources on the host.
func look(p *plan.Plan, req Request) (*view, error) {
	v := &view{}
	procs, err := procMounts()
	if err != nil {
		return nil, err
	}
	for i, e := range p.Entries {
		s, ok := e.Step.(step.Placed)
		if !ok {
			continue
		}
		item := &placed{entry: i, step: s, path: s.Path(), present: true, dir: true}
		if err := item.look(req, procs); err != nil {
			return nil, &Error{Entry: e, Errno: errnoOf(err), Text: e.Step.String() + ": " + err.Error(), Hint: sourceHint(req.Host, e, err)}
		}
		v.placed = append(v.placed, item)
	}
	if req.Stdin != "" {
		v.stdin = &placed{host: req.Stdin}
		if _, err := v.stdin.open(); err != nil {
			return nil, fmt.Errorf("stdin %s: %w", step.Quote(req.Stdin), err)
		}
	}
	return v, nil
}

func sourceHint(h Host, e plan.Entry, err error) string {
	switch {
	case errors.Is(err, errProtected):
		return "whoever writes there decides what runs outside: bind something narrower, or keep profiles and jail's own files elsewhere"
	case errors.Is(err, fs.ErrNotExist) && e.Owner != plan.OwnerRun && e.Step.Kind() == "bind":
		return "a bind with optional = true is passed over where its source is missing"
	case errors.Is(err, unix.EXDEV):
		return "a link there leads out of the directory that the slot stands for"
	case errors.Is(err, fs.ErrPermission) && h.WasRoot:
		return fmt.Sprintf("started as root, jail is the unprivileged uid %d by then", h.UID)
	}
	return ""
}

func (p *placed) look(req Request, procs []string) error {
	switch s := p.step.(type) {
	case step.File, step.Link:
		p.dir = false
	case step.Device:
		p.host = "/dev/" + s.Device
		return p.lookDevice(s)
	case step.Bind:
		return p.lookBind(s, req, procs)
	}
	return nil
}

// lookDevice: the name of a device proves nothing, its type and number do.
func (p *placed) lookDevice(s step.Device) error {
	st, err := p.open()
	if err != nil {
		return err
	}
	want := step.Devices[s.Device]
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || unix.Major(st.Rdev) != want.Major || unix.Minor(st.Rdev) != want.Minor {
		return fmt.Errorf("%s is not the character device %d:%d", p.host, want.Major, want.Minor)
	}
	return nil
}

func (p *placed) lookBind(s step.Bind, req Request, procs []string) error {
	var err error
	if p.slot, p.below, err = fill(s.Source, req.Host); err != nil {
		return err
	}
	p.cwd = s.Source == step.SlotCwd || strings.HasPrefix(s.Source, step.SlotCwd+"/")
	p.host = path.Join(p.slot, p.below)
	st, err := p.open()
	if s.Optional && (errnoOf(err) == unix.ENOENT || errnoOf(err) == unix.ENOTDIR) {
		p.present = false
		return nil
	}
	if err != nil {
		return err
	}
	if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFBLK || kind == unix.S_IFCHR {
		return fmt.Errorf("%s is a device: those in /dev are the only ones a jail gets", step.Quote(p.host))
	}
	for _, at := range procs {
		if within := strings.HasPrefix(p.real, at+"/"); within || at == p.real || strings.HasPrefix(at, strings.TrimSuffix(p.real, "/")+"/") {
			return fmt.Errorf("%s is the host's process list, with which processes of the host are seen and changed", step.Quote(at))
		}
	}
	if s.RW {
		return checkProtected(p.real, req.Protected)
	}
	return nil
}

// procMounts are the places of the host's procfs: by what is mounted, since names say nothing.
func procMounts() ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(table)) {
		mount, fs, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(mount); len(fields) > 4 && strings.HasPrefix(fs, "proc ") {
			out = append(out, fields[4])
		}
	}
	return out, nil
}

// open looks at the source by a descriptor that opens nothing.
func (p *placed) open() (unix.Stat_t, error) {
	var st unix.Stat_t
	fd, err := p.openPath()
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return st, err
	}
	if p.real, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil {
		return st, err
	}
	p.dir = st.Mode&unix.S_IFMT == unix.S_IFDIR
	p.id = identity{st.Ino, unix.Major(st.Dev), unix.Minor(st.Dev)}
	return st, nil
}

// openPath is what compiler.openSource does, here and now.
func (p *placed) openPath() (int, error) {
	switch {
	case p.cwd && p.below == "":
		return unix.Open(".", openPath, 0)
	case p.cwd:
		return unix.Openat2(unix.AT_FDCWD, p.below, &unix.OpenHow{Flags: openPath, Resolve: belowSlot})
	case p.below == "":
		return unix.Open(p.host, openPath, 0)
	}
	slot, err := unix.Open(p.slot, openPath, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(slot)
	return unix.Openat2(slot, p.below, &unix.OpenHow{Flags: openPath, Resolve: belowSlot})
}

// fill parts a source into the caller's directory that its slot stands for, and what is below that: nothing without a slot.
func fill(source string, h Host) (slot, below string, err error) {
	for slot, value := range map[string]string{step.SlotCwd: h.Cwd, step.SlotHome: h.Home} {
		rest, ok := strings.CutPrefix(source, slot)
		if !ok {
			continue
		}
		if !path.IsAbs(value) {
			return "", "", fmt.Errorf(`%s is not known: it is "%s"`, slot, step.Quote(value))
		}
		return path.Clean(value), strings.TrimPrefix(rest, "/"), nil
	}
	return source, "", nil
}

// of finds what an entry makes.
func (v *view) of(entry int) *placed {
	i := slices.IndexFunc(v.placed, func(p *placed) bool { return p.entry == entry })
	return v.placed[i]
}

// above is the path of the nearest thing that a path lies in, "/" for the root; a thing does not lie in itself.
func (v *view) above(name string) string {
	best := "/"
	for _, p := range v.placed {
		if p.present && strings.HasPrefix(name, p.path+"/") && len(p.path) > len(best) {
			best = p.path
		}
	}
	return best
}

// inWritable says whether a path lies in a writable bind: links there may be the program's.
func (v *view) inWritable(name string) bool {
	return slices.ContainsFunc(v.placed, func(p *placed) bool {
		b, ok := p.step.(step.Bind)
		return ok && b.RW && p.present && strings.HasPrefix(name, p.path+"/")
	})
}

// at finds what is exactly at a path.
func (v *view) at(name string) *placed {
	for _, p := range v.placed {
		if p.present && p.path == name {
			return p
		}
	}
	return nil
}

// hostPath is where on the host a path inside leads, following links as the kernel will inside; false when it leads to
// nothing of the host's. It serves messages and the choice of the working directory: nothing is opened by it.
func (v *view) hostPath(name string) (string, bool) {
	for range 40 { // MAXSYMLINKS
		host, link, ok := v.step(name)
		if link == "" {
			return host, ok
		}
		name = link
	}
	return "", false
}

// step walks a path to its end, or to the first link on it: then link is the path that this one stands for.
func (v *view) step(name string) (host, link string, ok bool) {
	done := "/"
	parts := strings.Split(strings.Trim(path.Clean(name), "/"), "/")
	for i, part := range parts {
		here := path.Join(done, part)
		to := ""
		host, ok = v.direct(here)
		if p := v.at(here); p != nil && p.step.Kind() == "link" {
			to = p.step.(step.Link).To
		} else if ok {
			to, _ = os.Readlink(host)
		}
		if to != "" {
			if !path.IsAbs(to) {
				to = path.Join(done, to)
			}
			return "", path.Join(append([]string{to}, parts[i+1:]...)...), false
		}
		done = here
	}
	return host, "", ok
}

// direct is the host's path behind a path inside that has no links in it.
func (v *view) direct(name string) (string, bool) {
	p := v.at(name)
	if p == nil {
		p = v.at(v.above(name))
	}
	if p == nil || p.host == "" {
		return "", false
	}
	return path.Join(p.host, strings.TrimPrefix(name, p.path)), true
}

// workingDir is where the program starts: what the profile or the command line says; else the caller's directory if the
// same one is visible inside; else the work directory; else the root.
func (v *view) workingDir(s step.Cwd, caller string) string {
	if s.Dir != "" {
		return s.Dir
	}
	if host, ok := v.hostPath(caller); ok && caller != "" && sameFile(host, caller) {
		return caller
	}
	for _, p := range v.placed {
		if p.step.Kind() == "work" || p.present && p.path == "/work" && p.dir {
			return p.path
		}
	}
	return "/"
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// checkProtected refuses a writable bind that contains one of our own directories or lies inside one: what is written
// there would run outside the next time. It goes by what the directories are, not by how they are named.
func checkProtected(source string, protected []string) error {
	for _, dir := range protected {
		lies, err := within(source, dir)
		if err != nil {
			return err
		}
		contains, err := within(nearest(dir), source)
		if err != nil {
			return err
		}
		if lies || contains {
			return fmt.Errorf("%w: %s", errProtected, step.Quote(dir))
		}
	}
	return nil
}

var errProtected = errors.New("a writable bind may not reach what jail itself trusts")

// nearest is the directory itself, or the parent in which it could be made; of a link that leads nowhere yet, where it leads.
func nearest(dir string) string {
	for range 40 { // MAXSYMLINKS
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return dir
		}
		if to, err := os.Readlink(dir); err == nil {
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(dir), to)
			}
			dir = to
			continue
		}
		return nearest(filepath.Dir(dir))
	}
	return dir
}

// within says whether the file called name is the directory called dir, or below it, by going up from it. What does not
// exist, or is closed to the caller and with that to the jail, is within nothing.
func within(name, dir string) (bool, error) {
	want, err := os.Stat(dir)
	if unreachable(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if name, err = filepath.EvalSymlinks(name); unreachable(err) {
		return false, nil
	}
	for ; err == nil; name = filepath.Dir(name) {
		var info fs.FileInfo
		if info, err = os.Stat(name); err == nil && os.SameFile(info, want) {
			return true, nil
		}
		if name == "/" {
			return false, err
		}
	}
	return false, err
}

func unreachable(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}
