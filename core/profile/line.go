package profile

import (
	"errors"
	"slices"

	"github.com/BurntSushi/toml"
)

// A node is a value as the TOML library keeps it, and what is in it once somebody asked.
type node struct {
	value toml.Primitive
	table map[string]*node // nil: not asked for yet
}

// has says whether the file wrote the key, or a table by that name.
func (f *file) has(key []string) bool { return f.meta.IsDefined(key...) }

// line is where a key was written, else the nearest table around it, else 0.
func (f *file) line(key []string) int {
	for n := len(key); n > 0; n-- {
		if line := f.at(key[:n]); line > 0 {
			return line
		}
		if line := f.firstIn(key[:n]); line > 0 {
			return line
		}
	}
	return 0
}

// firstIn is the line of the first key in a table that has no line of its own, as mountns where [mountns.at] stands.
func (f *file) firstIn(table []string) int {
	for _, key := range f.meta.Keys() {
		if len(key) > len(table) && slices.Equal(key[:len(table)], table) {
			return f.at(key)
		}
	}
	return 0
}

// at is the line of exactly this key. The TOML library keeps positions to itself, but an Unmarshaler's error comes
// back with one; so the key is decoded into a type that always fails.
func (f *file) at(key []string) int {
	n := f.root
	for _, name := range key {
		if n = f.open(n)[name]; n == nil {
			return 0
		}
	}
	if e := (toml.ParseError{}); errors.As(f.meta.PrimitiveDecode(n.value, failing{}), &e) {
		return e.Position.Line
	}
	return 0
}

// open is what a table holds. Other values hold nothing.
func (f *file) open(n *node) map[string]*node {
	if n.table == nil {
		var table map[string]toml.Primitive
		if f.meta.PrimitiveDecode(n.value, &table) == nil {
			n.table = nodes(table)
		}
	}
	return n.table
}

func nodes(table map[string]toml.Primitive) map[string]*node {
	out := make(map[string]*node, len(table))
	for name, value := range table {
		out[name] = &node{value: value}
	}
	return out
}

type failing struct{}

var errHere = errors.New("here")

func (failing) UnmarshalTOML(any) error { return errHere }
