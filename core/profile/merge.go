package profile

import (
	"maps"
	"slices"
)

// mergeDepth is how far tables merge: sections, their keys, and the entries of those keys. What an entry holds is one
// value: a nearer "/tmp" = { work = "1MiB" } keeps nothing of a base's "/tmp" = { tmpfs = "1MiB", noexec = true }.
const mergeDepth = 3

// appending are the lists that a nearer file adds to. It replaces all others.
var appending = []string{"allow", "deny", "pass"}

// merge puts the keys of a nearer file over a base's. It changes neither.
func merge(base, near map[string]any) map[string]any { return mergeTables(base, near, mergeDepth) }

func mergeTables(base, near map[string]any, depth int) map[string]any {
	out := maps.Clone(base)
	for key, value := range near {
		out[key] = mergeValues(key, out[key], value, depth-1)
	}
	return out
}

// mergeValues merges two tables down to depth, appends where key says so, and else takes the nearer.
func mergeValues(key string, base, near any, depth int) any {
	switch n := near.(type) {
	case map[string]any:
		if b, ok := base.(map[string]any); ok && depth > 0 {
			return mergeTables(b, n, depth)
		}
	case []any:
		if b, ok := base.([]any); ok && slices.Contains(appending, key) {
			return appendNew(b, n)
		}
	}
	return near
}

// appendNew is both lists without the items that came before.
func appendNew(base, near []any) (out []any) {
	seen := map[string]bool{}
	for _, item := range slices.Concat(base, near) {
		if id := string(encode(item)); !seen[id] {
			seen[id] = true
			out = append(out, item)
		}
	}
	return out
}
