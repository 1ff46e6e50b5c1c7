package compile

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/launch"
)

// Kinds of arguments, beside integers and strings (which become NUL-terminated bytes in Program.Data).
type (
	reg uint8  // what an earlier operation saved
	ptr uint32 // an offset in Program.Data
)

// builder appends operations to one of the two tables and lays out the bytes that they point to.
type builder struct {
	prog    *launch.Program
	ops     *[]launch.Op   // the table that grows: Setup, then Task
	entry   uint16         // the plan's entry that the operations belong to
	strings map[string]ptr // each once
	names   []string       // of registers, for Ops
}

func newBuilder(p *launch.Program) *builder {
	return &builder{prog: p, ops: &p.Setup, strings: map[string]ptr{},
		names: []string{"stdin", "stdout", "stderr", "report", "go"}}
}

// op appends a system call.
func (b *builder) op(nr int, args ...any) *launch.Op {
	o := launch.Op{Nr: uint32(nr), Entry: b.entry}
	for i, a := range args {
		switch a := a.(type) {
		case int:
			o.Args[i] = uint64(int64(a))
		case uint64:
			o.Args[i] = a
		case reg:
			o.Args[i], o.Reg = uint64(a), o.Reg|1<<i
		case ptr:
			o.Args[i], o.Ptr = uint64(a), o.Ptr|1<<i
		case string:
			o.Args[i], o.Ptr = uint64(b.cstring(a)), o.Ptr|1<<i
		default:
			panic(fmt.Sprintf("compile: argument %d of call %d is a %T", i, nr, a))
		}
	}
	*b.ops = append(*b.ops, o)
	return &(*b.ops)[len(*b.ops)-1]
}

// save keeps the operation's result in the register of that name; a name that was used before is used again.
func (b *builder) save(o *launch.Op, name string) reg {
	r := slices.Index(b.names, name)
	if r < 0 {
		b.names = append(b.names, name)
		r = len(b.names) - 1
	}
	if r >= launch.NumRegs {
		panic("compile: out of registers") // checkRegisters keeps plans below it
	}
	o.Save = uint16(r) + 1
	return reg(r)
}

// check demands a result; wrong is the errno that stands for another one.
func check(o *launch.Op, want uint64, wrong unix.Errno) {
	o.Check, o.Want, o.Wrong = true, want, uint16(wrong)
}

// fine names errnos that are no failure.
func fine(o *launch.Op, errnos ...unix.Errno) *launch.Op {
	for i, e := range errnos {
		o.Fine[i] = uint16(e)
	}
	return o
}

// repeat runs the operation n times, with one argument counting up.
func repeat(o *launch.Op, n int, vary uint8) *launch.Op {
	o.Repeat, o.Vary = uint16(n-1), vary
	return o
}

// same demands that n bytes at two places are equal, differ that they are not.
func (b *builder) same(x, y ptr, n int, wrong unix.Errno) {
	b.op(launch.OpSame, x, y, n, int(wrong)).Ptr = 0
}

func (b *builder) differ(x, y ptr, n int, wrong unix.Errno) {
	b.op(launch.OpDiffer, x, y, n, int(wrong)).Ptr = 0
}

// cstring is a string's place in the data, with its NUL.
func (b *builder) cstring(s string) ptr {
	if at, ok := b.strings[s]; ok {
		return at
	}
	at := ptr(len(b.prog.Data))
	b.prog.Data = append(append(b.prog.Data, s...), 0)
	b.strings[s] = at
	return at
}

// bytes is the place of a copy of data, aligned for any struct.
func (b *builder) bytes(data []byte) ptr {
	for len(b.prog.Data)%8 != 0 {
		b.prog.Data = append(b.prog.Data, 0)
	}
	at := ptr(len(b.prog.Data))
	b.prog.Data = append(b.prog.Data, data...)
	return at
}

// words is the place of 64-bit words: most structs of the kernel's newer calls are no more.
func (b *builder) words(values ...uint64) ptr {
	var data []byte
	for _, v := range values {
		data = binary.NativeEndian.AppendUint64(data, v)
	}
	return b.bytes(data)
}

// pointers is the place of an array of pointers, with a null at its end: argv, envp.
func (b *builder) pointers(strings []string) ptr {
	var values []uint64
	for _, s := range strings {
		values = append(values, uint64(b.cstring(s)))
	}
	at := b.words(append(values, 0)...)
	for i := range strings {
		b.prog.Relocs = append(b.prog.Relocs, uint32(at)+uint32(8*i))
	}
	return at
}

// write puts text into a file of the host's /proc.
func (b *builder) write(path, text string) {
	fd := b.save(b.op(unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_WRONLY|unix.O_CLOEXEC, 0), "file")
	check(b.op(unix.SYS_WRITE, fd, b.bytes([]byte(text)), len(text)), uint64(len(text)), unix.EIO)
}
