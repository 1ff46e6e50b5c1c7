package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/jail-sandbox/jail/core/host"
	"github.com/jail-sandbox/jail/core/plan/cache"
	"github.com/jail-sandbox/jail/core/profile"
	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/profiles"
)

// finder knows where profiles and planners are. It never looks in the working directory or in PATH.
type finder struct {
	profile     string
	profileDirs []string
	pluginDirs  []string
	arches      []string
	plans       bool // check: the names are those of plan files

	inputs []cache.Input // what was read, and what was looked for in vain
}

// dirs are the directories of profiles, the nearest first; the embedded ones come after them.
func (f *finder) dirs() []string {
	dirs := append([]string{}, f.profileDirs...)
	if config, err := os.UserConfigDir(); err == nil { // without a home there is none
		dirs = append(dirs, filepath.Join(config, "jail/profiles"))
	}
	return append(dirs, "/etc/jail/profiles")
}

// hostConfig: planners are beside jail-plan, in the system's directories, in the user's, and where an option says.
func (f *finder) hostConfig() host.Config {
	dirs := []string{"/usr/lib/jail", "/usr/local/lib/jail"}
	if self, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(self))
	}
	if config, err := os.UserConfigDir(); err == nil {
		dirs = append(dirs, filepath.Join(config, "jail/plugins"))
	}
	for _, d := range f.pluginDirs {
		if abs, err := filepath.Abs(d); err == nil {
			dirs = append(dirs, abs)
		}
	}
	return host.Config{Dirs: dirs}
}

// self notes jail-plan itself among the inputs: its libraries, its groups of calls and its profiles are part of it.
func (f *finder) self() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f.inputs = append(f.inputs, cache.File(path, info))
	return nil
}

// find is a profile.Finder.
func (f *finder) find(name string, from *profile.Source) (profile.Source, error) {
	if strings.Contains(name, "/") {
		if from != nil && from.Origin != profile.Embedded && !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(from.Origin), name)
		}
		return f.read(name)
	}
	var absent []string
	for _, dir := range f.dirs() {
		src, err := f.read(filepath.Join(dir, name+".toml"))
		if err == nil {
			src.Absent = absent
			return src, nil
		}
		switch {
		case errors.Is(err, fs.ErrPermission):
			return src, step.Problem{Text: err.Error(), Hint: "profiles are looked for there first; is HOME another user's?"}
		case !errors.Is(err, fs.ErrNotExist):
			return src, err
		}
		absent = append(absent, filepath.Join(dir, name+".toml"))
		f.inputs = append(f.inputs, cache.Missing(filepath.Join(dir, name+".toml")))
	}
	data, err := profiles.FS.ReadFile(name + ".toml")
	if err != nil {
		return profile.Source{}, f.unknown(name)
	}
	return profile.Source{Name: name + ".toml", Data: data, Origin: profile.Embedded, Absent: absent}, nil
}

// unknown is the problem of a name that nothing has.
func (f *finder) unknown(name string) error {
	p := step.Problem{Text: fmt.Sprintf(`no profile named "%s"`, step.Quote(name)), Hint: "jail profiles lists them"}
	var known []string
	for _, found := range f.list() {
		known = append(known, found.Name)
	}
	if near := section.Nearest(name, known); near != "" {
		p.Hint = fmt.Sprintf("did you mean %q?", near)
		return p
	}
	for _, file := range []string{name, name + ".toml"} {
		if _, err := os.Stat(file); err == nil {
			p.Hint = fmt.Sprintf("the working directory is never searched: write ./%s for the file", step.Quote(file))
			return p
		}
	}
	return p
}

// read reads a profile from one descriptor: what is checked is what is used. A FIFO or a device does not hang it.
func (f *finder) read(path string) (profile.Source, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return profile.Source{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return profile.Source{}, err
	}
	if !info.Mode().IsRegular() {
		return profile.Source{}, fmt.Errorf("%s is not a regular file", path)
	}
	if abs, err := filepath.Abs(path); err == nil {
		f.inputs = append(f.inputs, cache.File(abs, info))
	}
	data, err := io.ReadAll(io.LimitReader(file, profile.MaxFile+1))
	return profile.Source{Name: path, Data: data, Origin: path}, err
}

// list is every profile that has a name, with the file that the name stands for.
func (f *finder) list() []profile.Source {
	var out []profile.Source
	seen := map[string]bool{}
	add := func(name, origin string) {
		if !seen[name] {
			seen[name] = true
			out = append(out, profile.Source{Name: name, Origin: origin})
		}
	}
	for _, dir := range f.dirs() {
		files, err := filepath.Glob(filepath.Join(dir, "*.toml"))
		if err != nil {
			continue // a directory whose name is a bad pattern has no profiles
		}
		for _, file := range files {
			add(strings.TrimSuffix(filepath.Base(file), ".toml"), file)
		}
	}
	for _, name := range profiles.Names() {
		add(name, profile.Embedded)
	}
	return out
}
