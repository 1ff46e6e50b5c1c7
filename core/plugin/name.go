package plugin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jail-sandbox/jail/core/step"
)

// reserved are names that are the core's: owners of steps, and sections that no planner answers for.
var reserved = []string{step.Core, step.Open, "run", "profile", "env", "limits", "seccomp"}

// CheckName says what is wrong with a planner's name, which is also its section's and part of a file's.
func CheckName(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	switch {
	case name == "" || strings.Trim(name, letters+"0123456789_-") != "" || !strings.Contains(letters, name[:1]):
		return fmt.Errorf("%q is no planner's name: a lower-case letter, then such letters, digits, _ and -", name)
	case slices.Contains(reserved, name):
		return fmt.Errorf("%q is the core's own, no planner can have this name", name)
	}
	return nil
}
