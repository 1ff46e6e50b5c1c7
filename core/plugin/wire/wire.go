// Package wire is what passes between jail-plan and a planner's process: planner.proto over hashicorp/go-plugin.
// Package serve is the planner's end, core/host the other one; a planner's author needs neither this nor gRPC.
package wire

import (
	"context"
	"encoding/json"
	"fmt"

	hplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/jail-sandbox/jail/core/plugin"
)

//go:generate sh generate.sh

// Handshake is what both ends must agree on. The cookie only tells a person who starts a planner by hand that this is
// no command; it authenticates nobody.
var Handshake = hplugin.HandshakeConfig{
	ProtocolVersion:  1, // of planner.proto and of the step vocabulary: one that older cores cannot read is a new version
	MagicCookieKey:   "JAIL_PLANNER",
	MagicCookieValue: "jail.planner/1",
}

// Name is what a planner's process serves, in go-plugin's words.
const Name = "planner"

// MaxMessage is the most bytes of one message, either way. go-plugin by itself would allow 2 GiB.
const MaxMessage = 4 << 20

// Plugin joins a Planner to go-plugin.
type Plugin struct {
	hplugin.NetRPCUnsupportedPlugin
	Planner plugin.Planner // nil on the asking side
}

// GRPCServer registers the planner.
func (p Plugin) GRPCServer(_ *hplugin.GRPCBroker, s *grpc.Server) error {
	RegisterPlannerServer(s, server{planner: p.Planner})
	return nil
}

// GRPCClient gives a *Client.
func (p Plugin) GRPCClient(_ context.Context, _ *hplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &Client{NewPlannerClient(conn)}, nil
}

type server struct {
	UnimplementedPlannerServer
	planner plugin.Planner
}

func (s server) Describe(context.Context, *DescribeRequest) (*DescribeReply, error) {
	i := s.planner.Describe()
	return &DescribeReply{Name: i.Name, Version: i.Version, Doc: i.Doc, Schema: i.Schema}, nil
}

func (s server) Plan(_ context.Context, r *PlanRequest) (*PlanReply, error) {
	c, err := json.Marshal(s.planner.Plan(plugin.Request{Section: r.GetSection()}))
	if err != nil {
		return nil, err
	}
	return &PlanReply{Contribution: c}, nil
}

// Client asks a planner's process. Its errors are gRPC's (status.Code tells which), or an *AnswerError.
type Client struct{ rpc PlannerClient }

// AnswerError is an answer that came and cannot be read.
type AnswerError struct{ Err error }

func (e *AnswerError) Error() string { return fmt.Sprintf("its answer cannot be read: %s", e.Err) }
func (e *AnswerError) Unwrap() error { return e.Err }

// Describe asks who the planner is.
func (c *Client) Describe(ctx context.Context) (plugin.Info, error) {
	r, err := c.rpc.Describe(ctx, &DescribeRequest{})
	if err != nil {
		return plugin.Info{}, err
	}
	if len(r.GetSchema()) > 0 && !json.Valid(r.GetSchema()) {
		return plugin.Info{}, &AnswerError{fmt.Errorf("the schema of its section is not JSON")}
	}
	return plugin.Info{Name: r.GetName(), Version: r.GetVersion(), Doc: r.GetDoc(), Schema: r.GetSchema()}, nil
}

// Plan asks for the steps of a section. They are decoded, not yet vetted.
func (c *Client) Plan(ctx context.Context, section json.RawMessage) (plugin.Contribution, error) {
	r, err := c.rpc.Plan(ctx, &PlanRequest{Section: section})
	if err != nil {
		return plugin.Contribution{}, err
	}
	out, err := plugin.DecodeContribution(r.GetContribution())
	if err != nil {
		return plugin.Contribution{}, &AnswerError{err}
	}
	return out, nil
}
