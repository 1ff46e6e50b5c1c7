package step

import "strings"

// A Problem is one thing wrong with what a person wrote. All problems of an input are collected and shown together,
// and nothing is started.
type Problem struct {
	File string   `json:"file,omitempty"` // as the person named it; empty when the input has no file
	Line int      `json:"line,omitempty"` // from 1; 0 means unknown
	Key  []string `json:"key,omitempty"`  // the key's path; a planner's is relative to its section
	Text string   `json:"text"`           // what is wrong: no capital, no full stop
	Hint string   `json:"hint,omitempty"` // what would help, or empty
}

// String gives file:line: key: text (hint), without the parts that are not known.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(Quote(p.File))
		if p.Line > 0 {
			b.WriteString(":" + itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if len(p.Key) > 0 {
		b.WriteString(KeyString(p.Key) + ": ")
	}
	b.WriteString(Quote(p.Text))
	if p.Hint != "" {
		b.WriteString(" (" + Quote(p.Hint) + ")")
	}
	return b.String()
}

// Error makes a Problem an error.
func (p Problem) Error() string { return p.String() }

// Problems are an error together, one a line.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// KeyString writes a key's path as TOML does: dotted, quoted where it is no bare key.
func KeyString(path []string) string {
	parts := make([]string, len(path))
	for i, k := range path {
		bare := k != "" && strings.Trim(k, bareKey) == ""
		if len(k) > longestKey {
			k = k[:longestKey] + "…"
		}
		if !bare {
			k = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(Quote(k)) + `"`
		}
		parts[i] = k
	}
	return strings.Join(parts, ".")
}

// longestKey bounds what a message shows of a key: a path may have 4 KiB, and more when it is wrong.
const longestKey = 200

const bareKey = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
