package plugin

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/step"
)

func TestCheckedGivesStepsOrProblems(t *testing.T) {
	good := Contribution{Namespaces: []string{"uts"}, Steps: []Item{At(step.Hostname{Name: "a"}, "hostname")}}
	if got := Checked(good); !reflect.DeepEqual(got, good) {
		t.Errorf("a good one became %+v", got)
	}
	bad := good
	bad.Steps = append(bad.Steps, At(step.Domainname{Name: ""}, "domainname"))
	bad.Problems = []step.Problem{{Text: "its own"}}
	got := Checked(bad)
	if got.Steps != nil || got.Namespaces != nil || len(got.Problems) != 2 || got.Problems[1].Key[0] != "domainname" {
		t.Errorf("a bad one became %+v", got)
	}
}

func TestVet(t *testing.T) {
	for _, row := range []struct {
		name, want string // empty want: nothing wrong
		c          Contribution
	}{
		{"ipcuts", "", Contribution{Namespaces: []string{"ipc", "uts"}, Steps: []Item{At(step.Hostname{Name: "a"})}}},
		{"toolchain", "", Contribution{Steps: []Item{At(step.Link{Target: "/a", To: "b"})}}},
		{"toolchain", `namespace "net" is not its own but netns's`, Contribution{Namespaces: []string{"net"}}},
		{"netns", `namespace "cgroup" is not its own`, Contribution{Namespaces: []string{"cgroup"}}},
		{"toolchain", `kind "hostname" is not its own but ipcuts's`, Contribution{Steps: []Item{At(step.Hostname{Name: "a"})}}},
		{"toolchain", `kind "exec" is not its own but core's`, Contribution{Steps: []Item{At(step.Program{})}}},
		{"core", `is the core's own`, Contribution{Steps: []Item{At(step.Umask{})}}},
		{"ipcuts", `hostname: hostname ""`, Contribution{Steps: []Item{At(step.Hostname{})}}},
	} {
		errs := row.c.Vet(row.name)
		switch {
		case row.want == "" && errs != nil:
			t.Errorf("%s %+v: %v", row.name, row.c, errs)
		case row.want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), row.want)):
			t.Errorf("%s %+v: %v, want %s", row.name, row.c, errs, row.want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"netns": true, "go-1_26": true, "": false, "Net": false, "a.b": false, "a/b": false, "-a": false, "1a": false,
		"a b": false, "core": false, "open": false, "run": false, "env": false, "limits": false, "seccomp": false, "profile": false,
	} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDecodeContributionIsStrict(t *testing.T) {
	for in, want := range map[string]string{
		``:                                      "EOF",
		`null 1`:                                "more than one",
		`{}{}`:                                  "more than one",
		`[]`:                                    "cannot unmarshal",
		`{"hooks":[]}`:                          `unknown field "hooks"`,
		`{"steps":[{}]}`:                        "step",
		`{"steps":[{"step":null}]}`:             "without a kind",
		`{"steps":[{"step":{}}]}`:               "without a kind",
		`{"steps":[{"step":{"kind":1}}]}`:       "without a kind",
		`{"steps":[{"step":{"kind":"mount"}}]}`: `unknown step kind "mount"`,
		`{"steps":[{"step":{"kind":"hostname","name":"a","x":1}}]}`:          `unknown field "x"`,
		`{"steps":[{"step":{"kind":"hostname","name":7}}]}`:                  "cannot unmarshal",
		`{"steps":[{"step":{"kind":"hostname","name":"a"},"phase":"exec"}]}`: `unknown field "phase"`,
		`{"steps":[{"key":"a","step":{"kind":"hostname","name":"a"}}]}`:      "cannot unmarshal",
		`{"problems":[{"texts":"a"}]}`:                                       `unknown field "texts"`,
	} {
		if c, err := DecodeContribution([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %s", in, c, err, want)
		}
	}
}

func TestItemWithoutStepIsAnError(t *testing.T) {
	if b, err := json.Marshal(Contribution{Steps: []Item{{}}}); err == nil {
		t.Errorf("encoded as %s", b)
	}
}

// What can be read can be written, and reads the same.
func FuzzContribution(f *testing.F) {
	f.Add([]byte(`{"namespaces":["mnt"],"steps":[{"key":["at","/usr"],"step":{"kind":"bind","source":"/usr","target":"/usr"}}]}`))
	f.Add([]byte(`{"problems":[{"key":["a"],"text":"b","hint":"c"}],"warnings":[{"text":"d"}]}`))
	f.Add([]byte(`{"steps":[{"step":{"kind":"env","name":"A","value":null}},{"step":{"kind":"loopback"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeContribution(data)
		if err != nil {
			return
		}
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeContribution(out)
		if err != nil {
			t.Fatalf("%s became %s: %v", data, out, err)
		}
		if second, _ := json.Marshal(again); string(second) != string(out) {
			t.Fatalf("%s, then %s", out, second)
		}
	})
}
