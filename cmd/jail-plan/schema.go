package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/jail-sandbox/jail/core/step"
)

// keys lists the keys of a section's JSON Schema, a line each.
func keys(schema json.RawMessage) []string {
	var s struct {
		Properties map[string]struct {
			Type        any    `json:"type"`
			Description string `json:"description"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		return []string{"its schema cannot be read: " + step.Quote(err.Error())}
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		lines = append(lines, fmt.Sprintf("%-20s %s", step.Quote(name), step.Quote(s.Properties[name].Description)))
	}
	return lines
}
