package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// idRange is a range of ids, the same for users and groups.
type idRange struct{ first, count int }

// defaultIDs are used where /etc/subuid gives none to "jail": systemd leaves them unused, and distributions give
// subordinate ids from 100000 on.
var defaultIDs = idRange{70000, 1000}

// dropRoot makes real root an unprivileged user for good: the ids outside a jail are never 0. It is one of the range
// that /etc/subuid has for the name "jail", a line like jail:70000:1000.
//
// The root of a user namespace is somebody else outside already, and stays what it is.
func dropRoot() (dropped bool, err error) {
	if real, err := realRoot(); err != nil || !real {
		return false, err
	}
	ids, err := configuredIDs("/etc/subuid")
	if err != nil {
		return false, err
	}
	return true, become(ids)
}

// realRoot says whether we are uid 0 outside of all user namespaces, as far as that can be told: in one whose 0 is its
// parent's 0 it cannot.
func realRoot() (bool, error) {
	if os.Getuid() != 0 {
		return false, nil
	}
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "0" && fields[1] == "0" {
			return true, nil
		}
	}
	return false, nil
}

func become(ids idRange) error {
	if bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0); err != nil || bits != 0 {
		return fmt.Errorf("securebits are %#x: root would keep its capabilities with another uid", bits)
	}
	id := ids.first + os.Getpid()%ids.count // not the same for jails that run at once, as far as the range goes
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("setgroups: %w: this may be root outside, or the root of nested user namespaces; start jail as another user", err)
	}
	if err := syscall.Setresgid(id, id, id); err != nil {
		return fmt.Errorf("setresgid %d: %w", id, err)
	}
	if err := syscall.Setresuid(id, id, id); err != nil {
		return fmt.Errorf("setresuid %d: %w", id, err)
	}
	// The change made us undumpable, and with it the files in /proc/self that the id maps are written to root's.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	return nil
}

func configuredIDs(file string) (idRange, error) {
	f, err := os.Open(file)
	if os.IsNotExist(err) {
		return defaultIDs, nil
	}
	if err != nil {
		return idRange{}, err
	}
	defer f.Close()
	for n, lines := 1, bufio.NewScanner(f); lines.Scan(); n++ {
		rest, ok := strings.CutPrefix(lines.Text(), "jail:")
		if !ok {
			continue
		}
		r, err := parseRange(rest)
		if err != nil {
			return idRange{}, fmt.Errorf("%s:%d: jail: %w", file, n, err)
		}
		return r, nil
	}
	return defaultIDs, nil
}

func parseRange(s string) (idRange, error) {
	first, count, _ := strings.Cut(s, ":")
	var r idRange
	var err error
	if r.first, err = strconv.Atoi(first); err != nil {
		return r, err
	}
	if r.count, err = strconv.Atoi(count); err != nil {
		return r, err
	}
	if r.first < 1 || r.count < 1 {
		return r, fmt.Errorf("%s: ids from 1 on are wanted: %w", s, fs.ErrInvalid)
	}
	return r, nil
}
