package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/step"
)

// magic names this version of the format. Whatever the layout of a step or a plan becomes, an entry was written by the
// build that reads it: the binaries are among its inputs.
const magic = "jail.cache/1\n"

// file is an entry's content: reflect walks it field by field, so that a new field of a step needs nothing here.
type file struct {
	At          int64
	Inputs      []Input
	Profile     string
	Namespaces  []string
	Warnings    []string
	Fingerprint string
	Entries     []entry
}

type entry struct {
	Owner, At, Kind string
	step            step.Step // after the others, by Kind
}

// Encode gives an entry's bytes: the magic, the digest of the rest, the rest.
func Encode(m Made) []byte {
	f := file{At: m.At, Inputs: m.Inputs, Profile: m.Plan.Profile, Namespaces: m.Plan.Namespaces, Warnings: m.Plan.Warnings,
		Fingerprint: m.Plan.Fingerprint()}
	for _, e := range m.Plan.Entries {
		f.Entries = append(f.Entries, entry{e.Owner, e.At, e.Step.Kind(), e.Step})
	}
	return seal(put(nil, reflect.ValueOf(f)))
}

// seal puts the magic and the digest in front of an entry's body.
func seal(body []byte) []byte {
	sum := sha256.Sum256(body)
	return slices.Concat([]byte(magic), sum[:], body)
}

var errDamaged = errors.New("no entry of this version, or a damaged one")

// Decode reads an entry and checks its plan as every plan is checked. Its inputs are not looked at.
func Decode(data []byte) (m Made, err error) {
	rest, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok || len(rest) < sha256.Size {
		return m, errDamaged
	}
	body := rest[sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], rest[:sha256.Size]) {
		return m, errDamaged
	}
	var f file
	r := reader{data: body}
	r.get(reflect.ValueOf(&f).Elem())
	if r.bad || len(r.data) != 0 {
		return m, errDamaged
	}
	p := &plan.Plan{Profile: f.Profile, Namespaces: f.Namespaces, Warnings: f.Warnings}
	for _, e := range f.Entries {
		p.Entries = append(p.Entries, plan.Entry{Owner: e.Owner, At: e.At, Step: e.step})
	}
	if problems := p.Check(); problems != nil {
		return m, step.Problems(problems)
	}
	p.SetFingerprint(f.Fingerprint)
	return Made{p, f.Inputs, f.At}, nil
}

// put appends a value: numbers as varints, strings and lists with their length first, maps by key.
func put(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...)
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint())
	case reflect.Slice:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(b, v.Bytes()...)
		}
		for i := range v.Len() {
			b = put(b, v.Index(i))
		}
		return b
	case reflect.Map:
		m := v.Interface().(map[string][]byte)
		b = binary.AppendUvarint(b, uint64(len(m)))
		for _, key := range slices.Sorted(maps.Keys(m)) {
			b = put(put(b, reflect.ValueOf(key)), reflect.ValueOf(m[key]))
		}
		return b
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0)
		}
		return put(append(b, 1), v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[entry]() {
			e := v.Interface().(entry)
			return put(put(put(put(b, v.Field(0)), v.Field(1)), v.Field(2)), reflect.ValueOf(e.step))
		}
		for i := range v.NumField() {
			b = put(b, v.Field(i))
		}
		return b
	}
	panic(fmt.Sprintf("cache: no form for a %s", v.Type()))
}

// reader takes values apart; after the first mistake it is bad and gives zeros.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[size:]
	return n
}

// length is a number of things of which each takes a byte at least.
func (r *reader) length() int {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.bad, r.data = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) take(n int) []byte {
	out := r.data[:n]
	r.data = r.data[n:]
	return out
}

// get is put's reverse. Preconditions: v can be set.
func (r *reader) get(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(string(r.take(r.length())))
	case reflect.Bool:
		v.SetBool(r.uvarint() == 1)
	case reflect.Int, reflect.Int64:
		n := r.uvarint()
		v.SetInt(int64(n>>1) ^ -int64(n&1))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.uvarint())
	case reflect.Slice:
		r.slice(v)
	case reflect.Map:
		m := map[string][]byte{}
		for range r.length() {
			key := string(r.take(r.length()))
			m[key] = slices.Clone(r.take(r.length()))
		}
		v.Set(reflect.ValueOf(m))
	case reflect.Pointer:
		if r.uvarint() == 1 {
			v.Set(reflect.New(v.Type().Elem()))
			r.get(v.Elem())
		}
	case reflect.Struct:
		r.fields(v)
	default:
		panic(fmt.Sprintf("cache: no form for a %s", v.Type()))
	}
}

func (r *reader) slice(v reflect.Value) {
	n := r.length()
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(slices.Clone(r.take(n)))
		return
	}
	if n == 0 {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		r.get(v.Index(i))
	}
}

func (r *reader) fields(v reflect.Value) {
	if v.Type() != reflect.TypeFor[entry]() {
		for i := range v.NumField() {
			r.get(v.Field(i))
		}
		return
	}
	e := v.Addr().Interface().(*entry)
	for i := range 3 {
		r.get(v.Field(i))
	}
	row, ok := step.Lookup(e.Kind)
	if !ok {
		r.bad, r.data = true, nil
		e.step = step.Session{} // so that nothing is nil
		return
	}
	s := reflect.New(reflect.TypeOf(row.Zero))
	r.get(s.Elem())
	e.step = s.Elem().Interface().(step.Step)
}
