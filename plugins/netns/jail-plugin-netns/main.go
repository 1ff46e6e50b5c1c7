// Command jail-plugin-netns is the planner of [netns], as a process.
package main

import (
	"github.com/jail-sandbox/jail/core/plugin/serve"
	"github.com/jail-sandbox/jail/plugins/netns"
)

func main() { serve.Planner(netns.Planner{}) }
