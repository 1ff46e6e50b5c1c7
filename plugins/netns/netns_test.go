package netns

import (
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plugin/plugintest"
)

func TestPlan(t *testing.T) { plugintest.Run(t, Planner{}, "testdata") }

func TestRejects(t *testing.T) {
	plugintest.Rejects(t, Planner{}, []plugintest.Row{
		{`mod = "none"`, "mod", `did you mean "mode"?`},
		{`mode = "host"`, "mode", "share_host_network = true"},
		{`share_host_network = true`, "share_host_network", `mode is not "host"`},
		{"mode = \"loopback\"\nshare_host_network = true", "share_host_network", "leave it out"},
		{`mode = "Host"`, "mode", "none, loopback or host"},
		{`mode = ""`, "mode", "none, loopback or host"},
		{`mode = "none\u0000"`, "mode", "none, loopback or host"},
		{`mode = "` + strings.Repeat("n", 4096) + `"`, "mode", "none, loopback or host"},
		{`mode = false`, "mode", "a string is wanted"},
		{"mode = \"host\"\nshare_host_network = \"yes\"", "share_host_network", "a boolean is wanted"},
	})
}
