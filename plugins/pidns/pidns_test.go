package pidns

import (
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plugin/plugintest"
)

func TestPlan(t *testing.T) { plugintest.Run(t, Planner{}, "testdata") }

func TestRejects(t *testing.T) {
	plugintest.Rejects(t, Planner{}, []plugintest.Row{
		{`procs = "pid"`, "procs", `did you mean "proc"?`},
		{`proc = "/proc"`, "proc", "pid, masked or none"},
		{`proc = "../proc"`, "proc", "pid, masked or none"},
		{`proc = ""`, "proc", "pid, masked or none"},
		{`proc = "pid\u0000"`, "proc", "pid, masked or none"},
		{`proc = "` + strings.Repeat("p", 4096) + `"`, "proc", "pid, masked or none"},
		{`proc = true`, "proc", "a string is wanted"},
		{`proc = {mode = "pid"}`, "proc", "a string is wanted"},
	})
}
