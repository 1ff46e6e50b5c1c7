// Package serve is the process side of a planner. The whole main of jail-plugin-NAME is
//
//	func main() { serve.Planner(name.Planner{}) }
//
// The process answers jail-plan over a Unix socket and is killed once it has answered: it has nothing to clean up.
package serve

import (
	"os"

	"github.com/hashicorp/go-hclog"
	hplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/plugin/wire"
)

// Planner serves p until the process is killed. Started by hand, it says that it is a plugin and exits 1.
func Planner(p plugin.Planner) {
	hplugin.Serve(&hplugin.ServeConfig{
		HandshakeConfig: wire.Handshake,
		Plugins:         hplugin.PluginSet{wire.Name: wire.Plugin{Planner: p}},
		GRPCServer:      newServer,
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr}),
	})
}

func newServer(opts []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(wire.MaxMessage), grpc.MaxSendMsgSize(wire.MaxMessage))...)
}
