package toolchain

import (
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plugin/plugintest"
)

func TestPlan(t *testing.T) { plugintest.Run(t, Planner{}, "testdata") }

func TestRejects(t *testing.T) {
	plugintest.Rejects(t, Planner{}, []plugintest.Row{
		{`paths = "/opt"`, "paths", `did you mean "path"?`},
		{`path = 13`, "path", "a string is wanted"},
	})
}

// A path that is wrong is wrong for both steps that come from it.
func TestRejectsPaths(t *testing.T) {
	for _, path := range []string{"opt/gcc", "/opt/../etc", "/", `/a\u0000b`, "/" + strings.Repeat("a", 4095), "/proc/1"} {
		c := plugintest.Plan(t, Planner{}, `path = "`+path+`"`)
		if len(c.Problems) == 0 || len(c.Steps) > 0 {
			t.Errorf("%.40s: %s", path, plugintest.Lines(t, c))
		}
	}
}
