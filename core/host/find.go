package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/core/trust"
)

// prefix is how planners' files begin.
const prefix = "jail-plugin-"

// Found is a planner's file.
type Found struct {
	Name   string      // NAME of jail-plugin-NAME
	Path   string      // absolute, without symbolic links
	Digest string      // "sha256:…" of the bytes that are executed
	Stat   fs.FileInfo // of the same file
}

// Find checks and lists the planners of the directories, by name, without starting any.
func Find(dirs []string) ([]Found, []step.Problem) {
	files, problems := scan(dirs)
	if problems != nil {
		return nil, problems
	}
	var found []Found
	for _, name := range files.names() {
		path, err := files.pick(name, dirs)
		if err != nil {
			problems = append(problems, problemsOf(err)...)
			continue
		}
		exe, err := open(name, path, trust.Callers())
		if err != nil {
			problems = append(problems, problemsOf(err)...)
			continue
		}
		exe.file.Close()
		found = append(found, exe.Found)
	}
	return found, problems
}

// files are the paths of planners by name: more than one path is an error as soon as that planner is wanted.
type files map[string][]string

func (f files) names() []string { return slices.Sorted(maps.Keys(f)) }

// pick is the one path of a planner.
func (f files) pick(name string, dirs []string) (string, error) {
	switch paths := f[name]; len(paths) {
	case 0:
		return "", missing(name, f.names(), dirs)
	case 1:
		return paths[0], nil
	default:
		return "", step.Problem{Text: "planner " + name + " is there twice: " + strings.Join(paths, " and "), Hint: "remove one"}
	}
}

// scan lists the planners of directories that nobody else can write. Two paths to one directory are one.
func scan(dirs []string) (files, []step.Problem) {
	found, seen := files{}, map[string]bool{}
	var problems []step.Problem
	for _, dir := range dirs {
		real, names, err := list(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			problems = append(problems, distrust("planners in "+step.Quote(dir), err))
		case !seen[real]:
			seen[real] = true
			for _, name := range names {
				found[name] = append(found[name], filepath.Join(real, prefix+name))
			}
		}
	}
	return found, problems
}

// list gives a trusted directory's own path and the names of planners in it. Backups and other left-overs have names
// that no planner has.
func list(dir string) (real string, names []string, err error) {
	if _, err := os.Stat(dir); err != nil && filepath.IsAbs(dir) { // what is not there need not be trusted
		return "", nil, err
	}
	if real, err = trust.Callers().Directory(dir); err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(real)
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), prefix); ok && plugin.CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return real, names, err
}

// An executable is a planner's file, open: what was checked and hashed is what is executed (G-02).
type executable struct {
	Found
	file *os.File
}

// open checks and hashes a planner's file. Preconditions: its directory is trusted.
func open(name, path string, trusted trust.Owners) (*executable, error) {
	x := &executable{Found: Found{Name: name, Path: path}}
	var err error
	// O_NONBLOCK: opening a fifo would wait. O_NOFOLLOW: a link could leave the directory.
	x.file, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, blame(x.Found, "it is a symbolic link", "copy the file there")
	}
	if err != nil {
		return nil, blame(x.Found, err.Error(), "")
	}
	if err := x.verify(trusted); err != nil {
		x.file.Close()
		return nil, distrust(x.title(), err)
	}
	return x, nil
}

// verify checks the open file and takes its digest.
func (x *executable) verify(trusted trust.Owners) (err error) {
	if x.Stat, err = x.file.Stat(); err != nil {
		return err
	}
	if err := trusted.File(x.Path, x.Stat); err != nil {
		return err
	}
	hash, head := sha256.New(), make([]byte, 2)
	if _, err := x.file.ReadAt(head, 0); err == nil && string(head) == "#!" {
		// The kernel would give the interpreter a path that close-on-exec has closed; and the digest would not cover it.
		return step.Problem{Text: "it is a script", Hint: "a planner is one binary, whose digest covers all that runs"}
	}
	if _, err := io.Copy(hash, x.file); err != nil {
		return err
	}
	x.Digest = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	return nil
}

// title is how messages name a planner.
func (f Found) title() string { return "planner " + f.Name + " (" + step.Quote(f.Path) + ")" }

// blame is a problem with a planner.
func blame(f Found, text, hint string) step.Problem {
	return step.Problem{Text: f.title() + ": " + step.Quote(text), Hint: step.Quote(hint)}
}

// distrust puts in front of an error whose it is, and keeps its hint.
func distrust(what string, err error) step.Problem {
	var p step.Problem
	if !errors.As(err, &p) {
		p.Text = err.Error()
	}
	p.Text = what + ": " + p.Text
	return p
}
