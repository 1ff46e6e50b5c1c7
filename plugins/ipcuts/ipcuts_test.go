package ipcuts

import (
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plugin/plugintest"
)

func TestPlan(t *testing.T) { plugintest.Run(t, Planner{}, "testdata") }

func TestRejects(t *testing.T) {
	plugintest.Rejects(t, Planner{}, []plugintest.Row{
		{`host_name = "a"`, "host_name", `did you mean "hostname"?`},
		{`hostname = ""`, "hostname", "letters, digits"},
		{`hostname = "../etc"`, "hostname", "letters, digits"},
		{`hostname = "a\u0000b"`, "hostname", "letters, digits"},
		{`hostname = "` + strings.Repeat("h", 65) + `"`, "hostname", "65 bytes"},
		{`domainname = "` + strings.Repeat("d", 4096) + `"`, "domainname", "4096 bytes"},
		{`domainname = "(none)"`, "domainname", "letters, digits"},
		{`hostname = 7`, "hostname", "a string is wanted"},
		{`hostname = ["a"]`, "hostname", "a string is wanted"},
	})
}
