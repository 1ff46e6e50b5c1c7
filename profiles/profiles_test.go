package profiles_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/profile"
	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/profiles"
)

func find(name string, _ *profile.Source) (profile.Source, error) {
	data, err := profiles.FS.ReadFile(name + ".toml")
	return profile.Source{Name: name + ".toml", Data: data, Origin: profile.Embedded}, err
}

func TestNames(t *testing.T) {
	want := []string{"agent", "base", "cpp-compile", "cpp-run", "default", "go-compile", "java-compile", "java-run", "node", "python", "script", "shell"}
	if got := profiles.Names(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Every profile loads, says what it is for and what it refuses, and has a section for each of our planners.
func TestProfiles(t *testing.T) {
	for _, name := range profiles.Names() {
		t.Run(name, func(t *testing.T) {
			p, ps := profile.Load(name, find)
			if len(ps) > 0 {
				t.Fatal(step.Problems(ps))
			}
			for _, planner := range []string{"userns", "ipcuts", "netns", "mountns", "pidns"} {
				if p.Sections[planner] == nil {
					t.Errorf("no section %s", planner)
				}
			}
			if len(p.Sections) != 5 {
				t.Errorf("sections without one of our planners: %v", p.Sections)
			}
			if (name == "base") != (len(p.Settings.Seccomp.Allow) == 0) {
				t.Errorf("allows %v", p.Settings.Seccomp.Allow)
			}
			checkComments(t, p.Sources[len(p.Sources)-1].Data)
		})
	}
}

func checkComments(t *testing.T, data []byte) {
	lines := strings.Split(string(data), "\n")
	if !strings.HasPrefix(lines[0], "# ") || !strings.HasPrefix(lines[1], "# Refuses: ") {
		t.Errorf("the first lines are %q", lines[:2])
	}
}

// A submission finds libraries, and no program of the host.
func TestRunHasNoPrograms(t *testing.T) {
	p, _ := profile.Load("cpp-run", find)
	var mounts struct {
		At map[string]any `json:"at"`
	}
	if err := json.Unmarshal(p.Sections["mountns"], &mounts); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]bool{"/usr": false, "/bin": false, "/sbin": false, "/usr/lib": true, "/lib64": true} {
		if got := mounts.At[target] != false; got != want {
			t.Errorf("%s is there: %v, want %v", target, got, want)
		}
	}
}
