package section_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// example has a key of every shape that a section can have.
type example struct {
	Mode  string           `json:"mode" doc:"what there is"`
	Share bool             `json:"share_host_network"`
	UID   *int             `json:"uid"`
	Small int8             `json:"small"`
	Size  section.Size     `json:"size" doc:"of the root"`
	Wait  section.Duration `json:"wait"`
	List  []string         `json:"list"`
	At    map[string]entry `json:"at"`
	Inner struct {
		Deep bool `json:"deep"`
	} `json:"inner"`
	common
}

type common struct {
	Shared string `json:"shared"`
}

// entry is false or a table, and decodes itself.
type entry struct {
	Removed bool          `json:"-"`
	Tmpfs   *section.Size `json:"tmpfs"`
}

func (e *entry) UnmarshalJSON(raw []byte) error {
	if string(raw) == "false" {
		e.Removed = true
		return nil
	}
	if raw[0] != '{' {
		return errors.New("is neither a table nor false")
	}
	type plain entry
	if ps := section.Decode(raw, (*plain)(e)); len(ps) > 0 {
		return step.Problems(ps)
	}
	return nil
}

func TestDecode(t *testing.T) {
	uid, size := 1000, section.Size(16<<20)
	want := example{Mode: "none", Share: true, UID: &uid, Small: -3, Size: 4096, Wait: 250e6, List: []string{"a", "b"},
		At: map[string]entry{"/tmp": {Tmpfs: &size}, "/x": {Removed: true}}, common: common{"s"}}
	want.Inner.Deep = true
	var got example
	ps := section.Decode([]byte(`{"mode":"none","share_host_network":true,"uid":1000,"small":-3,"size":4096,"wait":"250ms",
		"list":["a","b"],"at":{"/tmp":{"tmpfs":"16MiB"},"/x":false},"inner":{"deep":true},"shared":"s"}`), &got)
	if len(ps) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v %v\nwant %+v", got, ps, want)
	}
}

func TestDecodeEmpty(t *testing.T) {
	for _, raw := range []string{"", " ", "null", "{}", "\n{ }\n"} {
		var got example
		if ps := section.Decode([]byte(raw), &got); len(ps) > 0 || !reflect.DeepEqual(got, example{}) {
			t.Errorf("%q: %+v %v", raw, got, ps)
		}
	}
}

func TestDecodeProblems(t *testing.T) {
	long := strings.Repeat("x", 4096)
	for _, c := range []struct{ raw, want string }{
		{`{"mod":"none"}`, `mod: unknown key (did you mean "mode"?)`},
		{`{"Mode":"none"}`, `Mode: unknown key (did you mean "mode"?)`},
		{`{"xyz":1}`, `xyz: unknown key (the keys are mode, share_host_network, uid, small, size, wait, list, at, inner, shared)`},
		{`{"inner":{"depe":true}}`, `inner.depe: unknown key (did you mean "deep"?)`},
		{`{"at":{"/tmp":{"tmpf":"1B"}}}`, `at."/tmp".tmpf: unknown key (did you mean "tmpfs"?)`},
		{`{"at":{"/tmp":true}}`, `at."/tmp": is neither a table nor false`},
		{`{"at":{"/tmp":{"tmpfs":"1MB"}}}`, `at."/tmp".tmpfs: "1MB" is not a size (write "1MiB": the units are B, KiB, MiB, GiB, TiB)`},
		{`{"mode":true}`, `mode: is a boolean, a string is wanted`},
		{`{"mode":null}`, `mode: is null, a string is wanted`},
		{`{"share_host_network":"yes"}`, `share_host_network: is a string, a boolean is wanted`},
		{`{"uid":"0"}`, `uid: is a string, a whole number is wanted`},
		{`{"uid":1.5}`, `uid: is a fraction, a whole number is wanted`},
		{`{"small":300}`, `small: is 300, which does not fit`},
		{`{"uid":99999999999999999999}`, `uid: is 99999999999999999999, which does not fit`},
		{`{"list":"a"}`, `list: is a string, a list is wanted`},
		{`{"list":["a",1,{}]}`, "list: item 2: is a whole number, a string is wanted\nlist: item 3: is a table, a string is wanted"},
		{`{"at":[]}`, `at: is a list, a table is wanted`},
		{`{"size":true}`, `size: is a boolean, a size is wanted (like "16MiB")`},
		{`{"wait":5}`, `wait: is a number without a unit (give a unit: "5s")`},
		{`{"wait":{}}`, `wait: is a table, a duration is wanted (like "1s")`},
		{`{"wait":"0s","mod":1,"uid":true}`, "mod: unknown key (did you mean \"mode\"?)\n" +
			"uid: is a boolean, a whole number is wanted\nwait: 0s is not more than none"},
		{`{"uid":0,"uid":1,"at":{"a":false,"a":false}}`, "uid: is there twice\nat.a: is there twice"},
		{`[]`, `is a list, a table is wanted`},
		{`{"a":`, `is not JSON`},
		{`{} {}`, `is not JSON`},
		{`{"a\u0000\u001b[2J":1}`, `"a\\x00\\x1b[2J": unknown key (the keys are`},
		{`{"` + long + `":1}`, long[:200] + `…: unknown key (the keys are`},
	} {
		ps := section.Decode([]byte(c.raw), new(example))
		if got := step.Problems(ps).Error(); !strings.HasPrefix(got, c.want) || c.want == "" {
			t.Errorf("%s\n got %s\nwant %s", c.raw, got, c.want)
		}
	}
}

func TestNoKeys(t *testing.T) {
	ps := section.Decode([]byte(`{"a":1}`), &struct{}{})
	if got := step.Problems(ps).Error(); got != "a: unknown key (there are no keys here)" {
		t.Error(got)
	}
}

// What the decoder takes without a problem, encoding/json takes as well, and to the same effect.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"mode":"x","uid":1,"list":["a"],"inner":{"deep":true}}`, `{"size":"1MiB","wait":"1h"}`,
		`{"at":{"/":{"tmpfs":1},"b":false}}`, `{"mod":null}`, `null`, `[`, `{"mode":"a","mode":"b"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got, again example
		ps := section.Decode(raw, &got)
		for _, p := range ps {
			if p.Text == "" || strings.ContainsFunc(p.String(), func(r rune) bool { return r < ' ' }) {
				t.Fatalf("%q: %q", raw, p)
			}
		}
		if len(ps) > 0 || len(strings.TrimSpace(string(raw))) == 0 {
			return
		}
		out, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &again); err != nil {
			t.Fatalf("%q passed, but: %v", raw, err)
		}
		if same, _ := json.Marshal(again); string(out) != string(same) {
			t.Fatalf("%q: %s, encoding/json: %s", raw, out, same)
		}
	})
}
