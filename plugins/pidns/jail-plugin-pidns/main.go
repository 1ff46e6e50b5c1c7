// Command jail-plugin-pidns is the planner of [pidns], as a process.
package main

import (
	"github.com/jail-sandbox/jail/core/plugin/serve"
	"github.com/jail-sandbox/jail/plugins/pidns"
)

func main() { serve.Planner(pidns.Planner{}) }
