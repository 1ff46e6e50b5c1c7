package deptest

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var allocates = regexp.MustCompile(`: moved to heap|escapes to heap`)

// The code between clone and execve must not allocate: there, nothing of the runtime works. The compiler says what would.
func TestChildAllocatesNothing(t *testing.T) {
	dependOnSource(t)
	out, err := exec.Command("go", "build", "-gcflags=-m", module+"core/launch").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	child, elsewhere := 0, 0
	for line := range strings.Lines(string(out)) {
		inChild := strings.Contains(line, "/child.go:")
		if inChild {
			child++
		}
		switch {
		case !allocates.MatchString(line):
		case inChild:
			t.Error(strings.TrimSpace(line))
		default:
			elsewhere++
		}
	}
	if child == 0 || elsewhere == 0 {
		t.Errorf("%d remarks on child.go, %d allocations elsewhere: the compiler's report is not as it was", child, elsewhere)
	}
}
