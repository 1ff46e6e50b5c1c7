package profile_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/jail-sandbox/jail/core/profile"
	"github.com/jail-sandbox/jail/core/step"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// Each archive holds TOML files and, last, what loading its profile.toml gives.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			last := len(a.Files) - 1
			if a.Files[last].Name != "want" {
				t.Fatal("the last file is not want")
			}
			got := text(profile.Load("./profile.toml", files(a)))
			if *update {
				a.Files[last].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(a.Files[last].Data); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// files finds an archive's files: NAME is names/NAME.toml.
func files(a *txtar.Archive) profile.Finder {
	all := map[string]string{}
	for _, f := range a.Files {
		all[f.Name] = string(f.Data)
	}
	return finder(all)
}

func finder(all map[string]string) profile.Finder {
	return func(name string, from *profile.Source) (profile.Source, error) {
		if name == "forbidden" {
			return profile.Source{}, &fs.PathError{Op: "open", Path: "/etc/forbidden", Err: fs.ErrPermission}
		}
		if name == "hinted" {
			return profile.Source{}, step.Problem{Text: `no profile named "hinted"`, Hint: `did you mean "hint"?`}
		}
		file := "names/" + name + ".toml"
		if strings.Contains(name, "/") {
			file = name
			if from != nil {
				file = path.Join(path.Dir(from.Origin), name)
			}
			file = path.Clean(file)
		}
		data, ok := all[file]
		if !ok {
			return profile.Source{}, fs.ErrNotExist
		}
		return profile.Source{Name: file, Data: []byte(data), Origin: file}, nil
	}
}

// text shows problems, then what was loaded, each key with its place.
func text(p *profile.Profile, problems []step.Problem) string {
	var b strings.Builder
	for _, problem := range problems {
		fmt.Fprintf(&b, "problem: %s\n", problem)
	}
	if p == nil {
		return b.String() + "no profile\n"
	}
	for _, s := range p.Sources {
		fmt.Fprintf(&b, "file: %s\n", s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Sections)) {
		writeKey(&b, p, []string{name}, p.Sections[name])
	}
	writeSettings(&b, p)
	return b.String()
}

func writeKey(b *strings.Builder, p *profile.Profile, key []string, raw json.RawMessage) {
	var table map[string]json.RawMessage
	if len(key) < 3 && json.Unmarshal(raw, &table) == nil && len(table) > 0 {
		for _, name := range slices.Sorted(maps.Keys(table)) {
			writeKey(b, p, append(slices.Clone(key), name), table[name])
		}
		return
	}
	fmt.Fprintf(b, "%s = %s  # %s\n", step.KeyString(key), raw, place(p.Position(key)))
}

func place(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

func writeSettings(b *strings.Builder, p *profile.Profile) {
	s := p.Settings
	for _, e := range s.Env {
		fmt.Fprintf(b, "%s  # %s\n", step.Env{Name: e.Name, Value: e.Value}, place(p.Position(e.Key)))
	}
	if s.Cwd != "" {
		fmt.Fprintf(b, "cwd %s  # %s\n", s.Cwd, place(p.Position([]string{"run", "cwd"})))
	}
	for _, l := range s.Limits {
		fmt.Fprintf(b, "%s  # %s\n", l, place(p.Position([]string{"limits", l.Name})))
	}
	for _, r := range s.Rlimits {
		fmt.Fprintf(b, "%s  # %s\n", r, place(p.Position([]string{"limits", "process", r.Name})))
	}
	if s.Seccomp.Default != "" {
		fmt.Fprintf(b, "default %s  # %s\n", s.Seccomp.Default, place(p.Position([]string{"seccomp", "default"})))
	}
	if s.Seccomp.Refuse != "" {
		fmt.Fprintf(b, "refuse %s  # %s\n", s.Seccomp.Refuse, place(p.Position([]string{"seccomp", "refuse"})))
	}
	for _, n := range s.Seccomp.Allow {
		fmt.Fprintf(b, "allow %s  # depth %d, %s\n", n.Name, n.Depth, place(n.File, n.Line))
	}
	for _, n := range s.Seccomp.Deny {
		fmt.Fprintf(b, "deny %s  # depth %d, %s\n", n.Name, n.Depth, place(n.File, n.Line))
	}
	for _, call := range slices.Sorted(maps.Keys(s.Seccomp.When)) {
		w := s.Seccomp.When[call]
		fmt.Fprintf(b, "when %s %q  # depth %d, %s\n", call, w.Rules, w.Depth, place(w.File, w.Line))
	}
	for _, call := range slices.Sorted(maps.Keys(s.Seccomp.Errno)) {
		e := s.Seccomp.Errno[call]
		fmt.Fprintf(b, "errno %s %s  # depth %d, %s\n", call, e.Name, e.Depth, place(e.File, e.Line))
	}
}

const head = "format = \"jail.profile/1\"\n"

// Input that is too long or too deep for an archive.
func TestUgly(t *testing.T) {
	long := strings.Repeat("x", 4096)
	chain := map[string]string{}
	wide := map[string]string{}
	for i := range 100 {
		chain[fmt.Sprintf("names/c%d.toml", i)] = head + fmt.Sprintf("extends = [\"c%d\"]\n", i+1)
		wide[fmt.Sprintf("names/w%d.toml", i)] = head
	}
	for name, c := range map[string]struct {
		data  string
		files map[string]string
		want  string // the first problem; empty: none
	}{
		"a 4 KiB path":      {data: "[mountns.at]\n\"/" + long + "\" = false\n"},
		"a 4 KiB key":       {data: long + " = 1\n", want: "p.toml:2: " + long[:200] + "…: unknown key"},
		"a 4 KiB name":      {data: "extends = [\"" + long + "\"]\n", want: "p.toml:2: extends: no profile named \"xxx"},
		"a huge file":       {data: strings.Repeat("#", profile.MaxFile), want: "p.toml: has 262170 bytes, the most is 262144"},
		"lists":             {data: "\na = " + strings.Repeat("[", 1e5), want: "p.toml:3: nested more than 32 deep"},
		"inline tables":     {data: "a = " + strings.Repeat("{a=", 5e4), want: "p.toml:2: nested more than 32 deep"},
		"a dotted key":      {data: strings.Repeat("a.", 1e5) + "a = 1\n", want: "p.toml:2: nested more than 32 deep"},
		"a dotted table":    {data: "[" + strings.Repeat("a . ", 5e4) + "a]\n", want: "p.toml:2: nested more than 32 deep"},
		"behind quotes":     {data: `a = ["""b"""", ` + strings.Repeat("[", 1e5), want: "p.toml:2: nested more than 32 deep"},
		"behind an escape":  {data: `a = ["\"", ` + strings.Repeat("[", 1e5), want: "p.toml:2: nested more than 32 deep"},
		"in a string":       {data: "[a]\nb = \"" + strings.Repeat("[.", 1e4) + "\" # " + strings.Repeat("[.", 1e4) + "\n"},
		"in a long string":  {data: "[a]\nb = '''\n" + strings.Repeat("[.\"", 1e4) + "'''\nc = 1\n"},
		"32 deep":           {data: "[a]\nb = " + strings.Repeat("[", 32) + strings.Repeat("]", 32) + "\n"},
		"many keys":         {data: "[a]\n" + numbered("k%d = 1\n", 5000), want: "p.toml: the most keys of a profile, with all that it extends, is 4096"},
		"many problems":     {data: numbered("k%d = 1\n", 4000), want: "p.toml:2: k0: unknown key"},
		"many calls":        {data: "[seccomp.when]\n" + numbered("k%d = ['a']\n", 4000)},
		"a list of names":   {data: "[seccomp]\nallow = [" + numbered("'k%d',", 20000) + "]\n"},
		"a long chain":      {data: "extends = ['c0']", files: chain, want: "names/c30.toml:2: extends: more than 32 files deep"},
		"many files":        {data: "extends = [" + numbered("'w%d',", 100) + "]", files: wide, want: "p.toml:2: extends: more than 64 files"},
		"UTF-16":            {data: "\x00a\x00", want: "p.toml:2: TOML files cannot contain control characters: '0x00'"},
		"Latin-1":           {data: "a = '\xe9'", want: "p.toml:2: invalid UTF-8 byte: 0xe9"},
		"DOS line ends":     {data: "[a]\r\nb = 1\r\nc = '''\r\n'''\r\n"},
		"nothing but space": {data: "\n\t \n"},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{"p.toml": head + c.data}
			maps.Copy(all, c.files)
			start := time.Now()
			_, ps := profile.Load("./p.toml", finder(all))
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %v", d)
			}
			if len(ps) > 101 {
				t.Errorf("%d problems", len(ps))
			}
			got := step.Problems(ps).Error()
			if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
				t.Errorf("got  %.300s\nwant %.300s", got, c.want)
			}
		})
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestNoProfile(t *testing.T) {
	for name, want := range map[string]string{
		"nosuch":    `no profile named "nosuch"`,
		"./nosuch":  `no file "./nosuch"`,
		"":          `"" cannot be a profile's name`,
		"a\x00b":    `"a\x00b" cannot be a profile's name`,
		"forbidden": `open /etc/forbidden: permission denied`,
		"hinted":    `no profile named "hinted" (did you mean "hint"?)`,
	} {
		p, ps := profile.Load(name, finder(nil))
		if got := step.Problems(ps).Error(); p != nil || got != want {
			t.Errorf("%q: %v %s, want %s", name, p, got, want)
		}
	}
}

func TestLocate(t *testing.T) {
	p, ps := profile.Load("./p.toml", finder(map[string]string{
		"p.toml":          head + "extends = ['base']\n[mountns.at]\n'/tmp' = { tmpfs = '1MB' }\n",
		"names/base.toml": head + "[mountns]\nroot = '1MiB'\n[mountns.at]\n'/a' = false\n'/tmp' = { work = '1MiB' }\n",
	}))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	in := []step.Problem{{Key: []string{"at", "/tmp", "tmpfs"}, Text: "a"}, {Key: []string{"at", "/tmp", "work"}, Text: "b"},
		{Key: []string{"root", "deeper"}, Text: "c"}, {Key: []string{"at", "/b"}, Text: "d"}, {Text: "e"}}
	got := step.Problems(p.Locate("mountns", in)).Error() + "\n" + step.Problems(p.Locate("nosuch", in[4:])).Error()
	want := `p.toml:4: mountns.at."/tmp".tmpfs: a
p.toml:4: mountns.at."/tmp".work: b
names/base.toml:3: mountns.root.deeper: c
p.toml:3: mountns.at."/b": d
p.toml:3: mountns: e
p.toml: nosuch: e`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if in[4].File != "" {
		t.Error("Locate changed what it was given")
	}
}

// Whatever a file says, loading it ends, and problems can be shown; without problems the sections are JSON tables and
// every key of theirs has a place.
func FuzzLoad(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			f.Add(string(file.Data))
		}
	}
	const base = head + "[netns]\nmode = 'none'\n[mountns.at]\n'/tmp' = false\n"
	f.Fuzz(func(t *testing.T, data string) {
		p, ps := profile.Load("./p.toml", finder(map[string]string{"p.toml": data, "names/base.toml": base}))
		if p == nil && len(ps) == 0 {
			t.Fatal("neither a profile nor a problem")
		}
		for _, problem := range ps {
			if problem.Text == "" || strings.ContainsFunc(problem.String(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("%q", problem)
			}
		}
		if p == nil || len(ps) > 0 {
			return
		}
		for name, raw := range p.Sections {
			var keys map[string]any
			if err := json.Unmarshal(raw, &keys); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for key := range keys {
				if file, line := p.Position([]string{name, key}); file == "" || line == 0 {
					t.Fatalf("%q.%q has no place", name, key)
				}
			}
		}
	})
}
