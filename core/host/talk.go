package host

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	hplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jail-sandbox/jail/core/plugin/wire"
)

// A conversation is what passes with one planner before its deadline.
type conversation struct {
	ctx    context.Context
	client *wire.Client
}

// talk starts a planner, has a conversation, and ends the planner. All waiting within is bounded by one means: at the
// deadline the process is killed, and so every read from it ends.
func (h *Host) talk(parent context.Context, exe *executable, dir string, say func(conversation) error) error {
	ctx, cancel := context.WithTimeout(parent, h.config.Timeout)
	defer cancel()
	f := failure{found: exe.Found, timeout: h.config.Timeout}
	p := newProcess(ctx, exe)
	client := hplugin.NewClient(clientConfig(p, dir, &f.stderr))
	f.err = converse(ctx, client, say)
	if f.err != nil { // its state now tells why; a moment later we end it ourselves
		f.cancelled, f.late = parent.Err(), ctx.Err() != nil || ended(f.err)
		f.exit = p.ownEnd(grace(f.err))
	}
	cancel()      // kills; go-plugin by itself would ask it to leave, without a deadline
	client.Kill() // waits until it is reaped and its last words are read
	return f.explain()
}

// grace is how long a lost connection may precede the end of the process that explains it.
func grace(err error) time.Duration {
	if answer := (*wire.AnswerError)(nil); errors.As(err, &answer) {
		return 0
	}
	return time.Second
}

// converse makes the connection and says what there is to say.
func converse(ctx context.Context, client *hplugin.Client, say func(conversation) error) error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	planner, err := protocol.Dispense(wire.Name)
	if err != nil {
		return err
	}
	return say(conversation{ctx, planner.(*wire.Client)})
}

// clientConfig sets go-plugin to the little that a planner needs. No AutoMTLS: it costs 100 to 200 ms, and a private
// directory and the peer's uid do its work. No reattaching (G-09).
func clientConfig(p *process, dir string, stderr *capped) *hplugin.ClientConfig {
	return &hplugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		Plugins:          hplugin.PluginSet{wire.Name: wire.Plugin{}},
		AllowedProtocols: []hplugin.Protocol{hplugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, sockets string) (runner.Runner, error) {
			p.prepare(cmd.Env, sockets)
			return p, nil
		},
		SkipHostEnv:      true,
		UnixSocketConfig: &hplugin.UnixSocketConfig{TempDir: dir},
		Logger:           hclog.NewNullLogger(),
		Stderr:           stderr, // what it writes before it serves, and a crash
		SyncStderr:       stderr, // what it writes while it serves
		GRPCDialOptions: []grpc.DialOption{ // the last of a kind wins, and these come last
			grpc.WithContextDialer(p.dial),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
		},
	}
}

// ended says whether the call was ended for its deadline. The other side knows the deadline too, and may be the first to
// notice: our context is still good then.
func ended(err error) bool {
	code := status.Code(err)
	return code == codes.Canceled || code == codes.DeadlineExceeded
}
