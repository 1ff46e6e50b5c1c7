package serve

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plugin"
)

type empty struct{}

func (empty) Describe() plugin.Info                   { return plugin.Info{Name: "empty"} }
func (empty) Plan(plugin.Request) plugin.Contribution { return plugin.Contribution{} }

func TestMain(m *testing.M) {
	if os.Getenv("SERVE_TEST_AS_PLUGIN") != "" {
		Planner(empty{})
		return
	}
	os.Exit(m.Run())
}

// The other side is tested in core/host, with real processes.
func TestStartedByHand(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = []string{"SERVE_TEST_AS_PLUGIN=1"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "This binary is a plugin") {
		t.Errorf("%v, %s", err, out)
	}
}
