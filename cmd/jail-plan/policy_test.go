package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/profile"
	"github.com/jail-sandbox/jail/core/seccomp"
	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/profiles"
)

var update = flag.Bool("update", false, "write the golden files anew")

// load loads a profile: an embedded one, or the text given.
func load(t *testing.T, name, text string) *profile.Profile {
	t.Helper()
	p, problems := profile.Load(name, func(name string, _ *profile.Source) (profile.Source, error) {
		if text != "" && strings.Contains(name, "/") {
			return profile.Source{Name: name, Data: []byte(text), Origin: name}, nil
		}
		data, err := profiles.FS.ReadFile(name + ".toml")
		return profile.Source{Name: name + ".toml", Data: data, Origin: profile.Embedded}, err
	})
	if problems != nil {
		t.Fatal(step.Problems(problems))
	}
	return p
}

// The filter of every embedded profile, call by call: a change of a group or a profile is reviewed as a diff of testdata/pfc.
// A file that says "as NAME" stands for the same policy as that one.
func TestPolicies(t *testing.T) {
	const dir = "testdata/pfc"
	first := map[string]string{} // file by text
	want := map[string]string{}  // text by file
	for _, name := range profiles.Names() {
		resolved, issues := seccomp.Resolve(policy(load(t, name, "").Settings.Seccomp))
		if issues != nil {
			t.Fatal(name, issues)
		}
		for _, arch := range []string{"amd64", "arm64"} {
			text, err := resolved.PFC(arch)
			if err != nil {
				t.Fatal(name, arch, err)
			}
			file := name + "." + arch
			want[file] = text
			if same, ok := first[text]; ok {
				want[file] = "as " + same + "\n"
			} else {
				first[text] = file
			}
		}
	}
	if *update {
		writeAll(t, dir, want)
	}
	files, err := filepath.Glob(dir + "/*")
	if err != nil || len(files) != len(want) {
		t.Errorf("%s has %d files for %d filters: go test -update writes them anew, then review the diff", dir, len(files), len(want))
	}
	for file, text := range want {
		if data, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(data) != text {
			t.Errorf("%s is not what the profile gives (%v): go test -update writes it anew, then review the diff", file, err)
		}
	}
}

func writeAll(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const head = "format = \"jail.profile/1\"\nextends = [\"default\"]\n"

// What a policy says about single calls arrives in the plan, with the key that says so.
func TestErrnoByCall(t *testing.T) {
	p := load(t, "./p.toml", head+"[seccomp]\ndeny = [\"fork\"]\n[seccomp.errno]\nfork = \"EAGAIN\"\nopenat2 = \"EPERM\"\nsocket = \"EAFNOSUPPORT\"\n")
	f, problems := filter(p, []string{"amd64", "arm64"})
	if problems != nil {
		t.Fatal(step.Problems(problems))
	}
	for call, want := range map[string]string{"fork": "EAGAIN", "openat2": "EPERM", "socket": "EAFNOSUPPORT", "clone3": "ENOSYS"} {
		i := slices.IndexFunc(f.Rules, func(r step.Rule) bool { return r.Call == call && r.Action != "allow" })
		if i < 0 || f.Rules[i].Action != want {
			t.Errorf("%s: no rule with %s", call, want)
		}
	}
}

func TestPolicyProblems(t *testing.T) {
	p := load(t, "./p.toml", head+"[seccomp]\ndefault = \"lag\"\n[seccomp.errno]\nopnat2 = \"EPERM\"\nopenat2 = \"EPREM\"\n\"@io\" = \"EIO\"\n")
	_, problems := filter(p, []string{"amd64"})
	profile.Sort(problems)
	const want = `./p.toml:4: seccomp.default: "lag" is no action (did you mean log?)
./p.toml:6: seccomp.errno.opnat2: unknown system call "opnat2" (did you mean openat2?)
./p.toml:7: seccomp.errno.openat2: "EPREM" is no errno (did you mean EPERM?)
./p.toml:8: seccomp.errno."@io": a group gets no errno (name the call)`
	if got := step.Problems(problems).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	p = load(t, "./p.toml", head+"[seccomp.errno]\nfork = \"EPERM\"\n")
	_, problems = filter(p, []string{"amd64"})
	const allowed = `./p.toml:4: seccomp.errno.fork: fork is allowed by @script, so it never gets EPERM (add fork to deny)`
	if got := step.Problems(problems).Error(); got != allowed {
		t.Errorf("got %s", got)
	}
}

// A filter that lets calls through warns, in every plan.
func TestLogWarns(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"[seccomp]\ndefault = \"kill\"\nrefuse = \"EPERM\"\n", ""},
		{"[seccomp]\ndefault = \"log\"\n", `./p.toml:4: seccomp.default: "log" lets every call through that no rule names, and logs it: not for untrusted code`},
		{"[seccomp]\nrefuse = \"log\"\n", `./p.toml:4: seccomp.refuse: "log" lets every call through that is refused, and logs it: not for untrusted code`},
		{"[seccomp]\ndefault = \"log\"\nrefuse = \"log\"\n", `./p.toml:4: seccomp.default: "log" lets every call through that no rule names, and logs it: not for untrusted code
./p.toml:5: seccomp.refuse: "log" lets every call through that is refused, and logs it: not for untrusted code`},
	} {
		c, problems := coreContribution(load(t, "./p.toml", head+tt.text), []string{"amd64"})
		if problems != nil {
			t.Fatal(step.Problems(problems))
		}
		if got := step.Problems(c.Warnings).Error(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}
