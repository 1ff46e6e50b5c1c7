package seccomp

import (
	"maps"
	"slices"
	"strings"
	"sync"

	lib "github.com/seccomp/libseccomp-golang"
)

// number is libseccomp's for the call: the one of this build's architecture, or a negative one if only others have the call.
func number(call string) (lib.ScmpSyscall, bool) {
	if strings.ContainsRune(call, 0) { // it would end the name for C
		return 0, false
	}
	nr, err := lib.GetSyscallFromName(call)
	return nr, err == nil
}

// known tells whether libseccomp knows the call on some architecture.
func known(call string) bool { _, ok := number(call); return ok }

// on tells whether the architecture has the call.
func on(arch lib.ScmpArch, call string) bool {
	nr, err := lib.GetSyscallFromNameByArch(call, arch)
	return known(call) && err == nil && nr >= 0
}

// callNames are the calls of the architectures that we compile for, as libseccomp knows them.
var callNames = sync.OnceValue(func() []string {
	names := map[string]bool{}
	for nr := range lib.ScmpSyscall(1024) {
		for _, arch := range arches {
			if name, err := nr.GetNameByArch(arch); err == nil {
				names[name] = true
			}
		}
	}
	return keys(names)
})

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// nearest gives the hint "did you mean …?", or "" when nothing is near.
func nearest(name string, names []string) string {
	best, near := "", min(max(2, len(name)/3), len(name)-1)
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < near || d == near && best == "" {
			best, near = n, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
