package mountns

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// Entry is what is at one path: exactly one of the first six keys, with the options that go with it. The zero Entry is
// `false`: nothing.
type Entry struct {
	Bind  string       `json:"bind" doc:"a file or directory of the host, or below $CWD or $HOME: all that is mounted there, read-only"`
	Tmpfs section.Size `json:"tmpfs" doc:"an empty file system in memory, of this size"`
	Work  section.Size `json:"work" doc:"the private work directory, of this size"`
	File  string       `json:"file" doc:"a file with this content, read-only"`
	Link  string       `json:"link" doc:"a symbolic link to this path"`
	Dev   bool         `json:"dev" doc:"true: null, zero, full, random, urandom, fd, stdin, stdout, stderr and shm"`

	RW       bool          `json:"rw" doc:"bind: the program may write"`
	NoExec   bool          `json:"noexec" doc:"bind, tmpfs: no program there can be run"`
	Optional bool          `json:"optional" doc:"bind: passed over when the host has no such path"`
	Inodes   *int64        `json:"inodes" doc:"tmpfs, work: files and directories; default one for each 16KiB, at least 64"`
	Mode     *Mode         `json:"mode" doc:"tmpfs, file: as chmod(1) takes it; default 1777 and 0644"`
	Shm      *section.Size `json:"shm" doc:"dev: size of the directory shm; default 16MiB"`

	kind string // the key that says what it is; empty: nothing
}

// kinds are the things that can be at a path: the options that go with each, and its steps.
var kinds = []struct {
	key     string
	options []string
	items   func(e Entry, target string) []plugin.Item
}{
	{"bind", []string{"rw", "noexec", "optional"}, bind},
	{"tmpfs", []string{"inodes", "mode", "noexec"}, tmpfs},
	{"work", []string{"inodes"}, work},
	{"file", []string{"mode"}, file},
	{"link", nil, link},
	{"dev", []string{"shm"}, dev},
}

// items are the steps of what is at target.
func (e Entry) items(target string) []plugin.Item {
	for _, k := range kinds {
		if k.key == e.kind {
			return k.items(e, target)
		}
	}
	return nil
}

func bind(e Entry, target string) []plugin.Item {
	s := step.Bind{Source: e.Bind, Target: target, RW: e.RW, NoExec: e.NoExec, Optional: e.Optional}
	return one(s, target, "bind")
}

func tmpfs(e Entry, target string) []plugin.Item {
	s := step.Tmpfs{Target: target, Size: int64(e.Tmpfs), Inodes: or(e.Inodes, inodes(e.Tmpfs)), Mode: uint32(or(e.Mode, 0o1777)), NoExec: e.NoExec}
	return one(s, target, "tmpfs")
}

func work(e Entry, target string) []plugin.Item {
	return one(step.Work{Target: target, Size: int64(e.Work), Inodes: or(e.Inodes, inodes(e.Work))}, target, "work")
}

func file(e Entry, target string) []plugin.Item {
	return one(step.File{Target: target, Content: e.File, Mode: uint32(or(e.Mode, 0o644))}, target, "file")
}

func link(e Entry, target string) []plugin.Item {
	return one(step.Link{Target: target, To: e.Link}, target, "link")
}

func one(s step.Step, target, key string) []plugin.Item {
	return []plugin.Item{plugin.At(s, "at", target, key)}
}

// inodes is how many files a file system in memory gets for its size: enough for small files, while their inodes
// (about 1 KiB each of kernel memory, which the size does not count) stay far below it.
func inodes(size section.Size) int64 { return max(64, int64(size)>>14) }

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// UnmarshalJSON takes false or a table with exactly one kind in it.
func (e *Entry) UnmarshalJSON(raw []byte) error {
	if string(raw) == "false" {
		return nil
	}
	type plain Entry // without this method
	if ps := section.Decode(raw, (*plain)(e)); ps != nil {
		return step.Problems(ps)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return err
	}
	if ps := e.setKind(slices.Sorted(maps.Keys(keys))); ps != nil {
		return step.Problems(ps)
	}
	return nil
}

// setKind finds the one kind among the keys that are there, and refuses options of others.
func (e *Entry) setKind(keys []string) (ps []step.Problem) {
	var found, all, options []string
	for _, k := range kinds {
		all = append(all, k.key)
		if slices.Contains(keys, k.key) {
			found, options = append(found, k.key), k.options
		}
	}
	switch {
	case len(found) == 0:
		return []step.Problem{{Text: "does not say what is there", Hint: "one of " + strings.Join(all, ", ") + "; or false for nothing"}}
	case len(found) > 1:
		return []step.Problem{{Text: "is both " + strings.Join(found, " and "), Hint: "one path holds one thing"}}
	case found[0] == "dev" && !e.Dev:
		return []step.Problem{{Key: found, Text: "is false", Hint: "leave it out, or say false in place of the whole table"}}
	}
	e.kind = found[0]
	for _, key := range keys {
		if key != e.kind && !slices.Contains(options, key) {
			ps = append(ps, step.Problem{Key: []string{key}, Text: "does not go with " + e.kind, Hint: goesWith(options)})
		}
	}
	return ps
}

func goesWith(options []string) string {
	if options == nil {
		return "nothing does"
	}
	return strings.Join(options, ", ") + " would"
}

// JSONSchema is what UnmarshalJSON takes.
func (Entry) JSONSchema() json.RawMessage {
	type plain Entry
	return json.RawMessage(`{"anyOf":[{"const":false},` + string(section.Schema(plain{})) + `]}`)
}
