package step

import (
	"fmt"
	"strings"
)

// The kinds that planners return.

// IDMap is the one-line uid_map and gid_map: user_namespaces(7).
type IDMap struct {
	UID int    `json:"uid"` // inside
	GID int    `json:"gid"` // inside
	Map string `json:"map"` // outside: MapCaller or MapSubIDs
}

// What ids are outside the user namespace.
const (
	MapCaller = "caller" // the caller's own (as root: one of a configured range)
	MapSubIDs = "subids" // the first of the caller's subordinate ids: subuid(5), newuidmap(1)
)

func (IDMap) Kind() string { return "idmap" }
func (s IDMap) Check() error {
	for _, id := range []int{s.UID, s.GID} {
		if id < 0 || id > 1<<31 {
			return fmt.Errorf("id %d is not between 0 and 2147483648", id)
		}
	}
	return oneOf("map", s.Map, MapCaller, MapSubIDs)
}
func (s IDMap) String() string {
	return fmt.Sprintf("idmap uid %d gid %d inside, %s outside", s.UID, s.GID, s.Map)
}

// Hostname is sethostname(2).
type Hostname struct {
	Name string `json:"name"`
}

func (Hostname) Kind() string     { return "hostname" }
func (s Hostname) Check() error   { return checkName("hostname", s.Name) }
func (s Hostname) String() string { return "hostname " + s.Name }

// Domainname is setdomainname(2).
type Domainname struct {
	Name string `json:"name"`
}

func (Domainname) Kind() string     { return "domainname" }
func (s Domainname) Check() error   { return checkName("domainname", s.Name) }
func (s Domainname) String() string { return "domainname " + s.Name }

// Loopback brings lo up. The kernel then gives it 127.0.0.1 and ::1 by itself.
type Loopback struct{}

func (Loopback) Kind() string   { return "loopback" }
func (Loopback) Check() error   { return nil }
func (Loopback) String() string { return "loopback up" }

// HostNetwork stands where there is no network namespace, so that a plan without one says so.
type HostNetwork struct{}

func (HostNetwork) Kind() string   { return "host-network" }
func (HostNetwork) Check() error   { return nil }
func (HostNetwork) String() string { return "host-network: no network namespace" }

// RootFS is the tmpfs that becomes /. It is sealed read-only when it is filled.
type RootFS struct {
	Size   int64 `json:"size"`   // bytes
	Inodes int64 `json:"inodes"` // files and directories
}

func (RootFS) Kind() string { return "root" }
func (s RootFS) Check() error {
	if err := checkSize("size", s.Size, 4096); err != nil {
		return err
	}
	return checkSize("inodes", s.Inodes, 16)
}
func (s RootFS) String() string {
	return fmt.Sprintf("root size=%s inodes=%d", Bytes(s.Size), s.Inodes)
}

// Tmpfs is a file system in memory: tmpfs(5). It is nosuid and nodev.
type Tmpfs struct {
	Target string `json:"target"`
	Size   int64  `json:"size"`             // bytes
	Inodes int64  `json:"inodes"`           // files and directories
	Mode   uint32 `json:"mode"`             // of its root directory
	NoExec bool   `json:"noexec,omitempty"` // no program on it can be run
	Sealed bool   `json:"sealed,omitempty"` // read-only once the plan's own mounts, files and links in it are made
}

// What a Tmpfs is where nobody says.
const (
	DefaultTmpfsSize   = 16 << 20
	DefaultTmpfsInodes = 1024
	DefaultTmpfsMode   = 0o1777
)

func (Tmpfs) Kind() string   { return "tmpfs" }
func (s Tmpfs) Path() string { return s.Target }
func (s Tmpfs) Check() error {
	return first(checkTarget(s.Target), checkSize("size", s.Size, 4096), checkSize("inodes", s.Inodes, 2), checkMode(s.Mode))
}
func (s Tmpfs) String() string {
	return words("tmpfs", Quote(s.Target), "size="+Bytes(s.Size), fmt.Sprintf("inodes=%d mode=%04o", s.Inodes, s.Mode),
		when(s.NoExec, "noexec"), when(s.Sealed, "sealed"))
}

// Bind shows a file or directory of the host inside, with everything mounted below it. It is nosuid and nodev, and
// read-only to the last submount unless RW.
type Bind struct {
	Source   string `json:"source"` // absolute, or $CWD or $HOME at its head
	Target   string `json:"target"`
	RW       bool   `json:"rw,omitempty"`
	NoExec   bool   `json:"noexec,omitempty"`
	Optional bool   `json:"optional,omitempty"` // a source that does not exist is passed over
}

func (Bind) Kind() string   { return "bind" }
func (s Bind) Path() string { return s.Target }
func (s Bind) Check() error { return first(CheckSource(s.Source), checkTarget(s.Target)) }
func (s Bind) String() string {
	mode := "ro"
	if s.RW {
		mode = "rw"
	}
	return words("bind", Quote(s.Source), "->", Quote(s.Target), mode, when(s.NoExec, "noexec"), when(s.Optional, "optional"))
}

// File is a regular file with literal content.
type File struct {
	Target  string `json:"target"`
	Content string `json:"content"`
	Mode    uint32 `json:"mode"`
}

// MaxContent is the most bytes that a File may hold: plans are for people to read.
const MaxContent = 64 << 10

func (File) Kind() string   { return "file" }
func (s File) Path() string { return s.Target }
func (s File) Check() error {
	if len(s.Content) > MaxContent {
		return fmt.Errorf("content has %d bytes, the most is %d", len(s.Content), MaxContent)
	}
	return first(checkTarget(s.Target), checkMode(s.Mode))
}
func (s File) String() string {
	return fmt.Sprintf("file %s mode=%04o, %d bytes", Quote(s.Target), s.Mode, len(s.Content))
}

// Link is a symbolic link. What it points to is resolved inside, when it is used.
type Link struct {
	Target string `json:"target"` // where the link is
	To     string `json:"to"`     // what it says
}

func (Link) Kind() string   { return "link" }
func (s Link) Path() string { return s.Target }
func (s Link) Check() error {
	if s.To == "" || len(s.To) >= maxPath || strings.IndexByte(s.To, 0) >= 0 {
		return fmt.Errorf(`a link to "%s" cannot be made`, Quote(s.To))
	}
	return checkTarget(s.Target)
}
func (s Link) String() string { return "link " + Quote(s.Target) + " -> " + Quote(s.To) }

// Device binds one of the host's devices, after its type and number are checked.
type Device struct {
	Target string `json:"target"`
	Device string `json:"device"` // a name from Devices
}

// Devices are the character devices that a jail may have, with their numbers: null(4), full(4), random(4).
var Devices = map[string]struct{ Major, Minor uint32 }{
	"null": {1, 3}, "zero": {1, 5}, "full": {1, 7}, "random": {1, 8}, "urandom": {1, 9},
}

func (Device) Kind() string   { return "device" }
func (s Device) Path() string { return s.Target }
func (s Device) Check() error {
	if _, ok := Devices[s.Device]; !ok {
		return fmt.Errorf(`device "%s" is none of null, zero, full, random, urandom`, Quote(s.Device))
	}
	return checkTarget(s.Target)
}
func (s Device) String() string { return "device " + s.Device + " -> " + Quote(s.Target) }

// Work is the private work directory: a tmpfs of the run's own, writable.
type Work struct {
	Target string `json:"target"`
	Size   int64  `json:"size"`   // bytes
	Inodes int64  `json:"inodes"` // files and directories
}

func (Work) Kind() string   { return "work" }
func (s Work) Path() string { return s.Target }
func (s Work) Check() error {
	return first(checkTarget(s.Target), checkSize("size", s.Size, 4096), checkSize("inodes", s.Inodes, 2))
}
func (s Work) String() string {
	return fmt.Sprintf("work %s size=%s inodes=%d", Quote(s.Target), Bytes(s.Size), s.Inodes)
}

// Proc is a procfs of the jail's own pid namespace: proc(5).
type Proc struct {
	Target string `json:"target"`
	Mode   string `json:"mode"` // ProcPID or ProcMasked
}

// What a jail sees of procfs.
const (
	ProcPID    = "pid"    // subset=pid, hidepid=invisible: processes only
	ProcMasked = "masked" // all of it, with what tells of or changes the host covered
)

func (Proc) Kind() string   { return "proc" }
func (s Proc) Path() string { return s.Target }
func (s Proc) Check() error {
	return first(checkTarget(s.Target), oneOf("mode", s.Mode, ProcPID, ProcMasked))
}
func (s Proc) String() string { return "proc " + Quote(s.Target) + " " + s.Mode }

// Env is one variable of the program's environment, which is empty otherwise.
type Env struct {
	Name  string  `json:"name"`
	Value *string `json:"value"` // null: the caller's, if it has one
}

func (Env) Kind() string { return "env" }
func (s Env) Check() error {
	if s.Name == "" || strings.ContainsAny(s.Name, "=\x00") {
		return fmt.Errorf(`"%s" cannot be a variable's name`, Quote(s.Name))
	}
	if s.Value != nil && strings.IndexByte(*s.Value, 0) >= 0 {
		return fmt.Errorf("the value of %s has a NUL byte", Quote(s.Name))
	}
	return nil
}
func (s Env) String() string {
	if s.Value == nil {
		return "env " + Quote(s.Name) + " from the caller"
	}
	return "env " + Quote(s.Name) + "=" + Quote(*s.Value)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
