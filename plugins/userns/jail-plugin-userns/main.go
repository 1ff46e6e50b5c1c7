// Command jail-plugin-userns is the planner of [userns], as a process.
package main

import (
	"github.com/jail-sandbox/jail/core/plugin/serve"
	"github.com/jail-sandbox/jail/plugins/userns"
)

func main() { serve.Planner(userns.Planner{}) }
