// Package profile loads a profile: TOML files, each of which may extend others, merged into one.
//
//	p, problems := profile.Load("cpp-run", find)
//
// It never touches the system: find, given by the caller, says what a name stands for and returns its bytes. What the
// core itself reads (env, run, limits, seccomp) comes out decoded, as Settings; each planner's section comes out as
// JSON. A planner names its problems by key; Locate turns a key into the file and the line that wrote it.
package profile

import (
	"encoding/json"
	"slices"

	"github.com/jail-sandbox/jail/core/step"
)

// Format is what a profile's key format must say.
const Format = "jail.profile/1"

// A Source is one file of a profile, read once.
type Source struct {
	Name   string   // as messages show it: a path, or base.toml
	Data   []byte   // TOML
	Origin string   // where it was found: a path, or Embedded
	Absent []string // places that come before Origin and had no such file
}

// Embedded is the Origin of files that are part of the program. They are told apart by Name, others by Origin.
const Embedded = "embedded"

// A Finder returns what a name stands for. A name with a slash is a path, relative to the file that extends it; from is
// that file, or nil for the profile itself. Where nothing is found the error is fs.ErrNotExist, or a step.Problem that
// has a hint as well. Load places it at the key extends.
type Finder func(name string, from *Source) (Source, error)

// A Profile is a file with all that it extends. It is for one goroutine at a time.
type Profile struct {
	Name     string                     // as it was asked for
	Sources  []Source                   // in the order of merging: base first, the profile itself last
	Sections map[string]json.RawMessage // what planners read, merged
	Settings Settings                   // what the core reads, merged

	files []*file // one for each of Sources
}

// What Load reads at most. Profiles are written by people; one that comes near these is made to keep us busy.
const (
	MaxFile  = 256 << 10 // bytes of a file
	MaxKeys  = 4096      // keys of all files
	MaxFiles = 64        // files looked for
	MaxDepth = 32        // files that extend each other; tables and lists in each other; parts of a dotted key
)

// coreKeys are no planner's: the file's own, and the sections that become Settings.
var coreKeys = []string{"format", "extends", "env", "run", "limits", "seccomp"}

// Load reads the profile of a name and all that it extends, and returns all problems there are. With problems the
// profile is good for one thing, to ask planners for theirs too; it is nil where its own file could not be read.
func Load(name string, find Finder) (*Profile, []step.Problem) {
	l := loader{find: find, seen: map[string]bool{}}
	if !l.load(name, nil) {
		return nil, capped(l.problems)
	}
	p := &Profile{Name: name, files: l.files}
	ps := l.problems
	for _, f := range p.files {
		p.Sources = append(p.Sources, f.Source)
		ps = append(ps, f.check()...)
	}
	settings, more := settingsOf(p.files)
	p.Settings, p.Sections = settings, sectionsOf(p.files)
	ps = capped(append(ps, more...))
	Sort(ps)
	return p, ps
}

// sectionsOf merges what planners read. Of a section that is no table, check has told.
func sectionsOf(files []*file) map[string]json.RawMessage {
	merged := map[string]any{}
	for _, f := range files {
		merged = merge(merged, f.table)
	}
	out := map[string]json.RawMessage{}
	for name, value := range merged {
		if _, ok := value.(map[string]any); ok && !slices.Contains(coreKeys, name) {
			out[name] = encode(value)
		}
	}
	return out
}

// Position says which file and line wrote a key, given with its section. A key that nobody wrote is where the nearest
// table around it is; the line is 0 where that is not known either. Of a list that was appended to, it is the nearest
// file's part.
func (p *Profile) Position(key []string) (file string, line int) {
	// What stands below an entry was replaced as a whole: whose the entry is, theirs is all of it.
	for n := min(len(key), mergeDepth); n > 0; n-- {
		for _, f := range slices.Backward(p.files) {
			if f.has(key[:n]) {
				return f.Name, f.line(key)
			}
		}
	}
	return p.files[len(p.files)-1].Name, 0
}

// Locate places a planner's problems: it adds the file, the line and the section's name.
func (p *Profile) Locate(section string, ps []step.Problem) []step.Problem {
	out := capped(slices.Clone(ps))
	for i := range out {
		out[i].Key = append([]string{section}, out[i].Key...)
		out[i].File, out[i].Line = p.Position(out[i].Key)
	}
	return out
}

// encode writes as JSON what came from TOML and passed settable.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("profile: bug: " + err.Error())
	}
	return raw
}
