package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// A loader walks extends depth first. A file is merged once, where it is first needed, so that of two bases that share
// one neither is overridden by it.
type loader struct {
	find     Finder
	files    []*file         // in the order of merging
	chain    []*file         // from the profile down to the file at hand
	seen     map[string]bool // identities of files and chain, and of those that cannot be parsed
	looked   int             // how often find was called
	keys     int             // of all files
	problems []step.Problem
}

// load adds a file after all that it extends, and says whether it could be read.
func (l *loader) load(name string, from *file) bool {
	src, problem := l.look(name, from)
	switch {
	case problem != nil:
		l.tell(from, *problem)
		return false
	case l.inChain(src):
		l.tell(from, step.Problem{Text: "a circle: " + l.circle(src)})
		return false
	case l.seen[identity(src)]:
		return true
	}
	l.seen[identity(src)] = true
	f, problem := parse(src)
	if problem == nil {
		problem = l.tooMuch(f)
	}
	if problem != nil {
		l.problems = append(l.problems, *problem)
		return false
	}
	l.chain = append(l.chain, f)
	for _, base := range l.extends(f) {
		l.load(base, f)
	}
	l.chain = l.chain[:len(l.chain)-1]
	l.files = append(l.files, f)
	return true
}

// look finds a source.
func (l *loader) look(name string, from *file) (Source, *step.Problem) {
	l.looked++
	switch {
	case l.looked == MaxFiles+1:
		return Source{}, &step.Problem{Text: fmt.Sprintf("more than %d files", MaxFiles)}
	case l.looked > MaxFiles:
		return Source{}, &step.Problem{} // told once
	case len(l.chain) == MaxDepth:
		return Source{}, &step.Problem{Text: fmt.Sprintf("more than %d files deep", MaxDepth)}
	case name == "" || strings.IndexByte(name, 0) >= 0:
		return Source{}, &step.Problem{Text: fmt.Sprintf(`"%s" cannot be a profile's name`, step.Quote(name))}
	}
	var parent *Source
	if from != nil {
		parent = &from.Source
	}
	src, err := l.find(name, parent)
	if err != nil {
		return Source{}, findProblem(name, err)
	}
	return src, nil
}

func findProblem(name string, err error) *step.Problem {
	var p step.Problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, fs.ErrNotExist) && strings.Contains(name, "/"):
		p.Text = fmt.Sprintf(`no file "%s"`, step.Quote(name))
	case errors.Is(err, fs.ErrNotExist):
		p.Text = fmt.Sprintf(`no profile named "%s"`, step.Quote(name))
	default:
		p.Text = err.Error()
	}
	return &p
}

// tell adds a problem with a name that from extends, or that Load was asked for.
func (l *loader) tell(from *file, p step.Problem) {
	if p.Text == "" {
		return
	}
	if from != nil {
		p = from.place(p, "extends")
	}
	l.problems = append(l.problems, p)
}

func (l *loader) tooMuch(f *file) *step.Problem {
	if l.keys += len(f.meta.Keys()); l.keys > MaxKeys {
		return &step.Problem{File: f.Name, Text: fmt.Sprintf("the most keys of a profile, with all that it extends, is %d", MaxKeys)}
	}
	return nil
}

// extends are the names that a file extends.
func (l *loader) extends(f *file) (names []string) {
	value, ok := f.table["extends"]
	if !ok {
		return nil
	}
	ps := section.Decode(encode(value), &names)
	for _, p := range ps {
		l.tell(f, p)
	}
	if len(ps) > 0 { // an item that is no string has been told of, and left an empty name
		names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
	}
	return names
}

func identity(s Source) string {
	if s.Origin == Embedded || s.Origin == "" {
		return Embedded + ":" + s.Name
	}
	return s.Origin
}

func (l *loader) inChain(s Source) bool { return l.indexInChain(s) >= 0 }

func (l *loader) indexInChain(s Source) int {
	return slices.IndexFunc(l.chain, func(f *file) bool { return identity(f.Source) == identity(s) })
}

// circle writes a.toml -> b.toml -> a.toml.
func (l *loader) circle(s Source) string {
	var b strings.Builder
	for _, f := range l.chain[l.indexInChain(s):] {
		b.WriteString(f.Name + " -> ")
	}
	return b.String() + s.Name
}
