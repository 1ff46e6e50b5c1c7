// Command jail-plugin-toolchain is the planner of [toolchain], as a process.
package main

import (
	"github.com/jail-sandbox/jail/core/plugin/serve"
	"github.com/jail-sandbox/jail/examples/planner-toolchain/toolchain"
)

func main() { serve.Planner(toolchain.Planner{}) }
