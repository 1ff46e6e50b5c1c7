package step_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/step"
)

var value = "v"

// samples has one sound step of every kind.
var samples = append([]step.Step{
	step.IDMap{UID: 1000, GID: 1000, Map: step.MapCaller},
	step.Hostname{Name: "jail"},
	step.Domainname{Name: "localdomain"},
	step.Loopback{},
	step.HostNetwork{},
	step.RootFS{Size: 1 << 20, Inodes: 64},
	step.Tmpfs{Target: "/tmp", Size: 1 << 20, Inodes: 64, Mode: 0o1777, NoExec: true, Sealed: true},
	step.Bind{Source: "$CWD/a", Target: "/a", RW: true, NoExec: true, Optional: true},
	step.File{Target: "/etc/passwd", Content: "root:x:0:0\n", Mode: 0o644},
	step.Link{Target: "/bin", To: "usr/bin"},
	step.Device{Target: "/dev/null", Device: "null"},
	step.Work{Target: "/work", Size: 1 << 20, Inodes: 64},
	step.Proc{Target: "/proc", Mode: step.ProcPID},
	step.Umask{Mask: 0o22},
	step.Rlimit{Name: "stack", Value: step.Unlimited},
	step.Limit{Name: "wall", Value: 1e9},
	step.Cwd{Dir: "/work"},
	step.Filter{Default: "ENOSYS", Rules: []step.Rule{{Call: "clone", Action: "allow", When: []string{"arg0 == 0"}, From: "@judge"}},
		BPF: map[string][]byte{"amd64": make([]byte, 8)}},
	step.Env{Name: "LANG", Value: &value},
}, step.Required...)

func TestEveryKindHasASample(t *testing.T) {
	have := map[string]bool{}
	for _, s := range samples {
		have[s.Kind()] = true
	}
	for _, r := range step.Rows {
		if !have[r.Kind] {
			t.Errorf("no sample of kind %s", r.Kind)
		}
	}
	if len(have) != len(step.Rows) {
		t.Errorf("%d kinds in samples, %d rows", len(have), len(step.Rows))
	}
}

func TestRowsAreInTheOrderOfPhases(t *testing.T) {
	for i := 1; i < len(step.Rows); i++ {
		if step.Rows[i].Phase < step.Rows[i-1].Phase {
			t.Errorf("%s comes after %s", step.Rows[i].Kind, step.Rows[i-1].Kind)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for _, want := range samples {
		data, err := step.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := step.Decode(data)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v (%v), want %#v", data, got, err, want)
		}
		if err := want.Check(); err != nil {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for in, want := range map[string]string{
		``:                            "step:",
		`[]`:                          "step:",
		`{}`:                          "without a kind",
		`{"kind":7}`:                  "without a kind",
		`{"kind":"bnd"}`:              `unknown step kind "bnd"`,
		`{"kind":"bind","sorce":"/"}`: "sorce",
		`{"kind":"bind","source":7}`:  "source",
		`{"kind":"seal","x":1}`:       "x",
		`{"kind":"root","size":1.5}`:  "size",
		`{"kind":"umask","mask":-1}`:  "mask",
		`{"kind":"tmpfs","size":99999999999999999999}`: "size",
	} {
		if s, err := step.Decode([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Decode(%s) = %v, %v; want an error with %q", in, s, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	long := "/" + strings.Repeat("a", 4095)
	for _, row := range []struct {
		step step.Step
		want string
	}{
		{step.Tmpfs{Target: "tmp", Size: 1 << 20, Inodes: 9}, "relative"},
		{step.Tmpfs{Target: "/", Size: 1 << 20, Inodes: 9}, "the root itself"},
		{step.Tmpfs{Target: "", Size: 1 << 20, Inodes: 9}, "empty"},
		{step.Tmpfs{Target: "/a/../b", Size: 1 << 20, Inodes: 9}, ".."},
		{step.Tmpfs{Target: "/a/./b", Size: 1 << 20, Inodes: 9}, "component"},
		{step.Tmpfs{Target: "/a//b", Size: 1 << 20, Inodes: 9}, "not clean"},
		{step.Tmpfs{Target: "/a/", Size: 1 << 20, Inodes: 9}, "not clean"},
		{step.Tmpfs{Target: "/a\x00", Size: 1 << 20, Inodes: 9}, "NUL"},
		{step.Tmpfs{Target: long, Size: 1 << 20, Inodes: 9}, "4095"},
		{step.Tmpfs{Target: "/tmp", Size: 0, Inodes: 9}, "size is 0"},
		{step.Tmpfs{Target: "/tmp", Size: 4096, Inodes: 0}, "inodes is 0"},
		{step.Tmpfs{Target: "/tmp", Size: 4096, Inodes: 9, Mode: 0o4755}, "set-id"},
		{step.Bind{Source: "usr", Target: "/usr"}, "relative"},
		{step.Bind{Source: "$PWD/x", Target: "/usr"}, "unknown slot"},
		{step.Bind{Source: "$CWD/../x", Target: "/usr"}, ".."},
		{step.Bind{Source: "$CWDx", Target: "/usr"}, "unknown slot"},
		{step.Bind{Source: "/proc/self/root", Target: "/usr"}, "the host's /proc"},
		{step.File{Target: "/f", Content: strings.Repeat("x", step.MaxContent+1)}, "65537 bytes"},
		{step.Link{Target: "/l", To: ""}, "cannot be made"},
		{step.Device{Target: "/dev/mem", Device: "mem"}, `"mem" is none of`},
		{step.Proc{Target: "/proc", Mode: "all"}, "not one of pid, masked"},
		{step.IDMap{UID: -1, Map: step.MapCaller}, "not between"},
		{step.IDMap{Map: "me"}, "not one of caller, subids"},
		{step.Hostname{Name: strings.Repeat("a", 65)}, "65 bytes"},
		{step.Hostname{Name: "a b"}, "letters"},
		{step.Env{Name: "A=B"}, "variable's name"},
		{step.Env{Name: ""}, "variable's name"},
		{step.Rlimit{Name: "stak", Value: 1}, `unknown process limit "stak"`},
		{step.Rlimit{Name: "stack", Value: -2}, "stack is -2"},
		{step.Limit{Name: "memory", Value: 1}, `does not enforce the limit "memory"`},
		{step.Limit{Name: "wall", Value: 0}, "wall is 0"},
		{step.Cwd{Dir: "work"}, "relative"},
		{step.Umask{Mask: 0o1000}, "no permissions"},
		{step.Filter{}, "no program"},
		{step.Filter{BPF: map[string][]byte{"amd64": make([]byte, 7)}}, "7 bytes"},
	} {
		if err := row.step.Check(); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v: %v, want an error with %q", row.step, err, row.want)
		}
	}
}

func TestFilterText(t *testing.T) {
	f := step.Filter{Default: "ENOSYS", Rules: []step.Rule{{Call: "read", Action: "allow"}, {Call: "fork", Action: "EPERM"}, {Call: "mount", Action: "kill"}}}
	if got, want := f.String(), "filter 1 calls allowed, 2 refused, others ENOSYS"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	f.Rules = append(f.Rules, step.Rule{Call: "ptrace", Action: "log"})
	if got, want := f.String(), "filter 1 calls allowed, 2 refused, 1 only logged, others ENOSYS"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProblemText(t *testing.T) {
	p := step.Problem{File: "a.toml", Line: 3, Key: []string{"mountns", "at", "/usr\x1b", "bnd"}, Text: "unknown key", Hint: `did you mean "bind"?`}
	want := `a.toml:3: mountns.at."/usr\\x1b".bnd: unknown key (did you mean "bind"?)`
	if got := p.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestQuoteLeavesNothingForATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü":       "plain ü",
		"\x1b[2J":       `\x1b[2J`,
		"a\nb":          `a\nb`,
		"\xff":          `\xff`,
		"\u202e":        `\u202e`,
		"back\\slash":   `back\slash`,
		"\u0085 \u009b": `\u0085 \u009b`,
	} {
		if got := step.Quote(in); got != want {
			t.Errorf("Quote(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range samples {
		data, err := step.Encode(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := step.Decode(data)
		if err != nil || s.Check() != nil {
			return
		}
		again, err := step.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := step.Decode(again)
		if err != nil {
			t.Fatalf("%s became %s: %v", data, again, err)
		}
		if twice, err := step.Encode(back); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("%s became %s, then %s: %v", data, again, twice, err)
		}
	})
}
