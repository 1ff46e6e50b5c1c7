package seccomp

import (
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"syscall"
	"unsafe"

	lib "github.com/seccomp/libseccomp-golang"
)

// arches are the architectures that filters are compiled for, by GOARCH. A filter is for one of them.
var arches = map[string]lib.ScmpArch{"amd64": lib.ArchAMD64, "arm64": lib.ArchARM64}

// maxBytes is the kernel's limit: BPF_MAXINSNS instructions of 8 bytes.
const maxBytes = 4096 * 8

// Compile gives the filter for a GOARCH as an array of struct sock_filter in that architecture's byte order. Other
// architectures and the x32 calls kill the process. Calls that the architecture has not are left out.
func (r *Resolved) Compile(goarch string) ([]byte, error) {
	bpf, err := r.export(goarch, searchTree, (*lib.ScmpFilter).ExportBPF)
	if err == nil && len(bpf) > maxBytes {
		err = fmt.Errorf("filter: %d instructions, and the kernel takes %d: fewer argument rules are needed", len(bpf)/8, maxBytes/8)
	}
	if err != nil {
		return nil, err
	}
	return bpf, nil
}

// What libseccomp calls levels of optimisation.
const (
	flat       = 1
	searchTree = 2
)

// export builds the filter for a GOARCH and gives what write makes of it.
func (r *Resolved) export(goarch string, level int, write func(*lib.ScmpFilter, *os.File) error) ([]byte, error) {
	arch, ok := arches[goarch]
	if !ok {
		return nil, fmt.Errorf("no filters for the architecture %q", goarch)
	}
	filter, err := newFilter(r.Default, arch, level)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	defer filter.Release()
	b := builder{filter, arch, r.Default, map[string]state{}}
	for _, rule := range r.Rules {
		if err := b.add(rule); err != nil {
			return nil, fmt.Errorf("filter: %s: %w", rule.Call, err)
		}
	}
	out, err := written(filter, write)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	return out, nil
}

// Has tells whether the architecture has the call, as far as libseccomp knows.
func Has(goarch, call string) bool {
	arch, ok := arches[goarch]
	return ok && on(arch, call)
}

// everyKernel makes libseccomp build what kernels since 4.14 take, whichever runs here: level 3 is KILL_PROCESS.
var everyKernel = sync.OnceValue(func() error { return lib.SetAPI(3) })

// newFilter is an empty filter for the one architecture.
func newFilter(byDefault string, arch lib.ScmpArch, level int) (*lib.ScmpFilter, error) {
	action, err := parseAction(byDefault)
	if err != nil {
		return nil, err
	}
	if action == lib.ActAllow {
		return nil, fmt.Errorf("the default cannot be %s", Allow)
	}
	if err := everyKernel(); err != nil {
		return nil, err
	}
	filter, err := lib.NewFilter(action)
	if err != nil {
		return nil, err
	}
	for _, set := range []func() error{
		func() error { return only(filter, arch) },
		func() error { return filter.SetBadArchAction(lib.ActKillProcess) },
		func() error { return filter.SetOptimize(level) },
		func() error { return filter.SetRawRC(true) },
	} {
		if err := set(); err != nil {
			filter.Release()
			return nil, err
		}
	}
	return filter, nil
}

// only takes out the architecture of this build, with which every filter starts.
func only(filter *lib.ScmpFilter, arch lib.ScmpArch) error {
	native, err := lib.GetNativeArch()
	if err != nil || native == arch {
		return err
	}
	if err := filter.AddArch(arch); err != nil {
		return err
	}
	return filter.RemoveArch(native)
}

func parseAction(name string) (lib.ScmpAction, error) {
	switch errno, ok := errnos()[name]; {
	case name == Allow:
		return lib.ActAllow, nil
	case name == Kill:
		return lib.ActKillProcess, nil
	case name == Log:
		return lib.ActLog, nil
	case ok:
		return lib.ActErrno.SetReturnCode(int16(errno)), nil
	}
	return 0, fmt.Errorf("unknown action %q", name)
}

// builder adds rules to a filter.
type builder struct {
	filter    *lib.ScmpFilter
	arch      lib.ScmpArch
	byDefault string
	calls     map[string]state
}

// state is what a call has got so far.
type state int

const (
	untouched   state = iota
	conditional       // rules with conditions
	decided           // a rule without
)

func (b builder) add(rule Rule) error {
	action, err := parseAction(rule.Action)
	if err != nil {
		return err
	}
	have := b.calls[rule.Call]
	if have == decided {
		return fmt.Errorf("a rule after one that always holds")
	}
	if len(rule.When) > 0 {
		b.calls[rule.Call] = conditional
	} else {
		b.calls[rule.Call] = decided
	}
	if rule.Action == Allow && !known(rule.Call) {
		return fmt.Errorf("libseccomp does not know this call")
	}
	nr, _ := number(rule.Call) // AddRule translates it by name
	switch {
	case len(rule.When) > 0:
		return b.addWhen(nr, action, rule)
	case !on(b.arch, rule.Call) || rule.Action == b.byDefault: // libseccomp refuses a rule that is the default
		return nil
	case have == conditional:
		return b.filter.AddRuleConditionalExact(nr, action, []lib.ScmpCondition{otherwise})
	}
	return b.filter.AddRuleExact(nr, action)
}

// otherwise always holds. libseccomp has no condition "none of the others"; but it tests the arguments from the last to the
// first, and equalities before orderings, so this comes after every cube. A test runs what comes out.
var otherwise = lib.ScmpCondition{Argument: 0, Op: lib.CompareGreaterEqual, Operand1: 0}

func (b builder) addWhen(nr lib.ScmpSyscall, action lib.ScmpAction, rule Rule) error {
	if rule.Action != Allow {
		return fmt.Errorf("only %s takes conditions", Allow)
	}
	exists := on(b.arch, rule.Call)
	for _, expr := range rule.When {
		cubes, err := parseRule(rule.Call, expr)
		if err != nil {
			return err
		}
		for _, c := range cubes {
			if !exists {
				continue
			}
			if err := b.filter.AddRuleConditionalExact(nr, action, c.conditions()); err != nil {
				return fmt.Errorf("%s: %w", expr, err)
			}
		}
	}
	return nil
}

func (c cube) conditions() []lib.ScmpCondition {
	var out []lib.ScmpCondition
	for arg, f := range c {
		if f.mask != 0 {
			out = append(out, lib.ScmpCondition{Argument: uint(arg), Op: lib.CompareMaskedEqual, Operand1: f.mask, Operand2: f.val})
		}
	}
	return out
}

// written gives what goes to a memory file: libseccomp before 2.6 writes to descriptors only, and to a pipe not always all.
func written(filter *lib.ScmpFilter, write func(*lib.ScmpFilter, *os.File) error) ([]byte, error) {
	file, err := memoryFile()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := write(filter, file); err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(file, 0, math.MaxInt64))
}

func memoryFile() (*os.File, error) {
	const cloexec = 1 // MFD_CLOEXEC
	nr, _ := number("memfd_create")
	name := []byte("filter\x00")
	fd, _, errno := syscall.Syscall(uintptr(nr), uintptr(unsafe.Pointer(&name[0])), cloexec, 0)
	if errno != 0 {
		return nil, fmt.Errorf("memfd_create: %w", errno)
	}
	return os.NewFile(fd, "filter"), nil
}
