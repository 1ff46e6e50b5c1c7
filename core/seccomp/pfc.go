package seccomp

import (
	"regexp"
	"slices"
	"strings"

	lib "github.com/seccomp/libseccomp-golang"
)

// PFC gives the filter for a GOARCH in libseccomp's pseudo filter code, for people: by call, without the search tree and
// the priorities, so that two of them compare well.
//
//	brk (12) ALLOW
//	prlimit64 (302)
//	  if ($a0.lo32 & 0xffffffff == 0)
//	    action ALLOW;
func (r *Resolved) PFC(goarch string) (string, error) {
	text, err := r.export(goarch, flat, (*lib.ScmpFilter).ExportPFC)
	if err != nil {
		return "", err
	}
	return byCall(string(text)), nil
}

var (
	pfcCall    = regexp.MustCompile(`(?m)^ *# filter for syscall "(.*)" (\(\d+\)) .*\n.*\n`)
	pfcDefault = regexp.MustCompile(`(?m)^ *# (default action|invalid architecture action)\n`)
	pfcAlone   = regexp.MustCompile(`^(.*)\n *action (.*);\n$`)
)

// byCall sorts the parts of pseudo filter code.
func byCall(text string) string {
	text = pfcCall.ReplaceAllString(text, "\x00$1 $2\n")
	text = pfcDefault.ReplaceAllString(text, "\x00~$1\n") // behind the calls
	var parts []string
	for _, part := range strings.Split(text, "\x00")[1:] {
		part, _, _ = strings.Cut(part, "#")
		part = strings.ReplaceAll(part, "\n  ", "\n") // they stand in the architecture's block
		parts = append(parts, pfcAlone.ReplaceAllString(part, "$1 $2\n"))
	}
	slices.Sort(parts)
	return strings.ReplaceAll(strings.Join(parts, ""), "~", "")
}
