package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	check(t, err)
	return string(data)
}

var (
	fenced   = regexp.MustCompile("(?ms)^```.*?^```$")
	testName = regexp.MustCompile(`([\w./-]*)\b((?:Test|Fuzz)[A-Z]\w*)`)
)

// A test that a document names as a proof is there: `DIR.TestName`.
func TestNamedTestsExist(t *testing.T) {
	for _, document := range documents(t) {
		for _, m := range testName.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, document), ""), -1) {
			dir, ok := strings.CutSuffix(m[1], ".")
			if !ok {
				t.Errorf("%s: %s: of which package? write DIR.%s", document, m[0], m[2])
				continue
			}
			files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
			check(t, err)
			found := false
			for _, file := range files {
				found = found || strings.Contains(read(t, file), "func "+m[2]+"(")
			}
			if !found {
				t.Errorf("%s: there is no test %s in %s", document, m[2], dir)
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// A link to a file leads to one.
func TestLinks(t *testing.T) {
	for _, document := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, document), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), m[1])); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
	}
}

var requirement = regexp.MustCompile(`(?m)^\s+([\w.-]+\.[\w./-]+)( v\S+)?( // indirect)?$`)

// docs/dependencies.md has every module and tool that go.mod asks for directly, and no other.
func TestDependencies(t *testing.T) {
	mod, text := read(t, "../go.mod"), read(t, "dependencies.md")
	for _, m := range requirement.FindAllStringSubmatch(mod, -1) {
		// A tool is a package of a module, which has the line.
		if m[3] == "" && !strings.Contains(text, "`"+m[1]+"`") {
			t.Errorf("dependencies.md has no line for %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(text, -1) {
		if !strings.Contains(mod, m[1]) {
			t.Errorf("dependencies.md has %s, go.mod has not", m[1])
		}
	}
}

// A newcomer reads README.md to its end.
func TestReadmeIsShort(t *testing.T) {
	if n := strings.Count(read(t, "../README.md"), "\n"); n >= 150 {
		t.Errorf("README.md has %d lines", n)
	}
}
