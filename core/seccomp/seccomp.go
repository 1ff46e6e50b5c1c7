// Package seccomp turns what a profile says about system calls into a filter: names and groups are resolved to one action per
// call, and the resolved list is compiled to BPF through libseccomp.
//
//	resolved, issues := seccomp.Resolve(seccomp.Policy{Allow: []seccomp.Item{{Name: "@judge"}}})
//	bpf, err := resolved.Compile("amd64")
//
// A call is decided by its `when` rule, else by its own name in allow or deny, else by a group, else by its own errno, else by
// @refused; among names and among groups the nearer profile wins, then deny. What nothing decides gets the default. What a
// call gets that is not allowed, or not with these arguments, is its own errno, else what refused calls get.
//
// Nothing here looks at the host, and nothing loads a filter: the launcher does.
package seccomp

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// Actions of a rule that are no errno.
const (
	Allow = "allow"
	Kill  = "kill" // the whole process: SECCOMP_RET_KILL_PROCESS
	Log   = "log"  // the call is made, and the kernel logs it: SECCOMP_RET_LOG
)

// always are the calls that the launcher itself needs behind the filter.
var always = []string{"execve", "exit_group"}

var (
	//go:embed constants.list
	constantsList string
	//go:embed errno.list
	errnoList string
	//go:embed args.list
	argsList string

	constants = sync.OnceValue(func() map[string]uint64 { return numbers(constantsList) })
	errnos    = sync.OnceValue(func() map[string]uint64 { return numbers(errnoList) })
	widths    = sync.OnceValue(func() map[string][]string { return table(argsList) })
)

// lines gives the lines of a data file without comments and empty ones.
func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}

// table reads lines of a name and words.
func table(text string) map[string][]string {
	t := map[string][]string{}
	for _, line := range lines(text) {
		words := strings.Fields(line)
		t[words[0]] = words[1:]
	}
	return t
}

// Constants are the names that argument rules may use for numbers, sorted.
func Constants() []string { return keys(constants()) }

// numbers reads lines of a name and a number.
func numbers(text string) map[string]uint64 {
	t := map[string]uint64{}
	for name, words := range table(text) {
		n, err := strconv.ParseUint(words[0], 0, 64)
		if err != nil {
			panic("seccomp: embedded list: " + name + ": " + err.Error())
		}
		t[name] = n
	}
	return t
}
