package step

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// maxPath is what the kernel takes, with the NUL: path_resolution(7).
const maxPath = 4096

// CheckPath says what is wrong with a path inside a jail: it must be absolute and clean.
func CheckPath(p string) error {
	switch {
	case p == "":
		return errors.New("empty path")
	case strings.IndexByte(p, 0) >= 0:
		return fmt.Errorf("path has a NUL byte: %s", Quote(p))
	case len(p) >= maxPath:
		return fmt.Errorf("path has %d bytes, the kernel takes %d", len(p), maxPath-1)
	case p[0] != '/':
		return fmt.Errorf("path is relative: %s", Quote(p))
	case hasDots(p):
		return fmt.Errorf("path has a . or .. component: %s", Quote(p))
	case path.Clean(p) != p:
		return fmt.Errorf("path is not clean: %s", Quote(p))
	}
	return nil
}

func hasDots(p string) bool {
	for c := range strings.SplitSeq(p, "/") {
		if c == "." || c == ".." {
			return true
		}
	}
	return false
}

// checkTarget is CheckPath for something that is made inside the root.
func checkTarget(p string) error {
	if p == "/" {
		return errors.New("/ is the root itself")
	}
	return CheckPath(p)
}

// Slots that may stand at the head of a bind's source: the caller's, filled at compile time.
const (
	SlotCwd  = "$CWD"
	SlotHome = "$HOME"
)

// CheckSource says what is wrong with a bind's source: an absolute path of the host, or one below a slot.
func CheckSource(p string) error {
	for _, slot := range []string{SlotCwd, SlotHome} {
		if p == slot {
			return nil
		}
		if rest, ok := strings.CutPrefix(p, slot+"/"); ok {
			p = "/" + rest
		}
	}
	if strings.HasPrefix(p, "$") {
		return fmt.Errorf("unknown slot in %s: only $CWD and $HOME stand at the head of a source", Quote(p))
	}
	if err := CheckPath(p); err != nil {
		return err
	}
	if p == "/proc" || strings.HasPrefix(p, "/proc/") {
		return fmt.Errorf("%s: the host's /proc shows and signals the host's processes; a jail has its own", Quote(p))
	}
	return nil
}

func checkSize(name string, n, least int64) error {
	if n < least {
		return fmt.Errorf("%s is %d, the least is %d", name, n, least)
	}
	return nil
}

func checkMode(m uint32) error {
	if m&^0o1777 != 0 {
		return fmt.Errorf("mode %04o: set-id bits have no use inside", m)
	}
	return nil
}

func oneOf(name, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf(`%s is "%s", not one of %s`, name, Quote(value), strings.Join(allowed, ", "))
}

// checkName is for host and domain names: what the kernel stores, and what a shell can show.
func checkName(what, name string) error {
	if len(name) > 64 {
		return fmt.Errorf("%s has %d bytes, the kernel takes 64", what, len(name))
	}
	ok := func(r rune) bool {
		return r == '-' || r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if name == "" || strings.IndexFunc(name, func(r rune) bool { return !ok(r) }) >= 0 {
		return fmt.Errorf(`%s "%s": letters, digits, dots, dashes and underscores only`, what, Quote(name))
	}
	return nil
}
