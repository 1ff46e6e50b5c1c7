package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	hplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/plugin/serve"
	"github.com/jail-sandbox/jail/core/plugin/wire"
	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/plugins/ipcuts"
	"github.com/jail-sandbox/jail/plugins/mountns"
	"github.com/jail-sandbox/jail/plugins/netns"
	"github.com/jail-sandbox/jail/plugins/pidns"
	"github.com/jail-sandbox/jail/plugins/userns"
)

// The test binary is every planner of these tests, under the name that it is started with: real processes, and nothing
// to build first.
func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(os.Args[0], prefix); ok {
		fixtures[name]()
		return
	}
	if dir := os.Getenv("HOST_TEST_HANG_IN"); dir != "" {
		New(Config{Dirs: []string{dir}, Timeout: time.Hour}).Plan(context.Background(), []Request{{Name: "hangs"}})
		return
	}
	os.Exit(m.Run())
}

var fixtures = map[string]func(){
	"userns":  func() { serve.Planner(userns.Planner{}) },
	"ipcuts":  func() { serve.Planner(ipcuts.Planner{}) },
	"netns":   func() { serve.Planner(netns.Planner{}) },
	"mountns": func() { serve.Planner(mountns.Planner{}) },
	"pidns":   func() { serve.Planner(pidns.Planner{}) },

	// What they are given.
	"spy": func() { serve.Planner(fixture{"spy", spy}) },

	// Before the handshake.
	"hangs":      func() { time.Sleep(time.Hour) },
	"crashes":    func() { fmt.Fprint(os.Stderr, "\n\x1b[2Jno good\nmore"); os.Exit(3) },
	"segfaults":  func() { syscall.Kill(os.Getpid(), syscall.SIGSEGV) },
	"leaves":     func() {},
	"garbage":    func() { fmt.Println("\x1b]0;owned\x07 hello"); time.Sleep(time.Hour) },
	"floods":     func() { io.Copy(os.Stdout, endless{}) },
	"flooderr":   func() { io.Copy(os.Stderr, endless{}) },
	"version":    func() { serveVersion(2) },
	"core2":      func() { fmt.Println("2|1|unix|/x|grpc|"); time.Sleep(time.Hour) },
	"netrpc":     func() { fmt.Printf("1|1|unix|%s/s|netrpc|\n", sockets()); time.Sleep(time.Hour) },
	"tcp":        func() { fmt.Println("1|1|tcp|127.0.0.1:1|grpc|"); time.Sleep(time.Hour) },
	"othersock":  func() { fmt.Println("1|1|unix|/run/other.sock|grpc|"); time.Sleep(time.Hour) },
	"dotdot":     func() { fmt.Printf("1|1|unix|%s/../s|grpc|\n", sockets()); time.Sleep(time.Hour) },
	"silent":     func() { silent() },
	"nosocket":   func() { fmt.Printf("1|1|unix|%s/s|grpc|\n", sockets()); time.Sleep(time.Hour) },
	"unserved":   func() { serveRaw(nil) },
	"child":      func() { descendant(false); serve.Planner(fixture{"child", nothing}) },
	"runaway":    func() { descendant(true); serve.Planner(fixture{"runaway", nothing}) },
	"descendant": func() { time.Sleep(10 * time.Second) },

	// In the answer.
	"othername": func() { serve.Planner(fixture{"netns", nothing}) },
	"plancrash": func() {
		serve.Planner(fixture{"plancrash", func(plugin.Request) plugin.Contribution { panic("boom") }})
	},
	"planhangs": func() {
		serve.Planner(fixture{"planhangs", func(plugin.Request) plugin.Contribution { time.Sleep(time.Hour); panic("") }})
	},
	"huge":    func() { serve.Planner(fixture{"huge", huge}) },
	"hugeraw": func() { serveRaw(rawAnswer(strings.Repeat(" ", wire.MaxMessage) + "{}")) }, // without serve's own cap
	"corekind": func() {
		serve.Planner(fixture{"corekind", steps(step.Umask{})})
	},
	"otherskind": func() {
		serve.Planner(fixture{"otherskind", steps(step.HostNetwork{})})
	},
	"othersns": func() {
		serve.Planner(fixture{"othersns", func(plugin.Request) plugin.Contribution { return plugin.Contribution{Namespaces: []string{"net"}} }})
	},
	"shouts":   func() { serve.Planner(fixture{"shouts", shouts}) },
	"longname": func() { serve.Planner(fixture{strings.Repeat("n", 1<<20), nothing}) },
	"manysteps": func() {
		serve.Planner(fixture{"manysteps", func(plugin.Request) plugin.Contribution {
			return plugin.Contribution{Steps: slices.Repeat([]plugin.Item{plugin.At(step.Umask{})}, 10000)}
		}})
	},
	"longkind":  func() { serveRaw(rawAnswer(`{"steps":[{"step":{"kind":"` + strings.Repeat("k", 1<<20) + `"}}]}`)) },
	"longfield": func() { serveRaw(rawAnswer(`{"` + strings.Repeat("f", 1<<20) + `":1}`)) },
	"badstep":   func() { serve.Planner(fixture{"badstep", steps(step.Bind{Source: "/usr", Target: "usr"})}) },
	"nokind":    func() { serveRaw(rawAnswer(`{"steps":[{"step":{"kind":"hook","command":"rm"}}]}`)) },
	"nofield":   func() { serveRaw(rawAnswer(`{"hooks":[]}`)) },
	"notjson":   func() { serveRaw(rawAnswer("\x00\xff")) },
	"trailing":  func() { serveRaw(rawAnswer(`{}{}`)) },
	"badschema": func() { serveRaw(rawSchema("{")) },
}

// A fixture is a planner with a name and an answer.
type fixture struct {
	name string
	plan func(plugin.Request) plugin.Contribution
}

func (f fixture) Describe() plugin.Info {
	return plugin.Info{Name: f.name, Version: "1", Doc: "a fixture", Schema: plugin.Schema(struct{}{})}
}
func (f fixture) Plan(r plugin.Request) plugin.Contribution { return f.plan(r) }

func nothing(plugin.Request) plugin.Contribution { return plugin.Contribution{} }

func steps(s step.Step) func(plugin.Request) plugin.Contribution {
	return func(plugin.Request) plugin.Contribution {
		return plugin.Contribution{Steps: []plugin.Item{plugin.At(s)}}
	}
}

func huge(plugin.Request) (c plugin.Contribution) {
	big := strings.Repeat("x", 1<<20)
	for i := range 5 {
		c.Steps = append(c.Steps, plugin.At(step.Env{Name: fmt.Sprint("BIG", i), Value: &big}))
	}
	return c
}

// shouts has long things to say.
func shouts(plugin.Request) plugin.Contribution {
	p := step.Problem{Key: slices.Repeat([]string{"k"}, 1<<16), Text: strings.Repeat("t", 1<<20), Hint: strings.Repeat("h", 1<<20)}
	return plugin.Contribution{Problems: []step.Problem{p}, Warnings: []step.Problem{{Text: p.Text}}}
}

// spy reports what its process was given.
func spy(r plugin.Request) (c plugin.Contribution) {
	say := func(key string, v any) {
		c.Warnings = append(c.Warnings, step.Problem{Key: []string{key}, Text: fmt.Sprint(v)})
	}
	say("section", string(r.Section))
	for _, e := range os.Environ() {
		say("env", e)
	}
	input, err := io.ReadAll(os.Stdin)
	say("stdin", fmt.Sprintf("%q %v", input, err))
	dir, _ := os.Getwd()
	say("cwd", dir)
	sid, _, _ := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
	say("leader", int(sid) == os.Getpid())
	for _, dir := range []string{sockets(), filepath.Dir(sockets())} {
		if info, err := os.Stat(dir); err == nil {
			say("sockets", info.Mode())
		}
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		to, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		say("fd", to)
	}
	return c
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return copy(b, strings.Repeat("\x1b", len(b))), nil }

func sockets() string { return os.Getenv("PLUGIN_UNIX_SOCKET_DIR") }

// silent accepts connections and says nothing.
func silent() {
	l, err := net.Listen("unix", sockets()+"/s")
	if err != nil {
		panic(err)
	}
	fmt.Printf("1|1|unix|%s/s|grpc|\n", sockets())
	for {
		l.Accept()
	}
}

// descendant starts a process that holds on to the pipes; with flee it leaves the group too.
func descendant(flee bool) {
	self, _ := os.Executable()
	c := &exec.Cmd{Path: self, Args: []string{prefix + "descendant"}, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Setsid: flee}}
	if err := c.Start(); err != nil {
		panic(err)
	}
}

func serveVersion(v uint) {
	h := wire.Handshake
	h.ProtocolVersion = v
	hplugin.Serve(&hplugin.ServeConfig{HandshakeConfig: h, GRPCServer: hplugin.DefaultGRPCServer,
		Plugins: hplugin.PluginSet{wire.Name: wire.Plugin{Planner: fixture{"version", nothing}}}})
}

// serveRaw serves answers that no Planner can give; with nil, none at all.
func serveRaw(s wire.PlannerServer) {
	hplugin.Serve(&hplugin.ServeConfig{HandshakeConfig: wire.Handshake, GRPCServer: hplugin.DefaultGRPCServer,
		Plugins: hplugin.PluginSet{wire.Name: rawPlugin{server: s}}})
}

type rawPlugin struct {
	hplugin.NetRPCUnsupportedPlugin
	server wire.PlannerServer
}

func (p rawPlugin) GRPCServer(_ *hplugin.GRPCBroker, s *grpc.Server) error {
	if p.server != nil {
		wire.RegisterPlannerServer(s, p.server)
	}
	return nil
}

func (rawPlugin) GRPCClient(context.Context, *hplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not used")
}

type raw struct {
	wire.UnimplementedPlannerServer
	schema, contribution string
}

func rawAnswer(c string) raw { return raw{schema: "{}", contribution: c} }
func rawSchema(s string) raw { return raw{schema: s} }

func (r raw) Describe(context.Context, *wire.DescribeRequest) (*wire.DescribeReply, error) {
	return &wire.DescribeReply{Name: strings.TrimPrefix(os.Args[0], prefix), Version: "1", Schema: []byte(r.schema)}, nil
}

func (r raw) Plan(context.Context, *wire.PlanRequest) (*wire.PlanReply, error) {
	return &wire.PlanReply{Contribution: []byte(r.contribution)}, nil
}

// install puts fixtures in a new directory, and returns it.
func install(t *testing.T, names ...string) string {
	t.Helper()
	dir := trustedDir(t)
	for _, name := range names {
		installAs(t, filepath.Join(dir, prefix+name))
	}
	return dir
}

// trustedDir is a temporary directory with a mode that does not depend on the umask.
func trustedDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// installAs copies the test binary.
func installAs(t *testing.T, path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// alive are the processes whose executable is in dir.
func alive(dir string) (pids []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, l := range links {
		if exe, err := os.Readlink(l); err == nil && strings.HasPrefix(exe, dir+"/") {
			pids = append(pids, filepath.Base(filepath.Dir(l)))
		}
	}
	return pids
}
