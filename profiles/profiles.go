// Package profiles holds the profiles that are part of jail.
//
//	data, err := profiles.FS.ReadFile("cpp-run.toml")
//
// The first two comment lines of each say what it is for and what it refuses.
package profiles

import (
	"embed"
	"strings"
)

// FS has one NAME.toml for each of Names.
//
//go:embed *.toml
var FS embed.FS

// Names are the embedded profiles, sorted.
func Names() []string {
	entries, err := FS.ReadDir(".")
	if err != nil {
		panic("profiles: bug: " + err.Error())
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".toml")
	}
	return names
}
