// Command jail-plugin-mountns is the planner of [mountns], as a process.
package main

import (
	"github.com/jail-sandbox/jail/core/plugin/serve"
	"github.com/jail-sandbox/jail/plugins/mountns"
)

func main() { serve.Planner(mountns.Planner{}) }
