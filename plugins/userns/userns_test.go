package userns

import (
	"testing"

	"github.com/jail-sandbox/jail/core/plugin/plugintest"
)

func TestPlan(t *testing.T) { plugintest.Run(t, Planner{}, "testdata") }

func TestRejects(t *testing.T) {
	plugintest.Rejects(t, Planner{}, []plugintest.Row{
		{`uids = 1`, "uids", `did you mean "uid"?`},
		{`map = "root"`, "map", `not one of caller, subids`},
		{`map = "caller\u0000"`, "map", `not one of`},
		{`map = "\u001b[2J"`, "map", `\x1b[2J`},
		{`map = true`, "map", "a string is wanted"},
		{`uid = -1`, "uid", "id -1 is not between"},
		{`gid = 4294967295`, "gid", "is not between"}, // (gid_t)-1: no id at all
		{`uid = "root"`, "uid", "a whole number is wanted"},
		{`uid = 1.5`, "uid", "a whole number is wanted"},
	})
}
