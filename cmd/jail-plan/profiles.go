package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jail-sandbox/jail/core/profile"
	"github.com/jail-sandbox/jail/core/step"
)

// profilesVerb lists profiles, or shows one with all that it extends, merged.
func profilesVerb(_ context.Context, find *finder, names []string, stdout io.Writer) error {
	if len(names) == 0 {
		for _, src := range find.list() {
			fmt.Fprintf(stdout, "%-12s %-40s %s\n", step.Quote(src.Name), step.Quote(src.Origin), step.Quote(purpose(find, src.Name)))
		}
		return nil
	}
	for _, name := range names {
		prof, problems := profile.Load(name, find.find)
		if problems != nil {
			return step.Problems(problems)
		}
		fmt.Fprint(stdout, resolved(prof))
	}
	return nil
}

// purpose is the first comment line of a profile's file.
func purpose(find *finder, name string) string {
	src, err := find.find(name, nil)
	if err != nil {
		return err.Error()
	}
	line, _, _ := strings.Cut(string(src.Data), "\n")
	if text, ok := strings.CutPrefix(line, "#"); ok {
		return strings.TrimSpace(text)
	}
	return ""
}

// resolved shows what a profile and its bases come to: the files, the planners' sections, and what the core reads.
func resolved(prof *profile.Profile) string {
	var b strings.Builder
	for _, src := range prof.Sources {
		fmt.Fprintf(&b, "# from %s (%s)\n", step.Quote(src.Name), step.Quote(src.Origin))
	}
	b.WriteString(prof.TOML())
	return b.String()
}
