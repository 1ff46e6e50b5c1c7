// Command jail-plugin-ipcuts is the planner of [ipcuts], as a process.
package main

import (
	"github.com/jail-sandbox/jail/core/plugin/serve"
	"github.com/jail-sandbox/jail/plugins/ipcuts"
)

func main() { serve.Planner(ipcuts.Planner{}) }
